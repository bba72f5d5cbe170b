// Going from one tile to another, by keys too: of all tiles Tab leads to one, and its buttons are there while the pointer
// or the focus is on it.
import { byId, data, find, targetOf } from "./dom.js";
import { fetchPart, load, parts, scrollToY, seen } from "./library-grid.js";

/** @typedef {import("./library-parts.js").Tile} Tile */

const grid = byId("grid", HTMLElement);
const BELOW_PX = 16;

let current = ""; // the id of the tile that Tab leads to

/**
 * The tile that stands `by` places after this one, if it is here.
 * @param {string} id
 * @param {1 | -1} by
 */
export function neighbour(id, by) {
  const found = parts.find(id);
  if (!found) return null;
  const beside = found.part.tiles?.[found.index + by];
  if (beside) return beside;
  let { at } = found;
  do at += by;
  while (parts.all[at] && !parts.all[at]?.count);
  return parts.all[at]?.tiles?.at(by > 0 ? 0 : -1) ?? null;
}

/**
 * The same, loaded where it is not here.
 * @param {string} id
 * @param {1 | -1} by
 */
export async function fetchedNeighbour(id, by) {
  const found = parts.find(id);
  const at = found?.at ?? -1;
  const others = by > 0 ? parts.all.slice(at + 1) : parts.all.slice(0, Math.max(at, 0)).reverse();
  const next = others.find(({ count }) => count);
  if (found && !neighbour(id, by) && next) await fetchPart(next);
  return neighbour(id, by);
}

/**
 * The tile above or below, nearest to the middle of this one.
 * @param {string} id
 * @param {1 | -1} by
 */
export function beyond(id, by) {
  const from = boxOf(id);
  if (!from) return null;
  const middle = from.x + from.width / 2;
  let row = Number.NaN;
  let best = null;
  for (let tile = neighbour(id, by); tile; tile = neighbour(tile.id, by)) {
    const box = boxOf(tile.id);
    if (!box) break;
    if (Math.abs(box.y - from.y) < 1) continue;
    if (Number.isNaN(row)) row = box.y;
    if (Math.abs(box.y - row) > 1) break;
    const far = Math.abs(box.x + box.width / 2 - middle);
    if (!best || far < best.far) best = { far, tile };
  }
  return best?.tile ?? null;
}

/** Where a tile stands on the grid. @param {string} id */
function boxOf(id) {
  const found = parts.find(id);
  const box = found?.part.layout?.boxes[found.index];
  return found && box ? { ...box, y: box.y + found.part.top } : null;
}

/** The first or the last tile of all. @param {"first" | "last"} end */
export async function endTile(end) {
  const part = end === "first" ? parts.all.find(({ count }) => count) : parts.all.findLast(({ count }) => count);
  if (part && !part.tiles) await fetchPart(part);
  return part?.tiles?.at(end === "first" ? 0 : -1) ?? null;
}

/** @param {string} id */
export const tileOf = (id) => parts.find(id)?.tile ?? null;

/** Brings a tile into sight. @param {Tile} tile */
export function reveal({ id }) {
  const box = boxOf(id);
  if (!box) return;
  const { y, height } = seen();
  const edge = Number.parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
  if (box.y < y + edge) scrollToY(box.y - edge);
  else if (box.y + box.height > y + height - BELOW_PX) scrollToY(box.y + box.height - height + BELOW_PX);
  load();
}

/** @param {Tile} tile */
export function focus(tile) {
  reveal(tile);
  find(tile.element, "[data-open]", HTMLElement).focus({ preventScroll: true });
}

/** Whether Tab leads to it. @param {Tile} tile */
export function roving({ id, element }) {
  const index = id === current ? 0 : -1;
  find(element, "[data-open]", HTMLElement).tabIndex = index;
  find(element, "[data-tick]", HTMLElement).tabIndex = index;
  element.querySelector(".stack")?.setAttribute("tabindex", String(index));
}

/** @param {string} id */
function makeCurrent(id) {
  const before = tileOf(current);
  current = id;
  for (const tile of [before, tileOf(id)]) if (tile) roving(tile);
}

/** Where the tile that Tab leads to is gone, or far away, Tab leads to the first that is seen. */
function keepCurrent() {
  if (tileOf(current)?.element.isConnected) return;
  const first = grid.querySelector("[data-tile]");
  if (first instanceof HTMLElement) makeCurrent(data(first, "id"));
}

/** @param {Event} event */
function elementAt(event) {
  const element = targetOf(event)?.closest("[data-tile]");
  return element instanceof HTMLElement ? element : null;
}

/** @param {Event} event */
function showActs(event) {
  const element = elementAt(event);
  const acts = element && tileOf(data(element, "id"))?.acts;
  if (acts && !acts.isConnected) element.append(acts);
}

/** @param {Event} event */
function hideActs(event) {
  const element = elementAt(event);
  setTimeout(() => {
    if (element && !element.matches(":hover, :focus-within")) element.querySelector(".acts")?.remove();
  });
}

export function start() {
  for (const come of ["pointerover", "focusin"]) grid.addEventListener(come, showActs);
  for (const leave of ["pointerout", "focusout"]) grid.addEventListener(leave, hideActs);
  grid.addEventListener("focusin", (event) => {
    const element = elementAt(event);
    if (element) makeCurrent(data(element, "id"));
  });
  for (const moved of ["tiles-changed", "scrolled"]) grid.addEventListener(moved, keepCurrent);
  keepCurrent();
}
