// What changes while the page is open. New results wait above the page while somebody looks at it further down, or points
// at a tile that they would move.
import { announce } from "./announce.js";
import { byId, data, element, find } from "./dom.js";
import { parts, rearrange, seen } from "./library-grid.js";
import { Tile } from "./library-parts.js";
import { selection } from "./library-selection.js";
import { focus, neighbour, roving } from "./library-walk.js";
import { update } from "./morph.js";

const grid = byId("grid", HTMLElement);
const none = byId("none", HTMLElement);
const pill = byId("news", HTMLButtonElement);
const AT_TOP_PX = 20; // below the upper edge of the grid

/** @type {Tile[]} */
let news = [];

/**
 * What the socket says.
 * @param {Partial<Message>} message
 */
export function changes({ assets = [] }) {
  for (const change of assets) parts.note(change);
  rearrange(() => assets.forEach(apply));
  showState();
}

/** @param {Change} change */
function apply({ id, html, removed }) {
  if (removed) take(id);
  else put(element(html));
}

/** @param {HTMLElement} fresh */
export function put(fresh) {
  const id = data(fresh, "id");
  const waiting = news.find((tile) => tile.id === id);
  const found = waiting ?? parts.find(id)?.tile;
  if (!found) return add(new Tile(fresh));
  const before = found.key;
  const fresher = new Tile(fresh);
  if (found.element.isConnected) morph(found, fresher);
  else if (revisionOf(fresher) >= revisionOf(found)) found.become(fresher);
  if (found.key === before || waiting) return;
  parts.remove(id);
  parts.insert(found);
}

/** @param {Tile} tile */
const revisionOf = ({ element }) => Number(data(element, "revision"));

/**
 * Turns a tile that is in the document into a fresher one, where it stands.
 * @param {Tile} found
 * @param {Tile} fresher
 */
function morph(found, fresher) {
  const { style } = found.element;
  const place = { transform: style.transform, width: style.width, height: style.height };
  const isShown = found.acts?.isConnected;
  if (isShown && fresher.acts) fresher.element.append(fresher.acts);
  if (!update(found.element, fresher.element)) return;
  if (!isShown) found.acts = fresher.acts;
  found.read();
  Object.assign(style, place);
  roving(found);
}

/** @type {string[]} */
let unseen = []; // what the new ones are, while the page is out of sight
const GATHER_MS = 2000; // the images of one job come one after another

/** @param {Tile} tile */
function count({ element }) {
  unseen.push(find(element, "img", HTMLImageElement).alt);
  if (unseen.length > 1) return;
  setTimeout(async () => {
    const { tellUnseen } = await import("./unseen.js");
    tellUnseen(unseen.length, `${unseen.length} new in the Library`, [...new Set(unseen)]);
    unseen = [];
  }, GATHER_MS);
}

/** @param {Tile} tile that is not here yet */
function add(tile) {
  const newest = parts.all[0]?.tiles?.[0]?.key ?? "";
  if (tile.key > newest && document.visibilityState !== "visible") count(tile);
  if (tile.key < newest || !isLookedAt()) return parts.insert(tile);
  news.push(tile);
  news.sort((one, other) => (one.key < other.key ? 1 : -1));
}

const isLookedAt = () =>
  parts.all.some(({ count }) => count) && (seen().y > AT_TOP_PX || grid.matches(":hover") || !selection.isEmpty);

/** @param {string} id */
export function take(id) {
  news = news.filter((tile) => tile.id !== id);
  selection.forget([id]);
  const tile = parts.find(id)?.tile;
  if (!tile) return;
  const hadFocus = tile.element.contains(document.activeElement);
  const next = neighbour(id, 1) ?? neighbour(id, -1);
  tile.element.remove();
  parts.remove(id);
  if (hadFocus && next) requestAnimationFrame(() => focus(next));
}

function showNews() {
  const fresh = news;
  news = [];
  rearrange(() => {
    for (const tile of fresh) parts.insert(tile);
  });
  showState();
}

export function showState() {
  if (news.length && pill.hidden) announce(`${news.length} new`);
  const isLeft = !news.length && pill.matches(":focus-visible");
  pill.hidden = !news.length;
  if (news.length) find(pill, "[data-number]", HTMLElement).textContent = String(news.length);
  const first = isLeft && parts.all.find(({ count }) => count)?.tiles?.[0];
  if (first) focus(first); // whoever came here by key goes on from what is new
  none.hidden = parts.all.some(({ count }) => count);
}

export function start() {
  parts.apply = apply;
  grid.addEventListener("tiles-changed", showState);
  grid.addEventListener("scrolled", () => news.length && seen().y < 0 && showNews());
  pill.addEventListener("click", () => {
    showNews();
    scrollTo({ top: 0, behavior: "instant" });
  });
}
