// A changed filter asks at once. The form is a plain GET; the control that was used keeps the focus on the next page.
import { find, findAll } from "./dom.js";

const form = document.getElementById("filters"); // not in the trash
const FOCUS = "library-filter"; // which of them had it on the page before; static/js/library-later.js knows it

/** @param {HTMLFormElement} filters */
const fields = (filters) => [
  ...findAll(filters, "input", HTMLInputElement),
  ...findAll(filters, "select", HTMLSelectElement),
];

/** @param {HTMLFormElement} filters */
function ask(filters) {
  // Empty fields stay out of the address.
  for (const field of fields(filters)) if (!field.value) field.disabled = true;
  filters.requestSubmit();
}

export function start() {
  if (!(form instanceof HTMLFormElement)) return;
  form.addEventListener("change", ({ target }) => {
    if (!(target instanceof HTMLInputElement || target instanceof HTMLSelectElement)) return;
    // Enter asks; what stands behind "More filters" is asked for together, by its button.
    if (target.type === "search" || target.closest("[popover]")) return;
    sessionStorage.setItem(FOCUS, target.name);
    ask(form);
  });
  const words = find(form, '[name="q"]', HTMLInputElement);
  words.addEventListener("search", () => {
    if (!words.value && new URLSearchParams(location.search).get("q")) ask(form);
  });
  addEventListener("pageshow", () => {
    for (const field of fields(form)) field.disabled = false;
  });
  const used = sessionStorage.getItem(FOCUS);
  sessionStorage.removeItem(FOCUS);
  const same = fields(form).find(({ name }) => name === used);
  if (used) same?.focus();
}
