// A video plays in its tile, without sound, while the pointer rests on it.
import { byId, data, find, targetOf } from "./dom.js";

const grid = byId("grid", HTMLElement);
const REST_MS = 300;
const mayPlay = matchMedia("(hover: hover) and (prefers-reduced-motion: no-preference)");

/** @type {{tile: Element, timer: number, video?: HTMLVideoElement} | null} */
let at = null;

/** Whether the reader wants to save data, where the browser says so. */
function savesData() {
  const connection = /** @type {{connection?: {saveData?: boolean}}} */ (navigator).connection;
  return Boolean(connection?.saveData) || matchMedia("(prefers-reduced-data: reduce)").matches;
}

function stop() {
  if (!at) return;
  clearTimeout(at.timer);
  if (at.video) {
    at.video.removeAttribute("src"); // what is still on its way is given up
    at.video.load();
    at.video.remove();
  }
  at = null;
}

/** @param {HTMLElement} tile */
function play(tile) {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, loop: true, playsInline: true, disablePictureInPicture: true });
  video.setAttribute("aria-hidden", "true");
  video.tabIndex = -1;
  video.addEventListener("playing", () => {
    video.dataset.playing = "";
  });
  video.src = data(tile, "file");
  find(tile, "[data-open]", HTMLElement).append(video);
  video.play().catch(() => {});
  return video;
}

/** @param {PointerEvent} event */
function entered(event) {
  const tile = targetOf(event)?.closest('[data-tile][data-media="video"]');
  if (at?.tile === tile) return;
  stop();
  if (!(tile instanceof HTMLElement) || event.pointerType !== "mouse" || !mayPlay.matches || savesData()) return;
  const timer = setTimeout(() => {
    if (at?.tile === tile && tile.isConnected) at.video = play(tile);
  }, REST_MS);
  at = { tile, timer };
}

export function start() {
  grid.addEventListener("pointerover", entered);
  grid.addEventListener("pointerleave", stop);
  addEventListener("pagehide", stop);
}
