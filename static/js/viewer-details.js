// The details beside what the viewer shows: the part of its own page that tells of it, and its buttons.
import { act, excuse } from "./act.js";
import "./copy.js";
import { byId, copyOf, element, find, findAll } from "./dom.js";
import "./titling.js";
import { shownBy } from "./viewer-stage.js";

const dialog = byId("lightbox", HTMLDialogElement);
const about = find(dialog, "[data-about]", HTMLElement);
const wait = find(dialog, "[data-wait]", HTMLTemplateElement);
const lost = find(dialog, "[data-lost]", HTMLTemplateElement);
const BUTTON_KEYS = /^[1-5fk]$/i;
const BARE_KEY = "ourvidz-viewer-bare";

/** @type {Map<string, Promise<string>>} */
const texts = new Map(); // address -> its details

/** @type {HTMLElement | null} */
let current = null; // the tile that is told of

/** @type {string | undefined} */
let told; // the revision of `current` that its details are of

let telling = Promise.resolve(); // ends when the details on the page are those of `current` as it is
let isTold = false;
let tellings = 0;

/** @type {Promise<unknown>} */
let pressing = Promise.resolve(); // the keys of buttons that were pressed, one after another

/** @param {HTMLElement} tile */
const address = (tile) => find(tile, "[data-open]", HTMLAnchorElement).href;

/** @param {HTMLElement} tile */
export function describe(tile) {
  current = tile;
  const meanwhile = copyOf(wait);
  meanwhile.textContent = shownBy(tile).words;
  about.replaceChildren(meanwhile);
  about.scrollTop = 0;
  telling = tell(tile);
}

/**
 * The tile that is told of may have changed.
 * @param {HTMLElement} tile
 */
export function follow(tile) {
  current = tile;
  if (tile.dataset.revision !== told) tellAnew();
}

/** Nothing is shown any more. */
export function forget() {
  texts.clear();
  current = null;
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
}

/**
 * Puts new details in the place of the old; the focus stays on the same button, and a title that is half written.
 * @param {HTMLElement} text
 */
function retell(text) {
  const focused = document.activeElement;
  const field = /** @type {HTMLInputElement | null} */ (about.querySelector(".titling[open] input"));
  const fresh = /** @type {HTMLInputElement | null} */ (text.querySelector(".titling input"));
  const isWritten = field && field.value !== field.defaultValue && field.value !== fresh?.value;
  if (isWritten) fresh?.closest(".titling")?.replaceWith(/** @type {Element} */ (field.closest(".titling")));
  about.replaceChildren(text);
  if (focused === field && field?.isConnected) field.focus();
  else if (focused && !focused.isConnected) (buttonIn(about, focused.getAttribute("data-key")) ?? dialog).focus();
}

/** Something was done, perhaps with what is shown. */
export function tellAnew() {
  texts.clear();
  if (current) telling = tell(current);
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

/**
 * @param {HTMLElement} details
 * @param {string | null} key
 */
const buttonIn = (details, key) =>
  findAll(details, "[data-key]", HTMLButtonElement).find((each) => each.dataset.key === key);

/**
 * A key that a button in a tile's details has: it is pressed there, whatever is shown when they have arrived.
 * @param {HTMLElement} tile
 * @param {KeyboardEvent} event
 */
export function keyedButton(tile, { key, repeat }) {
  if (repeat || !BUTTON_KEYS.test(key)) return;
  const url = address(tile);
  pressing = pressing.then(() => press(url, key.toLowerCase())).catch(excuse);
}

/**
 * @param {string} url of the details
 * @param {string} key
 */
async function press(url, key) {
  for (let seen; seen !== telling; await seen) seen = telling;
  const isShown = isTold && current && address(current) === url;
  const shown = isShown && buttonIn(about, key);
  const button = shown || buttonIn(document.importNode(element(await fetched(url)), true), key);
  if (button) await act(button);
}

/** Whether the viewer shows no details, as its user left it. */
export function isBare() {
  try {
    return localStorage.getItem(BARE_KEY) === "1";
  } catch {
    return false; // storage is off
  }
}

/** @param {boolean} bare */
export function keepBare(bare) {
  try {
    if (bare) localStorage.setItem(BARE_KEY, "1");
    else localStorage.removeItem(BARE_KEY);
  } catch {
    // storage is off: it holds as long as the page
  }
}
