// The viewer: one tile after another, large. A tile has a link to its own page.
import { byId, find, findAll, targetOf } from "./dom.js";
import { describe, follow as followTile, forget, keyedButton, tellAnew } from "./viewer-details.js";
import { isVideo, media, preload, shownBy } from "./viewer-stage.js";
import { swipes } from "./viewer-touch.js";

/**
 * What a page gives the viewer.
 * @typedef {object} Page
 * @property {() => HTMLElement[]} tiles those to step through
 * @property {(tile: HTMLElement) => string} addressOf what the address bar shows while a tile is open
 * @property {() => boolean} hasMore whether there is more than the tiles on the page
 * @property {() => Promise<unknown>} more fetches it
 * @property {() => boolean} mayOpen whether a click opens
 * @property {() => void} onMissing called when the history leads to a tile that is not here
 */

const dialog = byId("lightbox", HTMLDialogElement);
const stage = find(dialog, "[data-stage]", HTMLElement);
const place = find(dialog, "[data-place]", HTMLElement);
const previous = find(dialog, "[data-step='-1']", HTMLButtonElement);
const next = find(dialog, "[data-step='1']", HTMLButtonElement);
const toasts = byId("toasts", HTMLElement);
const NEAR_END = 8;

/** @type {Page} */
let page = {
  tiles: () => [],
  addressOf: () => location.href,
  hasMore: () => false,
  more: async () => {},
  mayOpen: () => true,
  onMissing: () => {},
};

/** @type {HTMLElement | null} */
let current = null;

/** @type {HTMLElement[]} */
let order = []; // the tiles as they stood, to know what came after one that has left

/** @param {HTMLElement} tile */
const link = (tile) => find(tile, "[data-open]", HTMLAnchorElement);

/** @param {HTMLElement} tile */
function show(tile) {
  current = tile;
  refreshEnds();
  const index = order.indexOf(tile);
  stage.replaceChildren(media(tile));
  place.textContent = `${isVideo(tile) ? "Video" : "Picture"} ${index + 1}: \u2068${shownBy(tile).words}\u2069`;
  preload(order[index + 1]);
  preload(order[index - 1]);
  if (index >= order.length - NEAR_END) page.more().then(refreshEnds, () => {});
  describe(tile);
}

function refreshEnds() {
  order = page.tiles();
  previous.disabled = current === order[0];
  next.disabled = current === order.at(-1) && !page.hasMore();
}

/** The tiles have changed: what is shown may have left, and another takes its place. */
function followTiles() {
  if (!current) return;
  const now = page.tiles();
  /** @param {HTMLElement} tile */
  const here = (tile) => now.find(({ id }) => id === tile.id);
  const same = here(current);
  if (same) {
    current = same;
    followTile(same);
    return refreshEnds();
  }
  const index = order.indexOf(current);
  const nearest = order.slice(index + 1).find(here) ?? order.slice(0, index).findLast(here);
  if (nearest) go(here(nearest));
  else dialog.close();
}

/** @param {HTMLElement} tile */
function open(tile) {
  if (!dialog.open) {
    dialog.append(toasts); // a modal dialog covers everything outside it
    dialog.showModal();
    dialog.focus(); // not its first button: Space is for playing
  }
  show(tile);
}

/** @param {HTMLElement | undefined} tile */
function go(tile) {
  if (!tile || tile === current) return;
  history.replaceState({ viewer: tile.id }, "", page.addressOf(tile));
  show(tile);
}

/** @param {number} by */
async function step(by) {
  const from = current;
  if (!from) return;
  const neighbour = () => page.tiles()[page.tiles().indexOf(from) + by];
  if (!neighbour() && by > 0) await page.more().catch(() => {});
  if (current === from) go(neighbour());
}

function closed() {
  document.body.append(toasts);
  stage.replaceChildren();
  forget();
  const tile = current;
  current = null;
  if (history.state?.viewer) history.back();
  if (tile?.isConnected) link(tile).focus();
}

function togglePlay() {
  const shown = stage.querySelector("video");
  if (shown?.paused) shown.play();
  else shown?.pause();
}

/** @type {Record<string, () => unknown>} */
const KEYS = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  Home: () => go(page.tiles()[0]),
  End: () => go(page.tiles().at(-1)),
  " ": togglePlay,
};

/** @param {KeyboardEvent} event */
function keyed(event) {
  if (!dialog.open || event.altKey || event.ctrlKey || event.metaKey) return;
  const action = KEYS[event.key];
  const onControl = event.key === " " && targetOf(event)?.closest("button, a, summary");
  if (!action || onControl) return keyedButton(event);
  event.preventDefault();
  action();
}

/** @param {MouseEvent} event */
function clicked(event) {
  const target = targetOf(event);
  const by = target?.closest("[data-step]");
  if (by instanceof HTMLElement) {
    if (event.detail) dialog.focus(); // by mouse: the keys stay the viewer's
    step(Number(by.dataset.step));
  } else if (target === stage || target?.closest("[data-close-viewer]")) dialog.close();
}

/** @param {{viewer?: string} | null} state of the history */
function follow(state) {
  const tile = state?.viewer && document.getElementById(state.viewer);
  if (tile) open(tile);
  else if (state?.viewer) page.onMissing();
  else if (dialog.open) dialog.close();
}

/**
 * Opens the tiles in `root`, which hears "tiles-changed" when they did.
 * @param {HTMLElement} root
 * @param {Pick<Page, "tiles" | "addressOf"> & Partial<Page>} given
 */
export function start(root, given) {
  page = { ...page, ...given };
  root.addEventListener("click", (event) => {
    const pressed = targetOf(event)?.closest("[data-open]");
    if (!pressed || event.defaultPrevented || !page.mayOpen() || event.button) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const tile = page.tiles().find((each) => each.contains(pressed));
    if (!tile) return;
    event.preventDefault();
    for (const playing of findAll(root, "video", HTMLVideoElement)) playing.pause();
    history.pushState({ viewer: tile.id }, "", page.addressOf(tile));
    open(tile);
  });
  root.addEventListener("tiles-changed", followTiles);
  document.addEventListener("acted", tellAnew);
  addEventListener("popstate", ({ state }) => follow(state));
  dialog.addEventListener("close", closed);
  dialog.addEventListener("click", clicked);
  document.addEventListener("keydown", keyed); // a button that leaves with what it did takes the focus out of the dialog
  swipes(stage, { step, close: () => dialog.close() });
  follow(history.state); // Forward may have been pressed before this ran
}
