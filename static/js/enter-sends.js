// The choice of which key sends, kept by the server. Loaded when it is made.
import { perform } from "./act.js";
import { form } from "./composer-form.js";
import { data, find } from "./dom.js";

/** @param {HTMLInputElement} box which changes back where it could not be kept */
export async function choose(box) {
  const token = find(form, '[name="csrfmiddlewaretoken"]', HTMLInputElement);
  const chosen = new FormData();
  chosen.set(token.name, token.value);
  if (box.checked) chosen.set("enter_sends", "on");
  if (!(await perform(data(box, "url"), chosen, { isSeen: true }))) box.checked = !box.checked;
}
