// A changed filter asks at once. The form is a plain GET; the control that was used keeps the focus on the next page.
import { find } from "./dom.js";

const form = document.getElementById("filters"); // not in the trash
const FOCUS = "library-filter"; // which of them had it on the page before; static/js/library-later.js knows it

export function start() {
  if (!(form instanceof HTMLFormElement)) return;
  form.addEventListener("change", ({ target }) => {
    if (!(target instanceof HTMLInputElement || target instanceof HTMLSelectElement)) return;
    // Enter asks; what stands behind "More filters" is asked for together, by its button.
    if (target.type === "search" || target.closest("[popover]")) return;
    sessionStorage.setItem(FOCUS, target.name);
    form.requestSubmit();
  });
  const words = find(form, '[name="q"]', HTMLInputElement);
  words.addEventListener("search", () => {
    if (!words.value && new URLSearchParams(location.search).get("q")) form.requestSubmit();
  });
  addEventListener("pageshow", ({ persisted }) => persisted && form.reset()); // to what is in force
  const used = sessionStorage.getItem(FOCUS);
  sessionStorage.removeItem(FOCUS);
  const same = used && form.elements.namedItem(used);
  if (same instanceof HTMLElement) same.focus();
}
