// A card shows what it has until what comes next is there: the next preview fades over the last, and the
// finished picture over both, so that nothing flashes and nothing jumps.
import { findAll } from "./dom.js";

/** @type {WeakMap<Element, HTMLImageElement>} */
const wanted = new WeakMap(); // card -> the preview that is to be shown next

/** @param {Element} card */
const previewsOf = (card) => findAll(card, "img.preview", HTMLImageElement);

/**
 * @param {Element | undefined} one
 * @param {Element} other
 */
const isSame = (one, other) => one?.getAttribute("src") === other.getAttribute("src");

/**
 * Keeps the pictures on the page while `fresh` is laid over them; the answer then brings the new ones.
 * @param {Element} fresh
 */
export function holdPictures(fresh) {
  /** @type {(() => void)[]} */
  const next = [];
  for (const card of findAll(fresh, ".card", HTMLElement)) {
    const here = document.getElementById(card.id);
    if (!here) continue;
    const shown = previewsOf(here); // two while one fades over the other
    const coming = previewsOf(card).at(-1);
    if (coming) {
      // Imported: in the document that the server's HTML was read into, pictures do not load.
      if (!isSame(wanted.get(here) ?? shown.at(-1), coming))
        next.push(() => sharpen(here, document.importNode(coming)));
      coming.remove();
    } else if (shown.length && card.dataset.phase === "done") {
      next.push(() => finish(here));
    } else {
      wanted.delete(here);
      continue;
    }
    card.prepend(...shown.map((picture) => picture.cloneNode()));
  }
  return () => {
    for (const show of next) show();
  };
}

/**
 * @param {HTMLElement} card
 * @param {HTMLImageElement} picture
 */
async function sharpen(card, picture) {
  wanted.set(card, picture);
  if (!(await loaded(picture)) || wanted.get(card) !== picture) return;
  const older = previewsOf(card);
  const last = older.at(-1);
  if (last) last.after(picture);
  else card.prepend(picture);
  await Promise.allSettled(picture.getAnimations().map(({ finished }) => finished));
  for (const preview of older) preview.remove();
}

/** @param {HTMLElement} card */
async function finish(card) {
  wanted.delete(card);
  const final = finalPicture(card);
  await loaded(final);
  await Promise.allSettled(final.getAnimations().map(({ finished }) => finished));
  for (const preview of previewsOf(card)) preview.remove();
}

/** @param {HTMLElement} card */
function finalPicture(card) {
  const image = card.querySelector("a > img");
  if (image instanceof HTMLImageElement) return image;
  return Object.assign(new Image(), { src: card.querySelector("video")?.poster ?? "" });
}

/**
 * Whether the picture could be loaded: a preview may be gone before it was asked for.
 * @param {HTMLImageElement} picture
 */
function loaded(picture) {
  return picture.decode().then(
    () => true,
    () => false,
  );
}
