// The ⋯ menus: what a link leads to as a page of its own is shown beside it.
import { byId, element, targetOf } from "./dom.js";

const panel = byId("menu", HTMLElement);
/** @type {HTMLAnchorElement | null} */
let wanted = null; // what was pressed last: its menu is on its way, or shown
/** @type {HTMLAnchorElement | null} */
let closing = null; // pressed while its menu was shown: the press itself closes it

const isOpen = () => panel.matches(":popover-open");

/** @param {HTMLAnchorElement} opener */
async function open(opener) {
  const answer = await fetch(opener.href, {
    headers: { "X-Fragment": "1" },
    credentials: "same-origin",
    redirect: "error",
  });
  if (!answer.ok) throw new Error(`${opener.href} answered ${answer.status}`);
  const fresh = element(`<div>${await answer.text()}</div>`);
  if (wanted !== opener) return;
  panel.replaceChildren(...fresh.childNodes);
  panel.hidePopover();
  panel.showPopover({ source: opener });
}

/** @param {Event} event */
function openerOf(event) {
  const opener = targetOf(event)?.closest("a[data-menu]");
  return opener instanceof HTMLAnchorElement ? opener : null;
}

// Before the browser closes what is open, which it does at the press and not at the click.
addEventListener(
  "pointerdown",
  (event) => {
    closing = isOpen() && openerOf(event) === wanted ? wanted : null;
  },
  { capture: true },
);

document.addEventListener("click", (event) => {
  const opener = openerOf(event);
  if (!opener || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const isShown = opener === wanted && (event.detail ? opener === closing : isOpen());
  closing = null;
  if (isShown) return panel.hidePopover();
  wanted = opener;
  opener.setAttribute("aria-busy", "true");
  open(opener)
    .catch(() => wanted === opener && location.assign(opener.href))
    .finally(() => opener.removeAttribute("aria-busy"));
});
