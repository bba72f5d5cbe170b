// Turns what is on the page into what the server sent, keeping focus, what is typed, what plays and what is open.
import { Idiomorph } from "../vendor/idiomorph/idiomorph.js";

const keep = {
  beforeAttributeUpdated: (name, node) => !(name === "open" && node.localName === "details"),
};

/** The element that `html` is. */
export function element(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

export function morph(old, fresh) {
  Idiomorph.morph(old, fresh, { morphStyle: "outerHTML", restoreFocus: true, callbacks: keep });
}
