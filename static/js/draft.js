// The draft: all that is in the composer, kept in this tab from the first keystroke until it is sent.
import { fields, form } from "./composer-form.js";
import * as references from "./reference-field.js";
import { say } from "./toast.js";
import { DRAFT_KEY } from "./user.js";

const FILLED_BY = ["from", "prompt", "seed", "preset", "prompt_of", "model"]; // in the address: the server filled the form on request
const MODEL_IS_GONE = "The model that was chosen is not there any more: the model is chosen automatically.";
let sent = ""; // the form as it was sent last, or as the server filled it: no draft
let pressed = "";
let isKept = true;
/**
 * The way back through earlier prompts: what was typed before it, if one is on it, and how often was sent.
 * @type {{typed: string | null, sends: number}}
 */
export const walk = { typed: null, sends: 0 };

const SETTING = /^settings[_:]/;
/**
 * The settings of a model whose controls are not here yet.
 * @type {Draft["values"] | null}
 */
let coming = null;

/** @returns {Control[]} */
function controls() {
  const named = [...form.elements].filter(
    (control) =>
      control instanceof HTMLInputElement ||
      control instanceof HTMLSelectElement ||
      control instanceof HTMLTextAreaElement,
  );
  return named.filter(({ name }) => name && !/^(csrfmiddlewaretoken|key|references-.*)$/.test(name));
}

/**
 * @param {(control: Control) => {value: string, checked: boolean}} state
 * @returns {Draft}
 */
function read(state = now) {
  /** @type {Draft["values"]} */
  const values = {};
  for (const control of controls()) {
    if (coming && SETTING.test(control.name)) continue;
    const { value, checked } = state(control);
    if (control.type === "checkbox") values[control.name] = checked;
    else if (control.type !== "radio" || checked) values[control.name] = value;
  }
  return { values: { ...values, ...coming }, references: references.kept() };
}

/** @param {Control} control */
const now = (control) => ({
  value: control.dataset.wanted ?? control.value,
  checked: control instanceof HTMLInputElement && control.checked,
});

/**
 * As the server filled it. A browser that goes back or reloads may have filled it otherwise since.
 * @param {Control} control
 */
function served(control) {
  if (control instanceof HTMLInputElement) return { value: control.defaultValue, checked: control.defaultChecked };
  if (control instanceof HTMLTextAreaElement) return { value: control.defaultValue, checked: false };
  const chosen = [...control.options].find((option) => option.defaultSelected) ?? control.options[0];
  return { value: chosen?.value ?? "", checked: false };
}

/**
 * Without references those in the form stay.
 * @param {Filled} draft
 */
export function write({ values = {}, references: rows }) {
  if (values.model !== undefined) {
    const settings = Object.entries(values).filter(([name]) => SETTING.test(name));
    coming = values.settings_of ? Object.fromEntries(settings) : null;
    arrive();
  }
  put(values);
  if (rows) references.restore(rows);
}

/** The controls of a model's settings are here: what was kept for them is filled in. */
export function arrive() {
  const of = fields.settings_of?.value;
  if (!coming || coming.settings_of !== of) return;
  /** @type {Draft["values"]} */
  const values = {};
  for (const { name, type, dataset } of controls())
    if (SETTING.test(name))
      values[name] = coming[name] ?? (type === "checkbox" ? false : (dataset.default ?? of ?? ""));
  coming = null;
  put(values, true);
}

/**
 * @param {Draft["values"]} values
 * @param {boolean} [areSettings]
 */
function put(values, areSettings = false) {
  for (const control of controls()) {
    const value = values[control.name];
    if (value === undefined || SETTING.test(control.name) !== areSettings) continue;
    delete control.dataset.wanted;
    if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = value === true;
    else if (control instanceof HTMLInputElement && control.type === "radio")
      control.checked ||= control.value === value;
    else if (!(control instanceof HTMLSelectElement) || hasOption(control, String(value)))
      control.value = String(value);
  }
}

/**
 * A project may be gone since.
 * @param {HTMLSelectElement} select
 * @param {string} value
 */
