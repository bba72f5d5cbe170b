// Selecting tiles by click, shift, drag, long press and keys. The checkboxes belong to the form #selection, which works
// without this.
import { perform } from "./act.js";
import { byId, data, find, isTyped, targetOf } from "./dom.js";
import { parts, tiles } from "./library-grid.js";
import { isSelecting, selection } from "./library-selection.js";
import { beyond, endTile, fetchedNeighbour, focus, neighbour, tileOf } from "./library-walk.js";
import { say } from "./toast.js";

const grid = byId("grid", HTMLElement);
const form = byId("selection", HTMLFormElement);
const bar = find(document, ".selection-bar", HTMLElement);
const count = find(bar, "[data-count]", HTMLElement);
const toggle = find(document, "[data-select]", HTMLButtonElement);
const isOfStacks = new URLSearchParams(grid.dataset.filter).has("stacks");
const LONG_PRESS_MS = 450;
const STILL_PX = 10;
const EDGE_PX = 60; // from the upper or lower edge, where a drag scrolls

const isPressed = () => toggle.getAttribute("aria-pressed") === "true";

/** @type {{id: string, key: string, on: boolean} | null} */
let origin = null; // where ranges start, and whether its own tile was selected there

/** @type {string[]} */
let ranged = []; // what the last range from there changed

function show() {
  const number = selection.count;
  const stacks = isOfStacks
    ? ` ${number === 1 ? "stack" : "stacks"}, with all in ${number === 1 ? "it" : "them"},`
    : "";
  if (!selection.isEmpty) count.textContent = `${number === null ? "All" : number.toLocaleString()}${stacks} selected`;
  bar.toggleAttribute("data-comparable", selection.ids.length > 1 && selection.ids.length < 5);
  grid.toggleAttribute("data-selecting", !selection.isEmpty || isPressed());
  grid.toggleAttribute("data-selected", !selection.isEmpty);
}

/** @param {boolean} on */
function press(on) {
  toggle.setAttribute("aria-pressed", String(on));
  toggle.textContent = on ? "Done" : "Select";
  show();
}

function clear() {
  origin = null;
  const hadFocus = bar.contains(document.activeElement);
  selection.clear();
  press(false);
  if (hadFocus) toggle.focus({ preventScroll: true }); // the bar goes
}

/** @param {Event} event */
function tileAt(event) {
  const element = targetOf(event)?.closest("[data-tile]");
  return element instanceof HTMLElement ? tileOf(data(element, "id")) : null;
}

/**
 * From here the next ranges start.
 * @param {{id: string, key: string}} tile
 * @param {boolean} on
 */
function startAt({ id, key }, on) {
  origin = { id, key, on };
  ranged = [];
}

/**
 * Selects one tile or, from where the last one was, a range, of which much may not be loaded.
 * @param {{id: string, key: string}} tile
 * @param {boolean} on
 * @param {boolean} isRange
 */
async function pick(tile, on, isRange) {
  const from = origin;
  if (!isRange || !from) {
    startAt(tile, on);
    return selection.set([tile.id], on);
  }
  const ids = idsBetween(from.id, tile.id) ?? (await fetchedBetween(from.key, tile.key));
  if (ids && from === origin) setRange(ids, on);
}

/**
 * Selects a range in the place of the last one from the same tile.
 * @param {string[]} ids
 * @param {boolean} on
 */
function setRange(ids, on) {
  selection.set(ranged, !on);
  ranged = ids.filter((id) => selection.has(id) !== on);
  selection.set(ids, on);
}

/**
 * The ids from one tile to the other, if all between are here.
 * @param {string} from
 * @param {string} to
 */
function idsBetween(from, to) {
  const here = tiles().map((tile) => data(tile, "id"));
  const ends = [here.indexOf(from), here.indexOf(to)];
  return ends.includes(-1) ? null : here.slice(Math.min(...ends), Math.max(...ends) + 1);
}

/**
 * @param {string} from
 * @param {string} to
 * @returns {Promise<string[] | null>}
 */
async function fetchedBetween(from, to) {
  const url = new URL(data(grid, "ids"), location.href);
  url.searchParams.set("from", from);
  url.searchParams.set("to", to);
  const answer = await fetch(url, { credentials: "same-origin", redirect: "error" }).catch(() => null);
  if (!answer?.ok) {
    say("The range could not be selected. Try again in a moment.", { level: "error" });
    return null;
  }
  const { ids, complete } = await answer.json();
  if (!complete) say(`The first ${ids.length.toLocaleString()} were selected: a range has no more.`);
  return ids;
}

// Pointers

/** @type {{from: {id: string, key: string}, pointer: number, on: boolean, isDrag: boolean, x: number, y: number} | null} */
let drag = null;
/** @type {number | undefined} */
let pressing;
let wasGesture = false; // the click that ends a gesture is no click

/** @param {PointerEvent} event */
function pointed(event) {
  wasGesture = false;
  const tile = tileAt(event);
  if (!tile || event.button || targetOf(event)?.closest(".acts")) return;
  const { clientX: x, clientY: y, pointerId: pointer } = event;
  const onTick = Boolean(targetOf(event)?.closest("[data-tick]"));
  const begin = () => {
    drag = { from: tile, pointer, on: !selection.has(tile.id), isDrag: false, x, y };
  };
  clearTimeout(pressing);
  if (event.pointerType === "mouse") {
    if (onTick || isSelecting()) begin();
    return;
  }
  pressing = setTimeout(() => {
    begin();
    dragTo(tile.id);
    navigator.vibrate?.(10);
  }, LONG_PRESS_MS);
  document.addEventListener("pointercancel", released, { once: true });
}

