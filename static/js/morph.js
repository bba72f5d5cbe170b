// Turns what is on the page into what the server sent, keeping focus, what is typed and ticked, what plays and what is open.
import { Idiomorph } from "../vendor/idiomorph/idiomorph.js";

/**
 * @param {string} name
 * @param {Element} node
 */
function isOfTheReader(name, node) {
  return name === "open" && node.localName === "details";
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
