// What every page does: times, toasts, actions without a reload, keys of menus, the focus, and no page of somebody else's.
import { listen } from "./act.js";
import { byId, targetOf } from "./dom.js";
import { start as startHelp } from "./help.js";
import { keepDays, showTimes } from "./times.js";
import { tellTimezone } from "./timezone.js";
import { adopt } from "./toast.js";
import { leaveWhenUserChanges } from "./user.js";

tellTimezone();
showTimes(document);
keepDays();
adopt(byId("toasts", HTMLElement));
listen();
startHelp();
// What is of use only once something has the focus, or had.
for (const sign of ["focusin", "keydown", "pointerdown"]) document.addEventListener(sign, care, { once: true });
/** @param {Event} event */
async function care({ type, target }) {
  const [focus] = await Promise.all([import("./focus.js"), import("./toast-keys.js")]);
  if (type === "focusin") focus.keepFocus(target);
}
// The keys of menus, once one may be used.
document.addEventListener("focusin", loadKeys);
/** @param {Event} event */
async function loadKeys(event) {
  if (!targetOf(event)?.closest("[data-menu], [popovertarget], [popover]")) return;
  document.removeEventListener("focusin", loadKeys);
  const { listen } = await import("./menu-keys.js");
  listen();
}
leaveWhenUserChanges();
