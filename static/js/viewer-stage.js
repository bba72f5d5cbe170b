// What the viewer shows large: the picture or the film of a tile.
import { data } from "./dom.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** @param {HTMLElement} tile */
export const isVideo = (tile) => tile.dataset.media === "video";

/**
 * What a tile shows: the words for it, and the address of the small picture.
 * @param {HTMLElement} tile
 */
export function shownBy(tile) {
  const shown = tile.querySelector("[data-open] img, video");
  if (shown instanceof HTMLVideoElement) return { words: shown.ariaLabel ?? "", small: shown.poster };
  if (shown instanceof HTMLImageElement) return { words: shown.alt, small: shown.src };
  throw new Error(`#${tile.id} shows nothing`);
}

/** @param {HTMLElement} tile */
export function media(tile) {
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
  shown.draggable = false; // it is dragged here
  shown.dataset.px = data(tile, "width");
  shown.style.backgroundImage = `url("${small}")`;
  return shown;
}

/**
 * Has the picture of a tile at hand before it is shown.
 * @param {HTMLElement | null | undefined} tile
 */
export function preload(tile) {
  if (tile && !isVideo(tile)) new Image().src = data(tile, "file");
}
