// The field for a title takes what is typed as soon as it is opened.
import { find, targetOf } from "./dom.js";

/** @param {Event} event */
function toggled(event) {
  const opened = targetOf(event);
  if (!opened?.matches(".titling[open]")) return;
  const field = find(opened, "input", HTMLInputElement);
  field.focus();
  field.select();
}

document.addEventListener("toggle", toggled, { capture: true });
