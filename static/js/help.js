// What the account's menu switches in this browser, and the sheet of keys; each is loaded when it is wanted.
import { byId, isTyped } from "./dom.js";
import { NOTIFY_KEY } from "./user.js";

async function showKeys() {
  const { show } = await import("./keys.js");
  show(byId("keys", HTMLDialogElement));
}

/** @param {HTMLButtonElement} button */
async function toggleNotifications(button) {
  const { toggle } = await import("./notifications.js");
  await toggle();
  say(button);
}

/** @param {HTMLButtonElement} button */
function say(button) {
  let on = false;
  try {
    on = localStorage.getItem(NOTIFY_KEY) === "on" && Notification.permission === "granted";
  } catch {
    // storage is off
  }
  button.setAttribute("aria-pressed", String(on));
}

export function start() {
  const [notify, keys] = ["notify", "show-keys"].map((id) => document.getElementById(id));
  if (!(notify instanceof HTMLButtonElement) || !(keys instanceof HTMLButtonElement)) return; // nobody is signed in
  const menu = byId("account-menu", HTMLElement);
  keys.hidden = false;
  keys.addEventListener("click", () => {
    menu.hidePopover();
    showKeys();
  });
  notify.hidden = !("Notification" in window);
  if (!notify.hidden) say(notify);
  notify.addEventListener("click", () => toggleNotifications(notify));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.ctrlKey || event.altKey || event.metaKey || isTyped(event)) return;
    if (document.querySelector("#lightbox[open]")) return; // the viewer shows its own
    event.preventDefault();
    showKeys();
  });
}
