// The keys of every menu: arrows, Home and End, a letter. They hold links, buttons and facts, so none has the role "menu".
import { findAll, isTyped, targetOf } from "./dom.js";

/** @param {Element} menu */
const entries = (menu) =>
  findAll(menu, "a[href], button, summary", HTMLElement).filter((each) => each.checkVisibility());

/** @param {Element} menu that was opened by key */
export const enter = (menu) => entries(menu)[0]?.focus();

/**
 * The entry after `from` that begins with a letter, in a circle.
 * @param {HTMLElement[]} all
 * @param {number} from
 * @param {string} letter
 */
function beginningWith(all, from, letter) {
  const turned = [...all.slice(from + 1), ...all.slice(0, from + 1)];
  return turned.find((each) => each.textContent.trim().toLowerCase().startsWith(letter.toLowerCase()));
}

/** @param {KeyboardEvent} event */
function keyed(event) {
  const { key } = event;
  if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented || isTyped(event)) return;
  const opener = targetOf(event)?.closest("[data-menu], [popovertarget]");
  const menu = document.querySelector(".menu:popover-open");
  if (!menu) {
    // Up and down scroll the page but here.
    if (!(opener instanceof HTMLElement) || key !== "ArrowDown") return;
    event.preventDefault();
    return opener.click();
  }
  const all = entries(menu);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next =
    { ArrowDown: all[(at + 1) % all.length], ArrowUp: all.at(at < 1 ? -1 : at - 1), Home: all[0], End: all.at(-1) }[
      key
    ] ??
    (/^[\p{L}\p{N}]$/u.test(key) && menu.contains(document.activeElement) ? beginningWith(all, at, key) : undefined);
  if (!next) return;
  event.preventDefault();
  event.stopPropagation();
  next.focus();
}

export function listen() {
  document.addEventListener("keydown", keyed, { capture: true });
  // Of a menu that a button opens by itself; pressed by key, it is entered.
  document.addEventListener("click", (event) => {
    const opener = targetOf(event)?.closest("[popovertarget]");
    const menu = opener && !event.detail && document.getElementById(opener.getAttribute("popovertarget") ?? "");
    if (menu) setTimeout(() => menu.matches(".menu:popover-open") && enter(menu));
  });
  // Tab leads out of a menu; it closes behind the reader.
  document.addEventListener("focusin", (event) => {
    const menu = document.querySelector(".menu:popover-open");
    const to = targetOf(event);
    if (menu instanceof HTMLElement && to && !menu.contains(to) && !to.matches("[aria-expanded], [popovertarget]"))
      menu.hidePopover();
  });
}
