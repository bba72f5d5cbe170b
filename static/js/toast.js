// Toasts. The markup is _toast.html, for those the server wrote and for those made here.
const box = document.getElementById("toasts");
const template = document.getElementById("toast");
const SHOWN_MS = 8000;

// Closing, and leaving by itself after a while unless somebody is about to use it. Errors stay.
function watch(toast) {
  let timer;
  const close = () => toast.remove();
  const start = () => {
    if (toast.dataset.level !== "error") timer = setTimeout(close, SHOWN_MS);
  };
  const stop = () => clearTimeout(timer);
  const button = toast.querySelector("[data-close]");
  button.hidden = false;
  button.addEventListener("click", close);
  for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, stop);
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, start);
  start();
}

export function adopt(container) {
  for (const toast of container.querySelectorAll("[data-toast]")) watch(toast);
}

/** Says `text`. `undo` is {url, fields}: what its button posts. */
export function say(text, { undo = null, level = "info" } = {}) {
  const toast = template.content.cloneNode(true).querySelector("[data-toast]");
  toast.querySelector("span").textContent = text;
  toast.dataset.level = level;
  const button = toast.querySelector("[data-undo]");
  if (undo) {
    button.setAttribute("formaction", undo.url);
    button.dataset.fields = JSON.stringify(undo.fields ?? {});
    button.addEventListener("click", () => queueMicrotask(() => toast.remove()));
  } else {
    button.remove();
  }
  // What only confirms makes room; what can be undone and what went wrong stays.
  for (const plain of box.querySelectorAll('[data-toast]:not([data-level="error"], :has([data-undo]))')) plain.remove();
  for (const same of [...box.children]) if (same.querySelector("span").textContent === text && !undo) same.remove();
  while (box.children.length > 2) box.firstElementChild.remove();
  box.append(toast);
  watch(toast);
}
