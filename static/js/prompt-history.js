// Back through one's own earlier prompts with the arrow keys, as in a shell. Loaded at the first press.
import { fields } from "./composer-form.js";
import * as draft from "./draft.js";

const url = document.querySelector("a[data-picker]")?.getAttribute("href") ?? "";
const walk = draft.walk;
/** @type {string[]} */
let prompts = []; // newest first
let at = -1; // -1: what was typed
/** @type {Record<number, string>} */
let edited = {};
/** @type {string | null} */
let before = null; // null: nothing was asked for; "": there are no older ones
let sends = -1;
let isBusy = false;

function begin() {
  sends = walk.sends;
  // After a reload, or once one of them was sent: what is shown is among them, and what was typed is kept.
  prompts = walk.typed === null ? [] : [fields.prompt.value];
  edited = walk.typed === null ? {} : { [-1]: walk.typed };
  at = prompts.length - 1;
  before = null;
}

async function load() {
  const answer = await fetch(`${url}?before=${before ?? ""}`, {
    headers: { Accept: "application/json" },
    credentials: "same-origin",
    redirect: "error",
  });
  const page = await answer.json();
  before = page.before;
  for (const prompt of page.prompts) if (!prompts.includes(prompt)) prompts.push(prompt);
}

/** @param {number} step 1 to an older one, -1 to a newer one */
export async function go(step) {
  if (isBusy) return;
  isBusy = true;
  try {
    if (sends !== walk.sends) begin();
    if (at + 2 >= prompts.length && before !== "") await load();
    // The one that is in the form already is none to go back to.
    let next = at + step;
    while (next > at && prompts[next] === fields.prompt.value) next += step;
    if (next < -1 || next >= prompts.length) return;
    edited[at] = fields.prompt.value;
    at = next;
    walk.typed = at < 0 ? null : (edited[-1] ?? "");
    show(edited[at] ?? prompts[at] ?? "");
  } catch {
    // Without an answer nothing moves.
  } finally {
    isBusy = false;
  }
}

/** @param {string} prompt */
function show(prompt) {
  fields.prompt.value = prompt;
  fields.prompt.setSelectionRange(0, 0);
  fields.prompt.dispatchEvent(new Event("input", { bubbles: true }));
}
