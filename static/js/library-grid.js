// The grid: of all tiles those near what is seen are in the document, each where the layout of its part puts it. What
// changes elsewhere moves nothing that is seen.
import { byId, copyOf, data, find, findAll } from "./dom.js";
import { Parts } from "./library-parts.js";
import { selection } from "./library-selection.js";
import { showTimes } from "./times.js";

/**
 * @typedef {import("./library-parts.js").Part} Part
 * @typedef {import("./library-parts.js").Tile} Tile
 */

const grid = byId("grid", HTMLElement);
const newDay = byId("day", HTMLTemplateElement);
const MOST_TILES = 420; // in the document
const SETTLED_MS = 90; // after the last jump, before what was jumped over is loaded
const AGAIN_MS = 3000; // after one that failed

export const parts = new Parts(data(grid, "pages"));

/**
 * What is in the document of a part: its tiles from one index to another, as a layout puts them.
 * @typedef {{box: HTMLElement, first: number, last: number, layout: unknown, top: number, height: number}} Mounted
 */

/** @type {Map<Part, Mounted>} */
const mounted = new Map();

/** Where the grid begins on the page, and what is seen of it. Read once a frame, before anything is written. */
const view = { offset: 0, y: 0, height: 0 };

function look() {
  view.y = scrollY - view.offset;
  view.height = innerHeight;
}

function lookAnew() {
  view.offset = grid.getBoundingClientRect().top + scrollY;
  look();
}

/** @param {number} y on the grid */
export function scrollToY(y) {
  scrollTo({ top: Math.round(y + view.offset), behavior: "instant" });
  look();
}

/** What is seen of the grid: from where, and how much. */
export function seen() {
  look();
  return { y: view.y, height: view.height };
}

// Where things are

function measured() {
  const style = getComputedStyle(grid);
  return {
    width: grid.clientWidth - Number.parseFloat(style.paddingRight),
    row: Number.parseFloat(style.getPropertyValue("--height")),
    gap: Number.parseFloat(style.getPropertyValue("--gap")),
  };
}

/** What is seen first, and how far above the upper edge it begins, to find it again when things have moved. */
export function anchor() {
  look();
  const { y } = view;
  const part = parts.all[parts.at(Math.max(0, y))];
  if (!part || y <= 0) return null;
  const index = part.layout?.boxes.findIndex((box) => part.top + box.y + box.height > y) ?? -1;
  const [tile, box] = [part.tiles?.[index], part.layout?.boxes[index]];
  if (tile && box) return { id: tile.id, key: tile.key, by: y - part.top - box.y };
  return { part, by: (y - part.top) / Math.max(1, part.height) };
}

/** @param {NonNullable<ReturnType<typeof anchor>>} held */
function yOf(held) {
  if (held.part) return held.part.top + held.by * held.part.height;
  const found = parts.find(held.id);
  const box = found?.part.layout?.boxes[found.index];
  return found && box ? found.part.top + box.y + held.by : view.y;
}

/** The tile with the focus, if it is in sight of `y`, and where it is there. @param {number} y */
function focusSeen(y) {
  const found = focusedTile();
  const box = found?.part.layout?.boxes[found.index];
  const by = box ? y - found.part.top - box.y : 1;
  return box && by <= 0 && box.height - by <= view.height ? { id: found.tile.id, key: found.tile.key, by } : null;
}

/** Whether the page is at its end, and nothing more is found there. */
const isAtEnd = () =>
  parts.isComplete && view.y > 0 && scrollY + innerHeight > document.documentElement.scrollHeight - 2;

/**
 * Changes what there is, so that nothing that is seen moves. What was loaded may be higher than what was guessed: the
 * page stays at its end, and the tile with the focus in sight.
 * @param {() => void} change
 */
export function rearrange(change) {
  const held = anchor();
  const wasAtEnd = isAtEnd();
  const kept = focusSeen(view.y);
  const focused = document.activeElement;
  change();
  parts.arrange();
  grid.style.height = `${Math.max(parts.height, 1)}px`;
  let y = held ? yOf(held) : view.y;
  if (wasAtEnd) y = document.documentElement.scrollHeight - view.height - view.offset;
  if (kept && !focusSeen(y) && focusedTile()?.tile.key === kept.key) y = yOf(kept);
  if (Math.abs(y - view.y) > 1) scrollToY(y);
  draw();
  // Whoever is moved in the document loses the focus.
  if (focused instanceof HTMLElement && grid.contains(focused)) focused.focus({ preventScroll: true });
  grid.dispatchEvent(new CustomEvent("tiles-changed"));
}

