// Turns what is on the page into what the server sent, keeping focus, what is typed and ticked, what plays and what is open.
import { Idiomorph } from "../vendor/idiomorph/idiomorph.js";
import { data } from "./dom.js";
import { holdPictures } from "./previews.js";

/**
 * Whether an attribute says what the reader did, of which the server knows nothing.
 * @param {string} name
 * @param {Element} node
 */
function isOfTheReader(name, node) {
  if (name === "aria-expanded" && node.matches("[data-menu]")) return true;
  if (name === "tabindex" && node === document.activeElement) return true;
  return (name === "open" && node.matches("details")) || (name === "checked" && node.matches("[data-tick]"));
}

/**
 * @param {Element} old
 * @param {Element} fresh
 */
export function morph(old, fresh) {
  Idiomorph.morph(old, fresh, {
    morphStyle: "outerHTML",
    restoreFocus: true,
    callbacks: { beforeAttributeUpdated: (name, node) => !isOfTheReader(name, node) },
  });
}

/**
 * Turns a stack or a tile into what was pushed, unless it is further already; whether it did.
 * @param {HTMLElement} old
 * @param {HTMLElement} fresh
 */
export function update(old, fresh) {
  if (Number(data(fresh, "revision")) < Number(data(old, "revision"))) return false;
  const showPictures = holdPictures(fresh);
  morph(old, fresh);
  showPictures();
  return true;
}
