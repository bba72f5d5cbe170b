// The viewer: one tile after another, large. A tile has a link to its own page.
import { byId, copyOf, data, element, find, findAll, targetOf } from "./dom.js";

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
const about = find(dialog, "[data-about]", HTMLElement);
const place = find(dialog, "[data-place]", HTMLElement);
const previous = find(dialog, "[data-step='-1']", HTMLButtonElement);
const next = find(dialog, "[data-step='1']", HTMLButtonElement);
const wait = find(dialog, "[data-wait]", HTMLTemplateElement);
const lost = find(dialog, "[data-lost]", HTMLTemplateElement);
const toasts = byId("toasts", HTMLElement);
const NEAR_END = 8;
const SWIPE_PX = 50;

/** @type {Map<string, Promise<string>>} */
const texts = new Map(); // address -> its details

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

/** @type {string | undefined} */
let told; // the revision of `current` that its details are of

let tellings = 0;
let isTold = false; // whether the details on the page are those of `current` as it is

/** @type {string[]} */
let pressed = []; // keys of buttons, pressed before these stood there as they are now

/** @type {HTMLElement[]} */
let order = []; // the tiles as they stood, to know what came after one that has left

/** @param {HTMLElement} tile */
const link = (tile) => find(tile, "[data-open]", HTMLAnchorElement);

/** @param {HTMLElement} tile */
const address = (tile) => link(tile).href;

/** @param {HTMLElement} tile */
const isVideo = (tile) => tile.dataset.media === "video";
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * What a tile shows: the words for it, and the address of the small picture.
 * @param {HTMLElement} tile
 */
function shownBy(tile) {
  const shown = tile.querySelector("[data-open] img, video");
  if (shown instanceof HTMLVideoElement) return { words: shown.ariaLabel ?? "", small: shown.poster };
  if (shown instanceof HTMLImageElement) return { words: shown.alt, small: shown.src };
  throw new Error(`#${tile.id} shows nothing`);
}

/** @param {HTMLElement} tile */
function media(tile) {
  const shown = isVideo(tile) ? video(tile) : image(tile);
  shown.style.setProperty("--w", String(Number(data(tile, "width")) / Number(data(tile, "height"))));
  shown.style.setProperty("--px", data(tile, "width"));
  shown.src = data(tile, "file");
  return shown;
}

/** @param {HTMLElement} tile */
function video(tile) {
  const { words, small } = shownBy(tile);
  const shown = document.createElement("video");
  Object.assign(shown, { poster: small, controls: true, loop: true, playsInline: true, autoplay: !calm.matches });
  shown.setAttribute("aria-label", words);
  shown.dir = "auto";
  return shown;
}

/** @param {HTMLElement} tile */
function image(tile) {
  const { words, small } = shownBy(tile);
  const shown = document.createElement("img");
  shown.alt = words;
  shown.dir = "auto";
  shown.style.backgroundImage = `url("${small}")`;
  return shown;
}

/** @param {HTMLElement} tile */
function show(tile) {
  current = tile;
  pressed = [];
  refreshEnds();
  const index = order.indexOf(tile);
  stage.replaceChildren(media(tile));
  place.textContent = `${isVideo(tile) ? "Video" : "Picture"} ${index + 1}: \u2068${shownBy(tile).words}\u2069`;
  for (const near of [order[index + 1], order[index - 1]]) {
    if (near && !isVideo(near)) new Image().src = data(near, "file");
  }
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
    if (same.dataset.revision !== told) tellAnew();
    return refreshEnds();
  }
  const index = order.indexOf(current);
  const nearest = order.slice(index + 1).find(here) ?? order.slice(0, index).findLast(here);
  if (nearest) go(here(nearest));
  else dialog.close();
}

/** @param {HTMLElement} tile */
function describe(tile) {
  const meanwhile = copyOf(wait);
  meanwhile.textContent = shownBy(tile).words;
  about.replaceChildren(meanwhile);
  about.scrollTop = 0;
  tell(tile);
}

/** @param {HTMLElement} tile */
async function tell(tile) {
  told = tile.dataset.revision;
  isTold = false;
  tellings += 1;
  const mine = tellings;
  let text;
  try {
    text = element(await details(address(tile)));
  } catch {
    texts.delete(address(tile));
    text = copyOf(lost);
    find(text, "[data-page]", HTMLAnchorElement).href = address(tile);
  }
  if (mine !== tellings || tile !== current) return;
  retell(text);
  isTold = true;
  press();
}

/**
 * Puts new details in the place of the old; the focus stays on the same button.
 * @param {HTMLElement} text
 */
function retell(text) {
  const focused = document.activeElement;
  about.replaceChildren(text);
  if (focused && !focused.isConnected) (buttonOf(focused.getAttribute("data-key") ?? "") ?? dialog).focus();
}

/** Presses the next button whose key was pressed, once what came of the last is told. */
function press() {
  if (!isTold || about.querySelector("[aria-busy]")) return;
  buttonOf(pressed.shift() ?? "")?.click();
}

/** Something was done, perhaps with what is shown. */
function tellAnew() {
  texts.clear();
  if (current) tell(current);
}

/** @param {string} url */
function details(url) {
  const known = texts.get(url) ?? fetched(url);
  texts.set(url, known);
  return known;
}

/** @param {string} url */
async function fetched(url) {
  const answer = await fetch(url, { headers: { "X-Fragment": "1" }, credentials: "same-origin", redirect: "error" });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.text();
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
  texts.clear();
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

const BUTTON_KEYS = /^[1-5f]$/i;

/**
 * The button beside the picture that a key presses.
 * @param {string} key
 */
const buttonOf = (key) => findAll(about, "[data-key]", HTMLButtonElement).find((each) => each.dataset.key === key);

/** @param {KeyboardEvent} event */
function keyed(event) {
  if (!dialog.open || event.altKey || event.ctrlKey || event.metaKey) return;
  if (targetOf(event)?.closest("input")) return; // a title is typed
  const action = KEYS[event.key];
  const onControl = event.key === " " && targetOf(event)?.closest("button, a, summary");
  if (!action || onControl) return keyedButton(event);
  event.preventDefault();
  action();
}

/**
 * A key that a button beside the picture has, or will have once the details are there.
 * @param {KeyboardEvent} event
 */
function keyedButton({ key, repeat }) {
  if (repeat || !BUTTON_KEYS.test(key)) return;
  pressed.push(key.toLowerCase());
  press();
}

function swipes() {
  /** @type {Touch | undefined} */
  let start;
  const passive = { passive: true };
  /** @param {TouchEvent} event */
  const begin = ({ touches }) => {
    start = touches.length === 1 ? touches[0] : undefined;
  };
  /** @param {TouchEvent} event */
  const finish = ({ changedTouches: [end] }) => {
    if (!start || !end || (visualViewport?.scale ?? 1) > 1) return;
    const across = end.clientX - start.clientX;
    const down = end.clientY - start.clientY;
    if (Math.abs(across) > SWIPE_PX && Math.abs(across) > 1.5 * Math.abs(down)) step(across < 0 ? 1 : -1);
    else if (down > 2 * SWIPE_PX && down > 1.5 * Math.abs(across)) dialog.close();
  };
  stage.addEventListener("touchstart", begin, passive);
  stage.addEventListener("touchend", finish, passive);
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
  swipes();
  follow(history.state); // Forward may have been pressed before this ran
}
