// The viewer: one tile after another, large. A tile has a link to its own page.
import { byId, find, idOf, isSpecial, isTyped, targetOf } from "./dom.js";
import { describe, follow as followTile, forget, keyedButton, tellAnew } from "./viewer-details.js";
import { isVideo, media, preload, shownBy } from "./viewer-stage.js";
import { swipes } from "./viewer-touch.js";
import * as view from "./viewer-view.js";

const dialog = byId("lightbox", HTMLDialogElement);
const frame = find(dialog, "[data-frame]", HTMLElement);
const stage = find(dialog, "[data-stage]", HTMLElement);
const place = find(dialog, "[data-place]", HTMLElement);
const previous = find(dialog, "[data-step='-1']", HTMLButtonElement);
const next = find(dialog, "[data-step='1']", HTMLButtonElement);
const toasts = byId("toasts", HTMLElement);

/** @type {ViewedPage} */
let page;

/** @type {HTMLElement | null} */
let current = null;

/** @type {string} */
let listed = ""; // the last that was shown of the list; what its details lead to need not be in it

/** @param {HTMLElement} tile */
const link = (tile) => find(tile, "[data-open]", HTMLAnchorElement);

/** @param {HTMLElement} tile */
function show(tile) {
  current = tile;
  if (page.list.element(idOf(tile))) listed = idOf(tile);
  stage.replaceChildren(media(tile));
  view.reset();
  const number = page.list.place(idOf(tile));
  place.textContent = `${isVideo(tile) ? "Video" : "Picture"}${number ? ` ${number}` : ""}: \u2068${shownBy(tile).words}\u2069`;
  next.disabled = previous.disabled = false;
  lookAround(tile);
  describe(tile);
}

/**
 * Whether there is one before and after, and their pictures at hand.
 * @param {HTMLElement} tile
 */
async function lookAround(tile) {
  await Promise.allSettled([
    neighbour(tile, next, page.list.next(listed)),
    neighbour(tile, previous, page.list.previous(listed)),
  ]);
}

/**
 * @param {HTMLElement} tile
 * @param {HTMLButtonElement} button that leads there
 * @param {Promise<string | null>} asked
 */
async function neighbour(tile, button, asked) {
  const id = await asked;
  if (tile !== current) return;
  button.disabled = id === null;
  if (id) preload(page.list.element(id));
}

/** The tiles have changed: what is shown may have left, and another takes its place. */
async function followTiles() {
  if (!current) return;
  const from = current;
  const same = page.list.element(idOf(from));
  if (same) {
    current = same;
    followTile(same);
    return lookAround(same);
  }
  if (idOf(from) !== listed) return lookAround(from);
  const asked = page.list.next(listed).then((id) => id ?? page.list.previous(listed));
  const nearest = await asked.catch(() => null);
  if (current !== from) return;
  if (nearest) go(nearest);
  else dialog.close();
}

/** @param {HTMLElement} tile */
function open(tile) {
  if (!dialog.open) {
    frame.append(toasts); // a modal dialog covers everything outside it
    dialog.showModal();
    dialog.focus(); // not its first button: Space is for playing
  }
  show(tile);
}

/** @param {string | null} id */
function go(id) {
  const tile = id && page.list.element(id);
  if (tile) goToTile(tile);
}

/** @param {HTMLElement} tile */
function goToTile(tile) {
  if (tile === current) return;
  history.replaceState({ viewer: idOf(tile) }, "", page.addressOf(tile));
  show(tile);
}

/**
 * Goes where `asked` leads, unless somebody went elsewhere meanwhile.
 * @param {Promise<string | null>} asked
 */
async function goTo(asked) {
  const from = current;
  const id = await asked.catch(() => null);
  if (current === from) go(id);
}

/** @param {number} by */
async function step(by) {
  if (current) await goTo(by > 0 ? page.list.next(listed) : page.list.previous(listed));
}

/** To the one before or after of the same job, as the details show them. @param {number} by */
function stepInside(by) {
  const shown = dialog.querySelector(".related [aria-current]")?.closest("li");
  const beside = by > 0 ? shown?.nextElementSibling : shown?.previousElementSibling;
  if (beside instanceof HTMLElement) goToTile(page.list.element(idOf(beside)) ?? beside);
}

function closed() {
  document.body.append(toasts);
  stage.replaceChildren();
  forget();
  const tile = current;
  current = null;
  if (history.state?.viewer) history.back();
  if (!tile) return;
  page.onClose(tile);
  const shown = document.getElementById(tile.id); // a list may have a copy of its own
  if (shown) link(shown).focus();
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
  ArrowUp: () => stepInside(-1),
  ArrowDown: () => stepInside(1),
  Home: () => goTo(page.list.first()),
  End: () => goTo(page.list.last()),
  PageUp: () => step(-1),
  PageDown: () => step(1),
  " ": togglePlay,
};

/** @param {KeyboardEvent} event */
function keyed(event) {
  if (!dialog.open || event.altKey || event.ctrlKey || event.metaKey || isTyped(event)) return;
  if (view.keyed(event)) return event.preventDefault();
  const action = KEYS[event.key];
  const isOwn = targetOf(event)?.closest(event.key === " " ? "button, a, summary" : "[data-about]");
  const isTaken = isOwn && /^( |Page|Home|End|Arrow[UD])/.test(event.key); // it presses the button, scrolls the details
  if (!action || isTaken) return current && keyedButton(current, event);
  event.preventDefault();
  action();
}

/** @param {MouseEvent} event */
function clicked(event) {
  const target = targetOf(event);
  const related = target?.closest(".related [data-open]")?.closest("[data-media]");
  if (related instanceof HTMLElement && !isSpecial(event)) {
    event.preventDefault();
    dialog.focus();
    return goToTile(page.list.element(idOf(related)) ?? related);
  }
  const by = target?.closest("[data-step]");
  if (by instanceof HTMLElement) {
    if (event.detail) dialog.focus(); // by mouse: the keys stay the viewer's
    step(Number(by.dataset.step));
  } else if (target === stage || target?.closest("[data-close-viewer]")) dialog.close();
}

/** @param {{viewer?: string} | null} state of the history */
function follow(state) {
  const tile = state?.viewer && page.list.element(state.viewer);
  if (tile) open(tile);
  else if (state?.viewer) page.onMissing();
  else if (dialog.open) dialog.close();
}

document.addEventListener("acted", tellAnew);
dialog.addEventListener("close", closed);
dialog.addEventListener("click", clicked);
document.addEventListener("keydown", keyed); // a button that leaves with what it did takes the focus out of the dialog
const unlessZoomed = (/** @type {() => unknown} */ does) => view.isZoomed() || does();
swipes(stage, { step: (by) => unlessZoomed(() => step(by)), close: () => unlessZoomed(() => dialog.close()) });

/**
 * @param {ViewedPage} given
 * @returns {Viewer}
 */
export function viewerOf(given) {
  page = given;
  return { follow, followTiles, keyed: keyedButton };
}
