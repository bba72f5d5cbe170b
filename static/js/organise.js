// Organising what is selected: the names that its fields offer, and operations on all that match, as the server tells.
import { announce } from "./announce.js";
import { byId, element, find, findAll, targetOf } from "./dom.js";
import { morph } from "./morph.js";

/**
 * Shows what the server says of operations in work, and says how one has ended; nothing where a page has no place for it.
 * @param {{operations?: string}} message
 */
export function showOperations({ operations }) {
  const list = document.querySelector(".operations");
  if (operations === undefined || !list) return;
  const fresh = element(list.outerHTML);
  fresh.innerHTML = operations;
  const active = findAll(list, "[data-active]", HTMLElement);
  morph(list, fresh);
  for (const row of active)
    if (row.isConnected && row.dataset.active === undefined) announce(find(row, "p", HTMLElement).textContent);
}

/** @param {HTMLDataListElement} list */
async function fill(list) {
  const answer = await fetch(list.dataset.names ?? "", { credentials: "same-origin", redirect: "error" });
  if (!answer.ok) return;
  /** @type {{names: string[]}} */
  const { names } = await answer.json();
  list.replaceChildren(...names.map((name) => new Option("", name)));
}

/** @param {HTMLElement} menu */
function startMenu(menu) {
  menu.addEventListener("toggle", (event) => {
    if (!(event instanceof ToggleEvent) || event.newState !== "open") return;
    for (const list of findAll(menu, "datalist", HTMLDataListElement)) fill(list).catch(() => {});
  });
  // Enter in a field means its own button, not the form's first.
  menu.addEventListener("keydown", (event) => {
    const row = targetOf(event)?.closest(".organise-row");
    if (event.key !== "Enter" || !row || targetOf(event)?.localName !== "input") return;
    event.preventDefault();
    row.querySelector("button")?.click();
  });
}

export function start() {
  const menu = document.getElementById("organise");
  if (menu) startMenu(menu);
  byId("selection", HTMLFormElement).addEventListener("submit", ({ submitter }) => {
    const open = submitter?.closest("[popover]");
    if (open instanceof HTMLElement) open.hidePopover();
  });
}