/** @param {PointerEvent} event */
function moved({ clientX, clientY, pointerType, pointerId }) {
  if (!drag) return;
  if (pointerId !== drag.pointer) return;
  if (!drag.isDrag && Math.hypot(clientX - drag.x, clientY - drag.y) < STILL_PX) return;
  const over = document.elementFromPoint(clientX, clientY)?.closest("[data-tile]");
  if (over instanceof HTMLElement && (drag.isDrag || data(over, "id") !== drag.from.id)) dragTo(data(over, "id"));
  if (!drag.isDrag) return;
  const by = clientY < EDGE_PX + 56 ? -1 : clientY > innerHeight - EDGE_PX ? 1 : 0;
  if (by) scrollBy({ top: by * (pointerType === "mouse" ? 24 : 16), behavior: "instant" });
}

/** Selects from where the drag began to this tile, and what was beyond as it was before. @param {string} id */
function dragTo(id) {
  if (!drag) return;
  const { from, on, isDrag } = drag;
  drag.isDrag = true;
  wasGesture = true;
  if (!isDrag) startAt(from, on);
  const ids = idsBetween(from.id, id);
  if (ids) setRange(ids, on);
}

function released() {
  clearTimeout(pressing);
  drag = null;
}

/** @param {TouchEvent} event */
function touched(event) {
  if (drag?.isDrag)
    event.preventDefault(); // it selects, and does not scroll
  else clearTimeout(pressing); // it scrolls
}

/** @param {MouseEvent} event */
function clicked(event) {
  if (wasGesture) {
    event.preventDefault();
    event.stopPropagation();
    wasGesture = false;
    return;
  }
  const tile = tileAt(event);
  if (!tile) return;
  const target = targetOf(event);
  if (target instanceof HTMLInputElement && target.matches("[data-tick]"))
    return void pick(tile, event.shiftKey && origin ? origin.on : target.checked, event.shiftKey);
  if (!target?.closest("[data-open]") || !(isSelecting() || event.shiftKey)) return;
  event.preventDefault();
  pick(tile, event.shiftKey && origin ? true : !selection.has(tile.id), event.shiftKey);
}

// Keys

/** @type {Record<string, (id: string) => ReturnType<typeof neighbour> | ReturnType<typeof fetchedNeighbour>>} */
const ARROWS = {
  ArrowLeft: (id) => fetchedNeighbour(id, -1),
  ArrowRight: (id) => fetchedNeighbour(id, 1),
  ArrowUp: (id) => beyond(id, -1),
  ArrowDown: (id) => beyond(id, 1),
};

/** @param {KeyboardEvent} event */
async function keyed(event) {
  const { key, shiftKey } = event;
  const tile = tileAt(event);
  if (!tile || event.altKey || event.ctrlKey || event.metaKey || targetOf(event)?.closest(".acts")) return;
  if (key === " ") {
    event.preventDefault();
    return void pick(tile, shiftKey && origin ? origin.on : !selection.has(tile.id), shiftKey);
  }
  if (key === "Home" || key === "End") {
    event.preventDefault();
    const end = await endTile(key === "Home" ? "first" : "last");
    if (end) focus(end);
    return;
  }
  const step = ARROWS[key];
  if (!step) return;
  event.preventDefault();
  const to = await step(tile.id);
  if (!to) return;
  if (shiftKey && !origin) startAt(tile, true);
  if (shiftKey) pick(to, true, true);
  focus(to);
}

/** @param {KeyboardEvent} event */
function keyedAnywhere(event) {
  if (document.querySelector("dialog[open], :popover-open")) return;
  if (event.key === "Escape" && isSelecting()) return clear();
  if (event.key !== "a" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey || isTyped(event))
    return;
  event.preventDefault();
  ranged = [];
  if (tiles().length) selection.selectAll(parts.total);
}

// What is done with them

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

export function start() {
  toggle.addEventListener("click", () => {
    if (isPressed()) clear();
    else press(true);
  });
  grid.addEventListener("click", clicked, { capture: true });
  grid.addEventListener("keydown", keyed);
  grid.addEventListener("ticked", (event) => {
    const tile = tileAt(event); // before this was there
    if (tile && event instanceof CustomEvent) pick(tile, event.detail, false);
  });
  grid.addEventListener("pointerdown", pointed);
  document.addEventListener("pointermove", moved);
  document.addEventListener("pointerup", released);
  grid.addEventListener("touchmove", touched, { passive: false });
  grid.addEventListener("contextmenu", (event) => drag && event.preventDefault());
  grid.addEventListener("dragstart", (event) => drag && event.preventDefault());
  selection.addEventListener("selectionchange", show);
  form.addEventListener("submit", act);
  form.addEventListener("formdata", ({ formData }) => selection.addTo(formData)); // what is out of sight, too
  form.addEventListener("reset", () => {
    setTimeout(clear); // when the boxes are clear
  });
  document.addEventListener("keydown", keyedAnywhere);
  show();
}