const hasOption = (select, value) => [...select.options].some((option) => option.value === value);

/** @param {Draft} draft */
const text = ({ values, references: rows }) => JSON.stringify([values, rows]);

/**
 * What was not sent.
 * @returns {Draft | null}
 */
export function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(DRAFT_KEY) ?? "null");
  } catch {
    return null; // storage is off
  }
}

/** Keeps the form as it is now, unless it is as it was sent. */
export function keep() {
  const draft = read();
  try {
    if (text(draft) === sent && !pressed && walk.typed === null) sessionStorage.removeItem(DRAFT_KEY);
    else sessionStorage.setItem(DRAFT_KEY, JSON.stringify({ ...draft, key: pressed, typed: walk.typed }));
    isKept = true;
  } catch {
    isKept = false; // storage is off, or full: the page itself still holds it
  }
}

/** Make was pressed: until that is answered, sending it again is the same press, also after a reload. */
export function press() {
  pressed = fields.key.value;
  keep();
}

/** @param {{isSent: boolean}} answer to the press */
export function answered({ isSent }) {
  pressed = "";
  if (isSent) {
    sent = text(read());
    walk.sends++;
  }
  keep();
}

/** What becomes of the form when its page is left now. */
export function fate() {
  if (!isKept) return { isKept, words: "This browser keeps nothing: copy what you typed before you sign in again." };
  const pictures = references.ready() ? "" : ", but for the pictures that had not arrived";
  return { isKept, words: `Sign in again; all that is in the form is kept${pictures}.` };
}

/**
 * Changes the form by `change`; what it held can be brought back.
 * @param {string} words for what happened
 * @param {() => void} change
 * @param {() => void} update shows what the form holds
 * @param {Draft | null} [before] without one nothing is offered back
 */
export function replace(words, change, update, before = read()) {
  change();
  update();
  keep();
  if (before) offer(words, before, update);
}

/**
 * @param {string} words
 * @param {Draft} before
 * @param {() => void} update
 */
function offer(words, before, update) {
  if (text(before) === text(read())) return;
  const restore = () => {
    write(before);
    update();
    keep();
    document.getElementById("recalled")?.replaceChildren(); // what it says was brought is gone
    fields.prompt.focus();
  };
  say(words, { restore });
}

/** Takes what was asked for out of the address, so that a reload does not ask again. */
function takeAsked() {
  const asked = new URLSearchParams(location.search);
  const image = asked.get("image");
  const isFilled = FILLED_BY.some((name) => asked.has(name));
  if (image !== null || isFilled || asked.has("recall")) {
    for (const name of [...FILLED_BY, "image", "recall", "field"]) asked.delete(name);
    history.replaceState(null, "", `${location.pathname}${asked.size ? `?${asked}` : ""}`);
  }
  return { image, isFilled };
}

/**
 * Fills the form: with what the address asks for, else with the draft, else as the server did.
 * @param {object} composer
 * @param {() => void} composer.update shows what the form holds
 * @param {() => boolean} composer.admitReference changes what cannot use a reference image; whether it did
 * @param {boolean} composer.isRefused whether the page says what is wrong with what was sent
 * @param {boolean} composer.isRecalled whether the page came with settings to bring back
 */
export function begin({ update, admitReference, isRefused, isRecalled }) {
  update();
  const { image, isFilled } = takeAsked();
  const draft = stored();
  const brought = references.kept().find(({ source }) => source === `image:${image}`);
  if (!isRefused && !isFilled && !brought && !isRecalled) sent = text(read(served));
  if (draft && !isFilled && !isRefused) {
    pressed = draft.key ?? "";
    walk.typed = draft.typed ?? null;
    if (pressed) fields.key.value = pressed;
    write(draft);
    update();
    const { model } = draft.values;
    if (model && fields.model?.value !== model) say(MODEL_IS_GONE, { level: "error" });
  }
  if (draft && brought && !isFilled) {
    if (admitReference()) offer("Set back to what can use a reference image.", draft, update);
    references.bring(brought);
  }
  keep();
  if (draft && isFilled) offer("Filled in. What you had not sent was replaced.", draft, update);
}