/** Lays everything out anew, for another width or another height of the rows. */
export function resize() {
  lookAnew();
  const measure = measured();
  if (JSON.stringify(measure) !== JSON.stringify(parts.measure)) rearrange(() => parts.resize(measure));
  load();
}

// What is in the document

function draw() {
  const { y, height } = view;
  const density = Math.max(densityAt(y), densityAt(y + height), 0.001);
  const beyond = Math.max(60, Math.min(height, (MOST_TILES / density - height) / 2));
  const [from, to] = [y - beyond, y + height + beyond];
  const near = new Set(parts.all.slice(parts.at(Math.max(0, from)), parts.at(Math.max(0, to)) + 1));
  const focused = focusedTile();
  for (const [part, { box }] of mounted) {
    if (near.has(part) || focused?.part === part) continue;
    box.remove();
    mounted.delete(part);
  }
  for (const part of near) mount(part, from, to, focused?.part === part ? focused.index : -1);
  if (focused && !near.has(focused.part)) mount(focused.part, 1, 0, focused.index);
  return near;
}

/** Tiles for each pixel of height. @param {number} y */
function densityAt(y) {
  const part = parts.all[parts.at(Math.max(0, y))];
  return part ? part.count / Math.max(1, part.height) : 0;
}

/**
 * @param {Part} part
 * @param {number} from
 * @param {number} to
 * @param {number} focused the index of the tile that keeps its place in the document, to keep the focus
 */
function mount(part, from, to, focused) {
  const boxes = part.layout?.boxes ?? [];
  const isNear = (/** @type {{y: number, height: number}} */ { y, height }, /** @type {number} */ index) =>
    index === focused || (part.top + y <= to && part.top + y + height >= from);
  const [first, last] = [boxes.findIndex(isNear), boxes.findLastIndex(isNear)];
  const old = mounted.get(part);
  const { layout, top, height } = part;
  const box = old?.box ?? makeBox(part);
  if (old?.top !== top) box.style.transform = `translateY(${top}px)`;
  if (old?.height !== height) box.style.height = `${height}px`;
  if (!old || old.first !== first || old.last !== last || old.layout !== layout) {
    fill(box, part, first, last, old?.layout === layout);
    box.toggleAttribute("data-waiting", !part.tiles && part.count > 0);
  }
  mounted.set(part, { box, first, last, layout, top, height });
}

/** @param {Part} part */
function makeBox(part) {
  const box = document.createElement("div");
  box.className = "part";
  // In the order of the page, which readers of the screen follow.
  const next = [...mounted].filter(([{ top }]) => top >= part.top).sort(([one], [other]) => one.top - other.top)[0];
  grid.insertBefore(box, next?.[1].box ?? null);
  return box;
}

/**
 * @param {HTMLElement} element
 * @param {{x: number, y: number, width: number, height?: number}} at
 */
function place({ style }, { x, y, width, height }) {
  style.transform = `translate(${x}px, ${y}px)`;
  style.width = `${width}px`;
  if (height) style.height = `${height}px`;
}

/**
 * Puts some tiles of a part into its box, under their days. What is there already is not touched, unless it has moved.
 * @param {HTMLElement} box
 * @param {Part} part
 * @param {number} first
 * @param {number} last
 * @param {boolean} isSame whether the layout is the one by which the box was filled before
 */
function fill(box, part, first, last, isSame) {
  const wanted = first < 0 ? [] : (part.tiles ?? []).slice(first, last + 1);
  const elements = new Set(wanted.map(({ element }) => element));
  const old = new Set(findAll(box, "[data-tile]", HTMLElement));
  for (const element of old) if (!elements.has(element)) element.remove();
  const days = new Map(findAll(box, ".day", HTMLElement).map((day) => [data(day, "day"), day]));
  const dates = new Set(wanted.map(({ date }) => date));
  for (const [date, day] of days) if (!dates.has(date)) day.remove();
  let day = copyOf(newDay); // none yet
  let rows = day;
  /** @type {Element | null} */
  let next = null;
  for (const [index, { date, element }] of wanted.entries()) {
    if (day.dataset.day !== date) {
      /** @type {HTMLElement} */
      const following = days.get(date) ?? makeDay(date);
      if (!days.has(date) || !isSame) label(following, part, date);
      if (!days.has(date)) box.insertBefore(following, day.isConnected ? day.nextSibling : box.firstChild);
      day = following;
      rows = find(day, ".rows", HTMLElement);
      next = rows.firstElementChild;
    }
    const at = part.layout?.boxes[first + index];
    if (at && !(isSame && old.has(element))) place(element, at);
    if (element === next) next = next.nextElementSibling;
    else {
      find(element, "[data-tick]", HTMLInputElement).checked = selection.has(data(element, "id"));
      rows.insertBefore(element, next);
    }
  }
}

