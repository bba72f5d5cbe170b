// The composer: shows what applies, keeps the draft, sends without leaving the page.
import { excuse, post } from "./act.js";
import * as references from "./references.js";
import { say } from "./toast.js";
import { user } from "./user.js";

const form = document.getElementById("composer");
const prompt = form.elements.prompt;
const make = form.querySelector(".make");
const more = document.getElementById("more");
const chips = document.getElementById("chips");
const chipTemplate = document.getElementById("chip");
const estimate = document.getElementById("estimate");
const combinations = JSON.parse(document.getElementById("combinations").textContent);
const finger = matchMedia("(pointer: coarse)");
const DRAFT = `ourvidz-draft-${user}`;

// What the choice leads to
function choice() {
  const { media, quality, engine, enhance } = form.elements;
  const wanted = media.value === "video" ? "" : engine.value;
  const enhanced = enhance.checked && wanted !== "sdxl";
  return combinations[`${media.value}|${quality.value}|${wanted}|${enhanced ? "on" : ""}`];
}

const field = (name) => form.querySelector(`[data-field="${name}"]`);

function applies(name, does) {
  for (const control of field(name).querySelectorAll("input, select")) control.disabled = !does;
  field(name).classList.remove("refused");
}

function aspects(type) {
  const { aspect } = form.elements;
  for (const option of aspect.options) {
    const usual = option.value === type.aspects[0];
    if (!option.value) option.textContent = aspect.querySelector(`[value="${type.aspects[0]}"]`).textContent;
    option.disabled = option.hidden = option.value !== "" && (usual || !type.aspects.includes(option.value));
  }
  if (aspect.selectedOptions[0]?.disabled) aspect.value = "";
}

function words(seconds) {
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

function update() {
  const { media, engine, quantity } = form.elements;
  const type = choice();
  const counts = Object.keys(type.seconds);
  applies("quantity", counts.length > 1);
  applies("engine", media.value === "image");
  applies("enhance", media.value === "video" || engine.value !== "sdxl");
  field("references").classList.remove("refused");
  references.fit(type);
  aspects(type);
  const count = counts.length > 1 ? quantity.value || counts[0] : counts[0];
  estimate.textContent = `${type.title}, usually about ${words(type.seconds[count])}`;
  showChips();
}

// What is set under More, each with a way to take it back
function inForce() {
  const { negative_prompt, seed, engine, enhance, project, new_project, review } = form.elements;
  const shorten = (text) => text.trim().replace(/\s+/g, " ");
  return [
    [negative_prompt, negative_prompt.value.trim() && `without ${shorten(negative_prompt.value)}`],
    [seed, seed.value.trim() && `seed ${seed.value.trim()}`],
    [engine, !engine.disabled && engine.value && engine.selectedOptions[0].text],
    [enhance, !enhance.disabled && enhance.checked && "enhanced"],
    [new_project.value.trim() ? new_project : project, shorten(new_project.value) || (project.value && project.selectedOptions[0].text)],
    [review, review.checked && "review first"],
  ].filter(([, label]) => label);
}

function reset(control) {
  if (control.type === "checkbox") control.checked = false;
  else control.value = "";
  if (control.name === "new_project") form.elements.project.value = "";
  update();
  make.focus();
}

function showChips() {
  const wanted = inForce();
  const same = wanted.map(([control, label]) => `${control.name}=${label}`).join("\n");
  if (chips.dataset.shown === same) return;
  chips.dataset.shown = same;
  chips.replaceChildren(
    ...wanted.map(([control, label]) => {
      const chip = chipTemplate.content.firstElementChild.cloneNode(true);
      chip.querySelector("span").textContent = label;
      chip.setAttribute("aria-label", `${label}: take back`);
      chip.addEventListener("click", () => reset(control));
      return chip;
    }),
  );
}

// Errors beside their fields
function showErrors(errors) {
  for (const slot of form.querySelectorAll("[data-error]")) {
    const sentences = errors[slot.dataset.error] ?? [];
    slot.replaceChildren(...sentences.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
    const control = form.elements[slot.dataset.error];
    if (control instanceof Element) {
      if (sentences.length) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
    }
    if (sentences.length && more.contains(slot)) more.open = true;
  }
  const first = form.querySelector("[data-error]:not(:empty)");
  if (!first) return;
  const control = form.elements[first.dataset.error];
  (control instanceof Element ? control : prompt).focus();
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
  } else if (!form.querySelector("[data-error]:not(:empty)")) {
    const draft = sessionStorage.getItem(DRAFT);
    if (draft !== null) prompt.value = draft;
  }
}

// The project that was named is there now.
function choose({ id, name }) {
  const { project, new_project } = form.elements;
  if (![...project.options].some((option) => option.value === id)) project.add(new Option(name, id));
  project.value = id;
  new_project.value = "";
  update();
}

async function send(afterwards) {
  make.setAttribute("aria-busy", "true");
  try {
    if (!(await references.settled())) return;
    const { status, body } = await post(form.action, new FormData(form));
    if (status === 422) return showErrors(body.errors);
    if (!body.ok) return say(body.message, { level: "error" });
    showErrors({});
    form.elements.key.value = body.key;
    if (body.project) choose(body.project);
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

// A sentence about what was typed goes once that is typed anew.
function forgive({ target }) {
  form.querySelector(`[data-error="${target.name}"]`)?.replaceChildren();
  target.removeAttribute("aria-invalid");
}

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
  for (const link of document.querySelectorAll("[data-example]")) {
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
  more.open = brought || [...more.querySelectorAll("[data-error]:not(:empty)")].length > 0;
  update();
}
