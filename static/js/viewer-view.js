// How the viewer shows: zoom, the whole screen, with or without the details, the list of its keys.
import { announce } from "./announce.js";
import { byId, find, targetOf } from "./dom.js";
import { isBare, keepBare } from "./viewer-details.js";
import { zoomOf } from "./zoom.js";

const dialog = byId("lightbox", HTMLDialogElement);
const frame = find(dialog, "[data-frame]", HTMLElement);
const stage = find(dialog, "[data-stage]", HTMLElement);
const size = find(dialog, "[data-view='size']", HTMLButtonElement);
const panel = find(dialog, "[data-view='panel']", HTMLButtonElement);
const screen = find(dialog, "[data-view='screen']", HTMLButtonElement);
const keys = byId("viewer-keys", HTMLElement);
const STEP = 1.25;
const PAN_PX = 90;
const SETTLED_MS = 400; // after the last step of a zoom, which is said then
/** @type {ReturnType<typeof setTimeout> | undefined} */
let saying;

/** @param {string} words for who does not see it, once it lasts */
function tell(words) {
  clearTimeout(saying);
  saying = setTimeout(() => announce(words), SETTLED_MS);
}

const zoom = zoomOf([stage], (percent, isZoomed) => {
  if (size.textContent !== `${percent} %` && isZoomed) tell(`${percent} %`);
  else if (!isZoomed && size.getAttribute("aria-pressed") === "true") tell("As it fits");
  size.textContent = `${percent} %`;
  size.setAttribute("aria-pressed", String(isZoomed));
});

function toggleSize() {
  if (stage.querySelector("video")) stage.toggleAttribute("data-fill");
  else zoom.toggle();
}

function togglePanel() {
  const isBare = dialog.toggleAttribute("data-bare");
  panel.setAttribute("aria-pressed", String(!isBare));
  keepBare(isBare);
  tell(isBare ? "Details hidden" : "Details shown");
  if (document.activeElement?.closest("[data-about]")) dialog.focus();
  zoom.pan(0, 0);
}

function toggleScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else frame.requestFullscreen().catch(() => {}); // not every browser lets a page have it
}

/** @type {Record<string, () => void>} */
const ACTIONS = {
  in: () => zoom.by(STEP),
  out: () => zoom.by(1 / STEP),
  size: toggleSize,
  panel: togglePanel,
  screen: toggleScreen,
};

/** @type {Record<string, () => void>} */
const KEYS = {
  "+": () => zoom.by(STEP),
  "=": () => zoom.by(STEP),
  "-": () => zoom.by(1 / STEP),
  0: zoom.fit,
  z: toggleSize,
  i: togglePanel,
  "?": () => keys.togglePopover(),
};

/** @type {Record<string, () => void>} */
const MOVES = {
  ArrowLeft: () => zoom.pan(PAN_PX, 0),
  ArrowRight: () => zoom.pan(-PAN_PX, 0),
  ArrowUp: () => zoom.pan(0, PAN_PX),
  ArrowDown: () => zoom.pan(0, -PAN_PX),
};

/** @param {KeyboardEvent} event */
function actionOf({ key, shiftKey }) {
  if (shiftKey && key.toLowerCase() === "f") return toggleScreen;
  return (zoom.isZoomed() && MOVES[key]) || KEYS[key] || KEYS[key.toLowerCase()];
}

/** Shows what is new on the stage as it fits. */
export function reset() {
  stage.removeAttribute("data-fill");
  zoom.fit();
}

export const { isZoomed } = zoom;

/**
 * Does what a key says, and whether it says something here.
 * @param {KeyboardEvent} event
 */
export function keyed(event) {
  const action = actionOf(event);
  const isScrolling = MOVES[event.key] && targetOf(event)?.closest("[data-about]");
  if (!action || isScrolling) return false;
  action();
  return true;
}

dialog.toggleAttribute("data-bare", isBare());
panel.setAttribute("aria-pressed", String(!isBare()));
screen.hidden = !document.fullscreenEnabled;
document.addEventListener("fullscreenchange", () => {
  screen.setAttribute("aria-pressed", String(document.fullscreenElement === frame));
  zoom.pan(0, 0);
});
dialog.addEventListener("click", (event) => {
  const pressed = targetOf(event)?.closest("[data-view]");
  if (!(pressed instanceof HTMLElement)) return;
  if (event.detail) dialog.focus(); // by mouse: the keys stay the viewer's
  ACTIONS[pressed.dataset.view ?? ""]?.();
});