/** @param {string} date */
function makeDay(date) {
  const day = copyOf(newDay);
  day.dataset.day = date;
  if (!date) return day; // the most alike first: it has no label either
  find(day, "time", HTMLTimeElement).dateTime = date;
  showTimes(day);
  return day;
}

/**
 * @param {HTMLElement} day
 * @param {Part} part
 * @param {string} date
 */
function label(day, part, date) {
  const heading = find(day, "h2", HTMLElement);
  const at = part.layout?.labels.find((each) => each.date === date);
  heading.hidden = !at;
  if (at) place(heading, at);
}

function focusedTile() {
  const tile = document.activeElement?.closest("[data-tile]");
  return tile instanceof HTMLElement && grid.contains(tile) ? parts.find(data(tile, "id")) : null;
}

// What is loaded

let jumped = 0;
/** @type {number | undefined} */
let waiting;

export function load() {
  clearTimeout(waiting);
  look();
  const near = draw();
  parts.giveUp(near);
  parts.forget(new Set([...near, ...mounted.keys()]));
  const rest = SETTLED_MS - (performance.now() - jumped);
  if (rest > 0) {
    waiting = setTimeout(load, rest);
    return;
  }
  const middle = view.y + view.height / 2;
  const far = (/** @type {Part} */ { top, height }) => Math.abs(top + height / 2 - middle);
  for (const part of near) parts.use(part);
  const missing = [...near].filter((part) => !part.tiles && part.count && !part.loading);
  for (const part of missing.sort((one, other) => far(one) - far(other)).slice(0, 2))
    fetchPart(part, false).catch(() => {});
}

/**
 * @param {Part} part
 * @param {boolean} isAsked whether it is wanted although it is not seen
 */
export async function fetchPart(part, isAsked = true) {
  part.isAsked ||= isAsked;
  try {
    await parts.load(part);
  } catch (error) {
    if (part.abort.signal.aborted) return;
    waiting = setTimeout(load, AGAIN_MS);
    throw error;
  } finally {
    part.isAsked = false;
  }
  rearrange(() => {});
  load();
}

let frame = 0;

function scrolled() {
  if (frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    const before = view.y;
    look();
    if (Math.abs(view.y - before) > view.height * 2) jumped = performance.now();
    load();
    grid.dispatchEvent(new CustomEvent("scrolled"));
  });
}

// The run of tiles around what is seen

function run() {
  const at = parts.at(Math.max(0, view.y + view.height / 3));
  let [from, to] = [at, at];
  while (from > 0 && parts.all[from - 1]?.tiles) from -= 1;
  while (parts.all[to + 1]?.tiles) to += 1;
  return parts.all.slice(from, to + 1);
}

/** The tiles that are here without a gap around what is seen, in the page's order. */
export function tiles() {
  return run().flatMap((part) => (part.tiles ?? []).map((tile) => tile.element));
}

/** Takes over the tiles that the page came with; `isLater`: these are further down, so that they come again. */
export function takeOver(isLater = false) {
  const elements = findAll(grid, "[data-tile]", HTMLElement);
  const link = grid.querySelector("[data-more]");
  grid.replaceChildren();
  lookAnew();
  parts.resize(measured());
  parts.begin(isLater ? [] : elements, link?.getAttribute("href") ?? "");
  rearrange(() => {});
  addEventListener("scroll", scrolled, { passive: true });
  addEventListener("resize", resize);
  new ResizeObserver(resize).observe(grid);
  selection.addEventListener("selectionchange", () => {
    for (const tick of findAll(grid, "[data-tick]", HTMLInputElement)) tick.checked = selection.has(tick.value);
  });
}
