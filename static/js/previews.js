// A card shows what it has until what comes next is there: the next preview fades over the last, and the
// finished picture over both, so that nothing flashes and nothing jumps.
const wanted = new WeakMap();

const previewsOf = (card) => [...card.querySelectorAll("img.preview")];

/** Keeps the pictures on the page while `fresh` is laid over them; the answer then brings the new ones. */
export function holdPictures(fresh) {
  const next = [];
  for (const card of fresh.querySelectorAll(".card")) {
    const here = document.getElementById(card.id);
    const shown = here && previewsOf(here).at(-1);
    const coming = previewsOf(card).at(-1);
    if (here && coming) {
      // Imported: in the document that the server's HTML was read into, pictures do not load.
      if (coming.getAttribute("src") !== shown?.getAttribute("src")) next.push(() => sharpen(here, document.importNode(coming)));
      if (shown) coming.replaceWith(shown.cloneNode());
      else coming.remove();
    } else if (shown && card.dataset.phase === "done") {
      next.push(() => finish(here, shown.cloneNode()));
    }
  }
  return () => next.forEach((show) => show());
}

async function sharpen(card, picture) {
  wanted.set(card, picture);
  if (!(await loaded(picture)) || wanted.get(card) !== picture || card.dataset.phase === "done") return;
  const older = previewsOf(card);
  if (older.length) older.at(-1).after(picture);
  else card.prepend(picture);
  await Promise.allSettled(picture.getAnimations().map(({ finished }) => finished));
  for (const preview of older) preview.remove();
}

async function finish(card, preview) {
  wanted.delete(card);
  card.prepend(preview);
  const final = card.querySelector("a > img") ?? Object.assign(new Image(), { src: card.querySelector("video")?.poster ?? "" });
  await loaded(final);
  await Promise.allSettled(final.getAnimations().map(({ finished }) => finished));
  preview.remove();
}

/** Whether the picture could be loaded: a preview may be gone before it was asked for. */
function loaded(picture) {
  return picture.decode().then(
    () => true,
    () => false,
  );
}
