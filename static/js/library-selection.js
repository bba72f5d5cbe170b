// Selecting tiles. The checkboxes belong to the form #selection, which works without this.
import { perform } from "./act.js";
import { byId, find, targetOf } from "./dom.js";
import { tiles } from "./library-grid.js";

const grid = byId("grid", HTMLElement);
const form = byId("selection", HTMLFormElement);
const bar = find(document, ".selection-bar", HTMLElement);
const count = find(bar, "[data-count]", HTMLElement);
const toggle = find(document, "[data-select]", HTMLButtonElement);
const downloads = document.querySelector("[data-download-selected]"); // not in the trash
const BETWEEN_DOWNLOADS_MS = 400; // browsers drop downloads that start at once

/** @param {HTMLElement} tile */
const tick = (tile) => find(tile, "[data-tick]", HTMLInputElement);
const selected = () => tiles().filter((tile) => tick(tile).checked);
const isPressed = () => toggle.getAttribute("aria-pressed") === "true";

/** @type {HTMLElement | null} */
let last = null; // where a range starts

/** Whether a click on a tile selects it. */
export const isSelecting = () => "selecting" in grid.dataset;

function show() {
  const number = selected().length;
  if (number) count.textContent = `${number} selected`;
  bar.toggleAttribute("data-comparable", number > 1 && number < 5);
  grid.toggleAttribute("data-selecting", number > 0 || isPressed());
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
  const box = tick(tile);
  if (range && last?.isConnected) {
    const all = tiles();
    const ends = [all.indexOf(last), all.indexOf(tile)];
    for (const other of all.slice(Math.min(...ends), Math.max(...ends) + 1)) tick(other).checked = box.checked;
  }
  last = tile;
  show();
}

function clear() {
  form.reset();
  last = null;
  press(false);
}

/** @param {SubmitEvent} event */
async function act(event) {
  const { submitter } = event;
  if (submitter?.matches("[data-plain]")) return; // the answer is a page
  event.preventDefault();
  submitter?.setAttribute("aria-busy", "true");
  const url = submitter?.getAttribute("formaction") ?? form.action;
  const done = await perform(url, new FormData(form));
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
  form.addEventListener("submit", act);
  form.addEventListener("reset", () => {
    const hadFocus = bar.contains(document.activeElement);
    setTimeout(() => press(false)); // when the boxes are clear
    if (hadFocus) toggle.focus({ preventScroll: true }); // the bar goes
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isSelecting() && !document.querySelector("dialog[open]")) clear();
  });
  show(); // a browser may bring ticks back with the page
}
