// What is wrong with what was sent, beside its field, until that is typed anew. Loaded once something was refused.
import { fields, form, more } from "./composer-form.js";
import { data, findAll, targetOf } from "./dom.js";

const slots = () => findAll(form, "[data-error]", HTMLElement);

/** @param {HTMLElement} slot for the errors of one field */
function controlOf(slot) {
  const control = fields.namedItem(data(slot, "error"));
  return control instanceof HTMLElement ? control : null;
}

/**
 * Shows errors beside their fields.
 * @param {Record<string, string[]>} errors
 */
export function showErrors(errors) {
  for (const slot of slots()) {
    const sentences = errors[data(slot, "error")] ?? [];
    slot.replaceChildren(
      ...sentences.map((text) => Object.assign(document.createElement("p"), { dir: "auto", textContent: text })),
    );
    if (sentences.length) controlOf(slot)?.setAttribute("aria-invalid", "true");
    else controlOf(slot)?.removeAttribute("aria-invalid");
    if (sentences.length && more.contains(slot)) more.open = true;
  }
  const first = slots().find((slot) => slot.childNodes.length);
  if (first) (controlOf(first) ?? fields.prompt).focus();
}

form.addEventListener("input", (event) => {
  const control = targetOf(event);
  if (!control) return;
  form.querySelector(`[data-error="${control.getAttribute("name")}"]`)?.replaceChildren();
  control.removeAttribute("aria-invalid");
});
