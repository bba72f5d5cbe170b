// The keys of toasts: F8 leads to the newest and back; so does Tab, right after the action that it is about. Loaded once
// the page is used.
import { byId, findAll } from "./dom.js";
import { home, KEY, tab } from "./toast.js";

const box = byId("toasts", HTMLElement);
/** @type {HTMLElement | null} */
let origin = null; // where the keys led here from

/** @param {KeyboardEvent} event */
function keyed(event) {
  const buttons = findAll(box, "button:not([hidden])", HTMLButtonElement);
  const isInside = box.contains(document.activeElement);
  if (event.key === "Tab") {
    const isWanted = tab.leadsToToast && !event.shiftKey && !isInside;
    tab.leadsToToast = false;
    if (!isWanted) return leave(event, buttons);
  } else if (event.key !== KEY || event.ctrlKey || event.altKey || event.metaKey) return;
  else if (isInside) return goBack(event);
  const target = box.lastElementChild?.querySelector("button");
  if (!(target instanceof HTMLElement)) return;
  event.preventDefault();
  const { activeElement: before } = document;
  origin = before instanceof HTMLElement && before !== document.body ? before : null;
  target.focus();
}

/** @param {KeyboardEvent} event */
function goBack(event) {
  event.preventDefault();
  (origin?.isConnected ? origin : home())?.focus({ preventScroll: true });
}

/**
 * Tab at an end of the toasts goes on from where it came here.
 * @param {KeyboardEvent} event
 * @param {HTMLElement[]} buttons
 */
function leave(event, buttons) {
  const end = event.shiftKey ? buttons[0] : buttons.at(-1);
  if (document.activeElement !== end || !origin?.isConnected || !box.contains(end ?? null)) return;
  if (event.shiftKey) return goBack(event);
  origin.focus({ preventScroll: true }); // and the browser steps on from there
}

document.addEventListener("keydown", keyed);
document.addEventListener("pointerdown", () => {
  tab.leadsToToast = false;
});
