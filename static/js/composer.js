// The composer: shows what applies, keeps the draft, sends without leaving the page.
import { excuse, post } from "./act.js";
import { byId, copyOf, data, find, findAll, targetOf } from "./dom.js";
import * as references from "./references.js";
import { say } from "./toast.js";
import { user } from "./user.js";

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/**
 * The form's controls by their names.
 * @typedef {object} Fields
 * @property {HTMLInputElement} key
 * @property {HTMLTextAreaElement} prompt
 * @property {RadioNodeList} media
 * @property {RadioNodeList} quality
 * @property {RadioNodeList} quantity
 * @property {HTMLSelectElement} aspect
 * @property {HTMLTextAreaElement} negative_prompt
 * @property {HTMLInputElement} seed
 * @property {HTMLSelectElement} engine
 * @property {HTMLInputElement} enhance
 * @property {HTMLSelectElement} project
 * @property {HTMLInputElement} new_project
 * @property {HTMLInputElement} review
 */

const form = byId("composer", HTMLFormElement);
const fields = /** @type {HTMLFormControlsCollection & Fields} */ (form.elements);
const { prompt } = fields;
const make = find(form, ".make", HTMLButtonElement);
const more = byId("more", HTMLDetailsElement);
const chips = byId("chips", HTMLElement);
const chipTemplate = byId("chip", HTMLTemplateElement);
const estimate = byId("estimate", HTMLElement);
/** @type {Record<string, JobType>} */
const combinations = JSON.parse(byId("combinations", HTMLScriptElement).textContent);
const finger = matchMedia("(pointer: coarse)");
const DRAFT = `ourvidz-draft-${user}`;

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

/** @param {number} seconds */
function words(seconds) {
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

function update() {
  const { media, engine, quantity } = fields;
  const type = choice();
  const counts = Object.keys(type.seconds);
  applies("quantity", counts.length > 1);
  applies("engine", media.value === "image");
  applies("enhance", media.value === "video" || engine.value !== "sdxl");
  field("references").classList.remove("refused");
  references.fit(type);
  aspects(type);
  const count = (counts.length > 1 && quantity.value) || String(counts[0]);
  estimate.textContent = `${type.title}, usually about ${words(type.seconds[count] ?? 0)}`;
  showChips();
}

/** @param {HTMLSelectElement} select */
const chosen = (select) => select.value && select.selectedOptions[0]?.text;

/**
 * What is set under More, each with a way to take it back.
 * @returns {{control: Control, label: string}[]}
 */
function inForce() {
  const { negative_prompt, seed, engine, enhance, project, new_project, review } = fields;
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
  ];
  return all.flatMap(([control, label]) => (label ? [{ control, label }] : []));
}

/** @param {Control} control */
function reset(control) {
  if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = false;
  else control.value = "";
  if (control === fields.new_project) fields.project.value = "";
  update();
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

const errorSlots = () => findAll(form, "[data-error]", HTMLElement);
const firstError = () => errorSlots().find((slot) => slot.childNodes.length);

/** @param {HTMLElement} slot for the errors of one field */
function controlOf(slot) {
  const control = fields.namedItem(data(slot, "error"));
  return control instanceof HTMLElement ? control : null;
}

/**
 * Shows errors beside their fields.
 * @param {Record<string, string[]>} errors
 */
function showErrors(errors) {
  for (const slot of errorSlots()) {
    const sentences = errors[data(slot, "error")] ?? [];
    slot.replaceChildren(
      ...sentences.map((text) => Object.assign(document.createElement("p"), { dir: "auto", textContent: text })),
    );
    if (sentences.length) controlOf(slot)?.setAttribute("aria-invalid", "true");
    else controlOf(slot)?.removeAttribute("aria-invalid");
    if (sentences.length && more.contains(slot)) more.open = true;
  }
  const first = firstError();
  if (first) (controlOf(first) ?? prompt).focus();
}

// The draft
function keepDraft() {
  try {
    sessionStorage.setItem(DRAFT, prompt.value);
  } catch {
    // storage is off: the page itself still holds the text
  }
}

function restoreDraft() {
  const asked = new URLSearchParams(location.search);
  if (asked.has("image")) {
    asked.delete("image");
    history.replaceState(null, "", `${location.pathname}${asked.size ? `?${asked}` : ""}`);
  }
  if (asked.has("prompt") || asked.has("from")) {
    // Filled on request: from here on it is a draft like any other.
    asked.delete("prompt");
    asked.delete("from");
    asked.delete("seed");
    history.replaceState(null, "", `${location.pathname}${asked.size ? `?${asked}` : ""}`);
    keepDraft();
    prompt.focus();
    prompt.setSelectionRange(prompt.value.length, prompt.value.length);
  } else if (!firstError()) {
    const draft = sessionStorage.getItem(DRAFT);
    if (draft !== null) prompt.value = draft;
  }
}

/**
 * The project that was named is there now.
 * @param {{id: string, name: string}} made
 */
function choose({ id, name }) {
  const { project, new_project } = fields;
  if (![...project.options].some((option) => option.value === id))
    project.add(Object.assign(new Option(name, id), { dir: "auto" }));
  project.value = id;
  new_project.value = "";
  update();
}

/** @param {() => void} afterwards */
async function send(afterwards) {
  make.setAttribute("aria-busy", "true");
  try {
    if (!(await references.settled())) return;
    const { status, body } = await post(form.action, new FormData(form));
    const answer = /** @type {Submitted} */ (body);
    if (status === 422) return showErrors(answer.errors);
    if (!answer.ok) return say(answer.message, { level: "error" });
    showErrors({});
    fields.key.value = answer.key;
    if (answer.project) choose(answer.project);
    if (finger.matches && document.activeElement === prompt) prompt.blur(); // the keyboard covers what is made
    afterwards();
  } catch (error) {
    excuse(error);
  } finally {
    make.removeAttribute("aria-busy");
  }
}

// As a plain form, once every picture has arrived.
async function sendPlainly() {
  if (await references.settled()) form.requestSubmit();
}

/**
 * A sentence about what was typed goes once that is typed anew.
 * @param {Event} event
 */
function forgive(event) {
  const control = targetOf(event);
  if (!control) return;
  form.querySelector(`[data-error="${control.getAttribute("name")}"]`)?.replaceChildren();
  control.removeAttribute("aria-invalid");
}

/** @param {{afterwards: () => void}} page what it does after a submission */
export function start({ afterwards }) {
  references.start({ onChange: update });
  form.addEventListener("input", update);
  form.addEventListener("input", forgive);
  form.addEventListener("change", update);
  prompt.addEventListener("input", keepDraft);
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    keepDraft();
    // On a page of older work the new stack has no place: the plain way leads to the newest.
    if (new URLSearchParams(location.search).has("cursor") && references.ready()) return;
    event.preventDefault();
    if (new URLSearchParams(location.search).has("cursor")) return sendPlainly();
    if (!make.hasAttribute("aria-busy")) send(afterwards);
  });
  for (const link of findAll(document, "[data-example]", HTMLAnchorElement)) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      prompt.value = link.textContent;
      keepDraft();
      prompt.focus();
    });
  }
  const brought = new URLSearchParams(location.search).has("image"); // a picture whose use is to be said
  try {
    restoreDraft();
  } catch {
    // storage is off
  }
  more.open = brought || more.querySelector("[data-error]:not(:empty)") !== null;
  update();
}
