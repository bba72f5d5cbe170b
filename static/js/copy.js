// Buttons that copy the text beside them.
import { find, targetOf } from "./dom.js";
import { say } from "./toast.js";

/** @param {HTMLElement} shown */
async function copy(shown) {
  const text = shown.textContent?.trim() ?? "";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copySelected(shown)) return say("This browser did not let it be copied.", { level: "error" });
  }
  say("Copied.");
}

/**
 * As it went before the clipboard, which a page has by HTTPS alone. What is folded away cannot be selected.
 * @param {HTMLElement} shown
 */
function copySelected(shown) {
  const details = shown.closest("details");
  const isOpen = details?.open;
  if (details) details.open = true;
  getSelection()?.selectAllChildren(shown);
  const done = document.execCommand("copy");
  getSelection()?.removeAllRanges();
  if (details) details.open = Boolean(isOpen);
  return done;
}

document.addEventListener("click", (event) => {
  const beside = targetOf(event)?.closest("[data-copy]")?.closest(".copies");
  if (beside) copy(find(beside, "[data-text]", HTMLElement));
});
