// The composer: shows what applies, and what is in force.
import { fields, form, make, more } from "./composer-form.js";
import { byId, copyOf, find, findAll } from "./dom.js";
import * as draft from "./draft.js";
import * as forecast from "./forecast.js";
import * as references from "./references.js";
import { isRefused, start as startSending } from "./submit.js";

const chips = byId("chips", HTMLElement);
const chipTemplate = byId("chip", HTMLTemplateElement);
/** @type {Record<string, JobType>} */
const combinations = JSON.parse(byId("combinations", HTMLScriptElement).textContent);

function choice() {
  const { media, quality, engine, enhance } = fields;
  const wanted = media.value === "video" ? "" : engine.value;
  const enhanced = enhance.checked && wanted !== "sdxl";
  const key = `${media.value}|${quality.value}|${wanted}|${enhanced ? "on" : ""}`;
  const type = combinations[key];
  if (!type) throw new Error(`no job type for ${key}`);
  return type;
}

/** @param {string} name */
const field = (name) => find(form, `[data-field="${name}"]`, HTMLElement);

/**
 * @param {string} name
 * @param {boolean} does
 */
function applies(name, does) {
  for (const control of findAll(field(name), "input", HTMLInputElement)) control.disabled = !does;
  for (const control of findAll(field(name), "select", HTMLSelectElement)) control.disabled = !does;
  field(name).classList.remove("refused");
}

/** @param {JobType} type */
function aspects(type) {
  const { aspect } = fields;
  for (const option of aspect.options) {
    const usual = option.value === type.aspects[0];
    if (!option.value) option.textContent = find(aspect, `[value="${type.aspects[0]}"]`, HTMLOptionElement).textContent;
    option.disabled = option.hidden = option.value !== "" && (usual || !type.aspects.includes(option.value));
  }
  if (aspect.selectedOptions[0]?.disabled) aspect.value = "";
}

function update() {
  const { media, engine, quantity } = fields;
  const type = choice();
  const counts = type.quantities;
  applies("quantity", counts.length > 1);
  applies("engine", media.value === "image");
  applies("enhance", media.value === "video" || engine.value !== "sdxl");
  field("references").classList.remove("refused");
  references.fit(type);
  aspects(type);
  const count = (counts.length > 1 && quantity.value) || String(counts[0]);
  forecast.show(type, count, references.types(), fields.within.value);
  showChips();
}

/** @param {HTMLSelectElement} select */
const chosen = (select) => select.value && select.selectedOptions[0]?.text;

/**
 * What is set under More, each with a way to take it back.
 * @returns {{control: Control, label: string}[]}
 */
function inForce() {
  const { negative_prompt, seed, engine, enhance, project, new_project, review, within } = fields;
  /** @param {string} text */
  const shorten = (text) => text.trim().replace(/\s+/g, " ");
  /** @type {[Control, string | false | undefined][]} */
  const all = [
    [negative_prompt, negative_prompt.value.trim() && `without ${shorten(negative_prompt.value)}`],
    [seed, seed.value.trim() && `seed ${seed.value.trim()}`],
    [engine, !engine.disabled && chosen(engine)],
    [enhance, !enhance.disabled && enhance.checked && "enhanced"],
    [new_project.value.trim() ? new_project : project, shorten(new_project.value) || chosen(project)],
    [review, review.checked && "review first"],
    [within, chosen(within)],
  ];
  return all.flatMap(([control, label]) => (label ? [{ control, label }] : []));
}

/** @param {Control} control */
function reset(control) {
  if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = false;
  else control.value = "";
  if (control === fields.new_project) fields.project.value = "";
  changed();
  make.focus();
}

function showChips() {
  const wanted = inForce();
  const same = wanted.map(({ control, label }) => `${control.name}=${label}`).join("\n");
  if (chips.dataset.shown === same) return;
  chips.dataset.shown = same;
  chips.replaceChildren(
    ...wanted.map(({ control, label }) => {
      const chip = copyOf(chipTemplate);
      find(chip, "span", HTMLElement).textContent = label;
      chip.setAttribute("aria-label", `${label}: take back`);
      chip.addEventListener("click", () => reset(control));
      return chip;
    }),
  );
}

/** What is chosen cannot use a reference image: the engine and enhancing give way; whether they had to. */
function admitReference() {
  if (choice().references.length) return false;
  fields.engine.value = "";
  fields.enhance.checked = false;
  update();
  return true;
}

function changed() {
  update();
  draft.keep();
}

/** @param {HTMLAnchorElement} link */
function useExample(link) {
  const fill = () => {
    fields.prompt.value = link.textContent;
  };
  draft.replace("The example is in the form.", fill, update, draft.stored());
  fields.prompt.focus();
}

/**
 * Fills in these fields and keeps the others; Undo brings back what the form held.
 * @param {Filled} filled by the names of the controls
 * @param {string} words for what happened
 */
export function fillForm(filled, words) {
  draft.replace(words, () => draft.write(filled), update);
}

/** @param {{onMade: (news: Partial<Message>) => void}} page shows a job that was made */
export function start({ onMade }) {
  const asked = new URLSearchParams(location.search);
  references.start({
    onChange: changed,
    onDropped: (files, add) => import("./recall.js").then(({ dropped }) => dropped(files, add, fillForm)),
  });
  forecast.start({ onServed: references.showWhetherServed });
  const isRecalled = document.getElementById("recalled-values") !== null;
  draft.begin({ update, admitReference, isRefused: isRefused(), isRecalled });
  if (isRecalled) import("./recall.js").then(({ begin }) => begin(fillForm));
  startSending({ update, onMade });
  for (const name of ["input", "change"]) form.addEventListener(name, changed);
  for (const link of findAll(document, "[data-example]", HTMLAnchorElement)) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      useExample(link);
    });
  }
  if (asked.has("prompt") || asked.has("from")) {
    fields.prompt.focus();
    fields.prompt.setSelectionRange(fields.prompt.value.length, fields.prompt.value.length);
  }
  // A picture whose use is to be said, or what was refused
  more.open = asked.has("image") || more.querySelector("[data-error]:not(:empty)") !== null;
}
