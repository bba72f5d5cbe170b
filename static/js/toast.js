// Toasts. The markup is _toast.html, for those the server wrote and for those made here.
import { announce } from "./announce.js";
import { byId, copyOf, find, findAll } from "./dom.js";

const box = byId("toasts", HTMLElement);
const template = byId("toast", HTMLTemplateElement);
const SHOWN_MS = 8000;
const MOST_SHOWN = 2;
const hover = matchMedia("(hover: hover)"); // a finger leaves its hover behind
export const KEY = "F8";
/** Whether Tab leads to the newest toast: it came after the last step of the focus. toast-keys.js asks. */
export const tab = { leadsToToast: false };

/** Where the focus is when nothing else is left to have it. */
export function home() {
  const dialog = document.querySelector("dialog[open]");
  return dialog instanceof HTMLElement ? dialog : byId("main", HTMLElement);
}

/**
 * Closing, and leaving by itself after a while unless somebody is about to use it. Errors stay.
 * @param {HTMLElement} toast
 */
function watch(toast) {
  /** @type {number | undefined} */
  let timer;
  /** @type {EventTarget | null} */
  let before = null; // had the focus
  const close = () => {
    const hadFocus = toast.contains(document.activeElement);
    toast.remove();
    const next = before instanceof HTMLElement && before.isConnected && before !== document.body ? before : home();
    if (hadFocus) next.focus({ preventScroll: true });
  };
  const stop = () => clearTimeout(timer);
  const start = () => {
    stop();
    const isInUse = toast.matches(hover.matches ? ":hover, :focus-within" : ":focus-within");
    if (toast.dataset.level !== "error" && !isInUse) timer = setTimeout(close, SHOWN_MS);
  };
  toast.addEventListener("focusin", ({ relatedTarget: from }) => {
    if (!(from instanceof Node && toast.contains(from))) before = from;
  });
  const button = find(toast, "[data-close]", HTMLButtonElement);
  button.hidden = false;
  button.addEventListener("click", close);
  // The form is sent first.
  toast.querySelector("[data-undo]")?.addEventListener("click", () => queueMicrotask(close));
  for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, stop);
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, () => setTimeout(start));
  start();
}

/** @param {HTMLElement} container */
export function adopt(container) {
  for (const toast of findAll(container, "[data-toast]", HTMLElement)) {
    watch(toast);
    speak(toast);
  }
}

/** @param {HTMLElement} toast */
function speak(toast) {
  const canUndo = toast.querySelector("[data-undo]") !== null;
  announce(`${words(toast).textContent}${canUndo ? ` Undo: ${KEY}.` : ""}`);
  tab.leadsToToast = canUndo;
}

/** @param {Element} toast */
const words = (toast) => find(toast, "span", HTMLElement);

/**
 * Says `text`. Undo posts `undo`, or calls `restore` where the page itself can take it back.
 * @param {string} text
 * @param {{undo?: Undo, restore?: () => void, level?: "info" | "error"}} [options]
 */
export function say(text, { undo, restore, level = "info" } = {}) {
  const toast = copyOf(template);
  words(toast).textContent = text;
  toast.dataset.level = level;
  const button = find(toast, "[data-undo]", HTMLButtonElement);
  if (undo) {
    button.setAttribute("formaction", undo.url);
    button.dataset.fields = JSON.stringify(undo.fields ?? {});
  } else if (restore) {
    for (const name of ["form", "formaction"]) button.removeAttribute(name);
    button.type = "button";
    button.addEventListener("click", () => {
      toast.remove();
      restore();
    });
  } else {
    button.remove();
  }
  // What only confirms makes room; what can be undone and what went wrong stays.
  for (const plain of box.querySelectorAll('[data-toast]:not([data-level="error"], :has([data-undo]))')) plain.remove();
  const all = () => findAll(box, "[data-toast]", HTMLElement);
  for (const same of all()) if (words(same).textContent === text && !undo && !restore) same.remove();
  while (all().length >= MOST_SHOWN) all()[0]?.remove();
  box.append(toast);
  watch(toast);
  speak(toast);
  return toast;
}
