// The settings of the model that is chosen, under More: as the server writes them. Loaded once a model is chosen.
import { fields } from "./composer-form.js";
import { byId, data, element, findAll, targetOf } from "./dom.js";
import { arrive } from "./draft.js";
import { say } from "./toast.js";

const AWAY = "The settings of the model did not come: the server does not answer. Its usual ones are in force.";
const box = byId("model-settings", HTMLFieldSetElement);
/** @type {Map<string, ChildNode[]>} */
const kept = new Map(); // model and job type -> its controls as they were left
let wanted = data(box, "of");
let shown = wanted; // what the controls are of
let changed = () => {};

/**
 * Shows the settings of this model: as they were left, or else as they usually are.
 * @param {string} name empty: none
 * @param {string} jobType
 */
export async function follow(name, jobType) {
  if (name === wanted) return;
  wanted = name;
  if (shown) kept.set(shown, [...box.childNodes]);
  box.replaceChildren(...(kept.get(name) ?? []));
  box.dataset.of = shown = name && kept.has(name) ? name : "";
  if (name && !shown) await fetched(name, jobType);
  if (wanted !== name) return;
  arrive();
  showWeights();
  changed();
}

/**
 * @param {string} name
 * @param {string} jobType
 */
async function fetched(name, jobType) {
  try {
    const url = `${data(box, "url")}${name}?job_type=${jobType}`;
    const answer = await fetch(url, { credentials: "same-origin", redirect: "error" });
    if (answer.status === 404) return say("That model is not there any more.", { level: "error" });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    const fresh = element(`<div>${await answer.text()}</div>`);
    if (wanted !== name) return;
    box.replaceChildren(...fresh.childNodes);
    box.dataset.of = shown = name;
  } catch {
    say(AWAY, { level: "error" });
    if (wanted === name) wanted = "";
  }
}

function showWeights() {
  for (const range of findAll(box, "[type=range]", HTMLInputElement)) {
    const output = range.nextElementSibling;
    if (output instanceof HTMLOutputElement) output.value = range.value;
  }
}

/** @param {string} name */
const named = (name) => {
  const found = box.elements.namedItem(name);
  return found instanceof HTMLInputElement ? found : null;
};

/**
 * What is set otherwise than usual, for the chips.
 * @returns {[Control, string][]}
 */
export function inForce() {
  if (shown !== fields.model.value) return [];
  /** @type {[Control, string][]} */
  const found = [];
  for (const control of box.elements) {
    if (!(control instanceof HTMLInputElement || control instanceof HTMLSelectElement)) continue;
    const { label, default: usual } = control.dataset;
    if (label === undefined) continue;
    if (control.type === "checkbox") {
      const weight = named(`${control.name}:weight`)?.value ?? "";
      if (control instanceof HTMLInputElement && control.checked) found.push([control, `${label} ${weight}`]);
    } else if (control.value && control.value !== usual) found.push([control, `${label} ${control.value}`]);
  }
  return found;
}

/**
 * Puts a trigger word into the prompt where the caret is, parted from what stands around it.
 * @param {string} word
 */
function insert(word) {
  const { prompt } = fields;
  const [before, after] = [prompt.value.slice(0, prompt.selectionStart), prompt.value.slice(prompt.selectionEnd)];
  const lead =
    !before.trim() || /[\n,]\s*$/.test(before) ? (/,$/.test(before) ? " " : "") : before.endsWith(" ") ? "" : ", ";
  const tail = !after.trim() || /^\s*[,\n]/.test(after) ? "" : after.startsWith(" ") ? "," : ", ";
  prompt.focus();
  prompt.setRangeText(`${lead}${word}${tail}`, prompt.selectionStart, prompt.selectionEnd, "end");
  prompt.dispatchEvent(new Event("input", { bubbles: true }));
}

/** @param {() => void} onChange */
export function start(onChange) {
  changed = onChange;
  showWeights();
  box.addEventListener("input", showWeights);
  box.addEventListener("click", (event) => {
    const button = targetOf(event)?.closest("[data-insert]");
    if (button instanceof HTMLElement) insert(data(button, "insert"));
  });
}
