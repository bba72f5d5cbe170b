// The details beside what the viewer shows: the part of its own page that tells of it, and its buttons.
import { byId, copyOf, element, find, findAll } from "./dom.js";
import { shownBy } from "./viewer-stage.js";

const dialog = byId("lightbox", HTMLDialogElement);
const about = find(dialog, "[data-about]", HTMLElement);
const wait = find(dialog, "[data-wait]", HTMLTemplateElement);
const lost = find(dialog, "[data-lost]", HTMLTemplateElement);
const BUTTON_KEYS = /^[1-5f]$/i;

/** @type {Map<string, Promise<string>>} */
const texts = new Map(); // address -> its details

/** @type {HTMLElement | null} */
let current = null; // the tile that is told of

/** @type {string | undefined} */
let told; // the revision of `current` that its details are of

let tellings = 0;
let isTold = false; // whether the details on the page are those of `current` as it is

/** @type {string[]} */
let pressed = []; // keys of buttons, pressed before these stood there as they are now

/** @param {HTMLElement} tile */
const address = (tile) => find(tile, "[data-open]", HTMLAnchorElement).href;

/** @param {HTMLElement} tile */
export function describe(tile) {
  current = tile;
  pressed = [];
  const meanwhile = copyOf(wait);
  meanwhile.textContent = shownBy(tile).words;
  about.replaceChildren(meanwhile);
  about.scrollTop = 0;
  tell(tile);
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
export function tellAnew() {
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

/**
 * The button beside the picture that a key presses.
 * @param {string} key
 */
const buttonOf = (key) => findAll(about, "[data-key]", HTMLButtonElement).find((each) => each.dataset.key === key);

/**
 * A key that a button beside the picture has, or will have once the details are there.
 * @param {KeyboardEvent} event
 */
export function keyedButton({ key, repeat }) {
  if (repeat || !BUTTON_KEYS.test(key)) return;
  pressed.push(key.toLowerCase());
  press();
}
