// The tiles on the page: pushed ones go where the order puts them, the next page is fetched before the end is reached.
import { byId, copyOf, data, element, find, findAll, targetOf } from "./dom.js";
import { update } from "./morph.js";
import { dateOf, showTimes } from "./times.js";

const grid = byId("grid", HTMLElement);
const none = byId("none", HTMLElement);
const newDay = byId("day", HTMLTemplateElement);
const AHEAD = "1200px";
const own = location.href; // an open viewer shows another

/** @param {HTMLElement} tile */
const key = (tile) => data(tile, "key");

/**
 * The reader's date of a tile. Its key begins with its moment in UTC: 20241112233000.
 * @param {HTMLElement} tile
 */
function dateOfTile(tile) {
  const moment = key(tile).replace(/^(....)(..)(..)(..)(..)(..).*/, "$1-$2-$3T$4:$5:$6Z");
  return dateOf(new Date(moment));
}

/**
 * @param {string | undefined} media
 * @param {string} id
 */
const tileOf = (media, id) => document.getElementById(`tile-${media}-${id}`);
const days = () => findAll(grid, ":scope > .day", HTMLElement);

/** @param {string} date */
const dayOf = (date) => days().find((day) => data(day, "day") === date);

/** @param {Element} day */
const rowsOf = (day) => find(day, ".rows", HTMLElement);

/** @param {ParentNode} root */
const tilesOf = (root) => findAll(root, "[data-tile]", HTMLElement);

/** The link to the next page. */
function link() {
  const found = grid.querySelector("[data-more]");
  return found instanceof HTMLAnchorElement ? found : null;
}

/** All tiles there are, in the page's order. */
export const tiles = () => tilesOf(grid);

// A page that starts further down has an upper end: what is newer belongs above it.
const top = "later" in grid.dataset ? tiles()[0]?.dataset.key : undefined;

/** @param {string} date */
function makeDay(date) {
  const day = copyOf(newDay);
  day.dataset.day = date;
  find(day, "time", HTMLTimeElement).dateTime = date;
  const later = days();
  const next = later.find((other) => data(other, "day") < date) ?? later.at(-1)?.nextElementSibling;
  grid.insertBefore(day, next ?? null);
  return day;
}

/**
 * Where the tiles of a tile's day are.
 * @param {HTMLElement} tile
 */
function rowsFor(tile) {
  const date = dateOfTile(tile);
  return rowsOf(dayOf(date) ?? makeDay(date));
}

/**
 * Puts a tile, new or not, where its key says; false when that is on another page.
 * @param {HTMLElement} tile
 */
function insert(tile) {
  const below = tiles().some((other) => key(other) < key(tile));
  if ((!below && link()) || (top && key(tile) > top)) return false;
  const rows = rowsFor(tile);
  rows.insertBefore(tile, tilesOf(rows).find((other) => key(other) < key(tile)) ?? null);
  return true;
}

/**
 * Moves a tile whose key has changed.
 * @param {HTMLElement} tile
 */
function move(tile) {
  const day = tile.closest(".day");
  const focused = document.activeElement;
  const hadFocus = tile.contains(focused);
  if (!insert(tile)) return take(tile);
  if (day && !tilesOf(day).length) day.remove();
  if (hadFocus && focused instanceof HTMLElement) focused.focus({ preventScroll: true });
}

/** @param {HTMLElement} fresh */
function put(fresh) {
  const old = tileOf(fresh.dataset.media, data(fresh, "id"));
  if (!old) return insert(fresh);
  const place = key(old);
  if (update(old, fresh) && key(old) !== place) move(old);
}

/** @param {HTMLElement} tile */
function take(tile) {
  const all = tiles();
  const place = all.indexOf(tile);
  const next = all[place + 1] ?? all[place - 1];
  const hadFocus = tile.contains(document.activeElement);
  const day = tile.closest(".day");
  tile.remove();
  if (day && !tilesOf(day).length) day.remove();
  if (hadFocus && next) find(next, "[data-open]", HTMLElement).focus();
}

function updateState() {
  const any = tiles().length > 0;
  none.hidden = any || Boolean(link());
  for (const end of findAll(grid, ".end", HTMLElement)) end.hidden = !any;
  if (!any && link()) more();
  showTimes(grid); // a new day has none yet, and what was today may be yesterday
  grid.dispatchEvent(new CustomEvent("tiles-changed"));
}

/**
 * What the socket says.
 * @param {Partial<Message>} message
 */
export function changes({ assets = [] }) {
  if (loading) meanwhile.push(...assets);
  apply(assets);
  updateState();
}

/** @param {Change[]} assets */
function apply(assets) {
  for (const { id, media, html, removed } of assets) {
    const old = tileOf(media, id);
    if (!removed) put(element(html));
    else if (old) take(old);
  }
}

/** The page as it is now, for when there is no socket to say what changed. */
export async function refresh() {
  const page = new DOMParser().parseFromString(await fetched(own), "text/html");
  if (page.body.dataset.user !== document.body.dataset.user) return location.reload();
  const fresh = tilesOf(page);
  const here = new Set(fresh.map((tile) => tile.id));
  const last = page.querySelector("[data-more]") ? fresh.at(-1) : undefined;
  const floor = last ? key(last) : "";
  for (const old of tiles()) if (key(old) >= floor && !here.has(old.id)) take(old);
  for (const tile of fresh) put(tile);
  updateState();
}

/**
 * @param {string} url
 * @param {Record<string, string>} [headers]
 */
async function fetched(url, headers) {
  const response = await fetch(url, { headers, credentials: "same-origin", redirect: "error" });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.text();
}

/** @type {Promise<boolean> | null} */
let loading = null;

/** @type {Change[]} */
let meanwhile = []; // pushed while the next page was on its way, which may say how things were before

/** Adds the next page; true when there was one. */
export function more() {
  const next = link();
  if (!next) return Promise.resolve(false);
  loading ??= load(next).finally(() => {
    loading = null;
  });
  return loading;
}

/** @param {HTMLAnchorElement} next */
async function load(next) {
  next.setAttribute("aria-busy", "true");
  meanwhile = [];
  try {
    const page = element(`<div>${await fetched(next.href, { "X-Fragment": "1" })}</div>`);
    next.parentElement?.remove();
    for (const tile of tilesOf(page)) join(tile);
    apply(meanwhile);
    grid.append(...page.querySelectorAll(":scope > p"));
    updateState();
    watch();
    return true;
  } finally {
    next.removeAttribute("aria-busy");
  }
}

/** @param {HTMLElement} tile of the next page, in its order */
function join(tile) {
  if (document.getElementById(tile.id)) put(tile);
  else rowsFor(tile).append(tile);
}

/** The server may have grouped by another zone's days: at a first visit it does not know the reader's. */
function regroup() {
  const all = tiles();
  if (all.every((tile) => dateOfTile(tile) === tile.closest(".day")?.getAttribute("data-day"))) return;
  for (const tile of all) rowsFor(tile).append(tile);
  for (const day of days()) if (!tilesOf(day).length) day.remove();
  showTimes(grid);
}

const observer = new IntersectionObserver(
  (entries) => {
    if (entries.some((entry) => entry.isIntersecting)) more().catch(() => {}); // the link stays, to be pressed
  },
  { rootMargin: AHEAD },
);

function watch() {
  observer.disconnect();
  const next = link();
  if (next) observer.observe(next);
}

export function start() {
  regroup();
  grid.addEventListener("click", (event) => {
    const pressed = targetOf(event)?.closest("[data-more]");
    if (!(pressed instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    more().catch(() => location.assign(pressed.href));
  });
  watch();
}
