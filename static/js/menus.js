// The ⋯ menus: what a link leads to as a page of its own is shown beside it.
import { byId, element, targetOf } from "./dom.js";
import { enter } from "./menu-keys.js";
import { say } from "./toast.js";

const ANSWER_MS = 8000; // a line that is dead without being closed never answers
const AWAY = "The menu did not come: the server does not answer. Try again in a moment.";
const panel = byId("menu", HTMLElement);
/** @type {HTMLAnchorElement | null} */
let wanted = null; // what was pressed last: its menu is on its way, or shown
/** @type {HTMLAnchorElement | null} */
let closing = null; // pressed while its menu was shown: the press itself closes it

const isOpen = () => panel.matches(":popover-open");

/**
 * @param {HTMLAnchorElement} opener
 * @param {boolean} isByKey
 */
async function open(opener, isByKey) {
  const answer = await fetch(opener.href, {
    headers: { "X-Fragment": "1" },
    credentials: "same-origin",
    redirect: "manual",
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  if (wanted !== opener) return;
  if (answer.type === "opaqueredirect") return location.reload(); // to the sign-in page
  if (answer.status === 404) return say("That is not here any more.", { level: "error" });
  if (!answer.ok) throw new Error(`${opener.href} answered ${answer.status}`);
  const fresh = element(`<div>${await answer.text()}</div>`);
  if (wanted !== opener) return;
  panel.replaceChildren(...fresh.childNodes);
  panel.hidePopover();
  panel.showPopover({ source: opener });
  if (isByKey) enter(panel);
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
  open(opener, !event.detail)
    .catch(() => wanted === opener && say(AWAY, { level: "error" }))
    .finally(() => opener.removeAttribute("aria-busy"));
});

panel.addEventListener("toggle", () => {
  for (const opener of document.querySelectorAll("[data-menu][aria-expanded]")) opener.removeAttribute("aria-expanded");
  if (isOpen()) wanted?.setAttribute("aria-expanded", "true");
});
