// The ⋯ menus: what a link leads to as a page of its own is shown beside it.
import { byId, element, targetOf } from "./dom.js";

const panel = byId("menu", HTMLElement);

/** @param {HTMLAnchorElement} opener */
async function open(opener) {
  const answer = await fetch(opener.href, {
    headers: { "X-Fragment": "1" },
    credentials: "same-origin",
    redirect: "error",
  });
  if (!answer.ok) throw new Error(`${opener.href} answered ${answer.status}`);
  const fresh = element(`<div>${await answer.text()}</div>`);
  panel.replaceChildren(...fresh.childNodes);
  panel.hidePopover();
  panel.showPopover({ source: opener });
}

document.addEventListener("click", (event) => {
  const opener = targetOf(event)?.closest("a[data-menu]");
  if (!(opener instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  opener.setAttribute("aria-busy", "true");
  open(opener)
    .catch(() => location.assign(opener.href))
    .finally(() => opener.removeAttribute("aria-busy"));
});
