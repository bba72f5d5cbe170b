// Selecting tiles. The checkboxes belong to the form #selection, which works without this.
import { perform } from "./act.js";
import { byId, data, find, targetOf } from "./dom.js";
import { tiles } from "./library-grid.js";
import { selection } from "./library-selection.js";

const grid = byId("grid", HTMLElement);
const form = byId("selection", HTMLFormElement);
const bar = find(document, ".selection-bar", HTMLElement);
const count = find(bar, "[data-count]", HTMLElement);
const toggle = find(document, "[data-select]", HTMLButtonElement);
const downloads = document.querySelector("[data-download-selected]"); // not in the trash
const BETWEEN_DOWNLOADS_MS = 400; // browsers drop downloads that start at once

/** @param {HTMLElement} tile */
const tick = (tile) => find(tile, "[data-tick]", HTMLInputElement);
const selected = () => tiles().filter((tile) => selection.has(data(tile, "id")));
const isPressed = () => toggle.getAttribute("aria-pressed") === "true";

/** @type {HTMLElement | null} */
let last = null; // where a range starts

/** Whether a click on a tile selects it. */
export const isSelecting = () => "selecting" in grid.dataset;

function show() {
  for (const tile of tiles()) tick(tile).checked = selection.has(data(tile, "id"));
  if (!selection.isEmpty) count.textContent = `${selection.count ?? "All"} selected`;
  grid.toggleAttribute("data-selecting", !selection.isEmpty || isPressed());
}

/** @param {boolean} on */
function press(on) {
  toggle.setAttribute("aria-pressed", String(on));
  toggle.textContent = on ? "Done" : "Select";
  show();
}

/**
 * @param {HTMLElement} tile
 * @param {{range: boolean}} options
 */
function pick(tile, { range }) {
  let chosen = [tile];
  const on = tick(tile).checked;
  if (range && last?.isConnected) {
    const all = tiles();
    const ends = [all.indexOf(last), all.indexOf(tile)];
    chosen = all.slice(Math.min(...ends), Math.max(...ends) + 1);
  }
  last = tile;
  selection.set(
    chosen.map((each) => data(each, "id")),
    on,
  );
}

function clear() {
  selection.clear();
  last = null;
  press(false);
}

/** @param {SubmitEvent} event */
async function act(event) {
  event.preventDefault();
  const { submitter } = event;
  submitter?.setAttribute("aria-busy", "true");
  const url = submitter?.getAttribute("formaction") ?? form.action;
  const done = await perform(url, selection.addTo(new FormData(form)));
  submitter?.removeAttribute("aria-busy");
  if (!done) return;
  clear();
  document.dispatchEvent(new CustomEvent("acted"));
}

async function download() {
  for (const tile of selected()) {
    find(tile, "[data-download]", HTMLAnchorElement).click();
    await new Promise((done) => setTimeout(done, BETWEEN_DOWNLOADS_MS));
  }
}

/** @param {MouseEvent} event */
function clicked(event) {
  const target = targetOf(event);
  const tile = target?.closest("[data-tile]");
  if (!(tile instanceof HTMLElement)) return;
  if (target?.matches("[data-tick]")) return pick(tile, { range: event.shiftKey });
  if (!isSelecting() || !target?.closest("[data-open]")) return;
  event.preventDefault();
  tick(tile).checked = !tick(tile).checked;
  pick(tile, { range: event.shiftKey });
}

export function start() {
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    if (isPressed()) clear();
    else press(true);
  });
  if (downloads instanceof HTMLButtonElement) {
    downloads.hidden = false;
    downloads.addEventListener("click", download);
  }
  grid.addEventListener("click", clicked);
  grid.addEventListener("tiles-changed", show);
  selection.addEventListener("selectionchange", show);
  form.addEventListener("submit", act);
  form.addEventListener("reset", () => {
    const hadFocus = bar.contains(document.activeElement);
    setTimeout(clear); // when the boxes are clear
    if (hadFocus) toggle.focus({ preventScroll: true }); // the bar goes
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isSelecting() && !document.querySelector("dialog[open]")) clear();
  });
  selection.set(
    tiles()
      .filter((tile) => tick(tile).checked)
      .map((tile) => data(tile, "id")),
    true,
  ); // a browser may bring ticks back with the page
}
