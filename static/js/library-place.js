// The place on the page, kept in the history: Back, a reload and a restored tab come to the tile that was seen first.
import { byId, data } from "./dom.js";
import { anchor, load, parts, rearrange, scrollToY, takeOver } from "./library-grid.js";

const grid = byId("grid", HTMLElement);
const REST_MS = 250;

/** @typedef {{key: string, by: number}} Place */

/** @type {number | undefined} */
let timer;
let isThere = false;

function write() {
  if (!isThere || history.state?.viewer) return;
  const held = anchor();
  if (held && !held.key) return; // not loaded yet
  history.replaceState({ ...history.state, place: held && { key: held.key, by: held.by } }, "");
}

/** @param {Place} place */
async function goTo({ key, by }) {
  const part = parts.all[parts.indexOf(key)];
  if (!part) return;
  scrollToY(part.top);
  await parts.load(part);
  rearrange(() => {});
  const at = part.tiles?.findIndex((tile) => tile.key <= key) ?? -1;
  const box = part.layout?.boxes.at(at);
  if (box) scrollToY(part.top + box.y + by);
}

/** A page that starts further down, as links without a script do, is a place on the whole one. @returns {Place | null} */
function laterPlace() {
  const first = grid.querySelector("[data-tile]");
  if (!("later" in grid.dataset) || !(first instanceof HTMLElement)) return null;
  return { key: data(first, "key"), by: 0 };
}

async function count() {
  const answer = await fetch(data(grid, "parts"), { credentials: "same-origin", redirect: "error" });
  if (!answer.ok) throw new Error(`the parts answered ${answer.status}`);
  const counted = await answer.json();
  rearrange(() => parts.count(counted));
}

/** Takes over the page, asks how much there is elsewhere, and goes to the place where the reader was. */
export async function start() {
  const place = /** @type {Place | null} */ (history.state?.place) ?? laterPlace();
  history.scrollRestoration = "manual";
  takeOver("later" in grid.dataset);
  const isHere = () => parts.all[0]?.tiles?.some(({ key }) => key === place?.key) ?? false;
  if (place && isHere()) await goTo(place);
  if (!place || isHere()) grid.dataset.laid = "";
  try {
    await count();
    if (place && !isHere()) await goTo(place);
  } finally {
    isThere = true;
    grid.dataset.laid = "";
    load();
    grid.dispatchEvent(new CustomEvent("tiles-changed"));
  }
  addEventListener("pagehide", write);
  grid.addEventListener("scrolled", () => {
    clearTimeout(timer);
    timer = setTimeout(write, REST_MS);
  });
}
