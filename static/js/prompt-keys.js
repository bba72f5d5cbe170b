// The keys of the prompt: which one sends, and the arrows that lead back through earlier prompts.
import { fields, form } from "./composer-form.js";
import { byId } from "./dom.js";
import * as draft from "./draft.js";

const enterSends = byId("enter-sends", HTMLInputElement);
const finger = matchMedia("(pointer: coarse)");
const asks = fields.prompt.placeholder;

function sayKey() {
  const key = enterSends.checked ? "Enter" : "Ctrl+Enter";
  fields.prompt.placeholder = finger.matches ? asks : `${asks} · ${key} sends`;
}

/** @param {KeyboardEvent} event */
function isSend({ key, ctrlKey, metaKey, shiftKey, altKey, repeat }) {
  if (key !== "Enter" || repeat) return false;
  return ctrlKey || metaKey || (enterSends.checked && !finger.matches && !shiftKey && !altKey);
}

/**
 * How far an arrow leads: only from the very start of the text, where it would go nowhere.
 * @param {KeyboardEvent} event
 */
function step({ key, ctrlKey, metaKey, shiftKey, altKey }) {
  const { selectionStart, selectionEnd } = fields.prompt;
  if (selectionStart || selectionEnd || ctrlKey || metaKey || shiftKey || altKey) return 0;
  if (key === "ArrowUp") return 1;
  return key === "ArrowDown" && draft.walk.typed !== null ? -1 : 0;
}

export function start() {
  sayKey();
  finger.addEventListener("change", sayKey);
  enterSends.addEventListener("change", () => {
    sayKey();
    import("./enter-sends.js").then(({ choose }) => choose(enterSends)).then(sayKey);
  });
  fields.prompt.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return; // it belongs to the input method
    const far = step(event);
    if (!far && !isSend(event)) return;
    event.preventDefault();
    if (far) import("./prompt-history.js").then(({ go }) => go(far));
    else form.requestSubmit();
  });
}
