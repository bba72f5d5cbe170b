// The composer: shows what applies, and what is in force.
import { fields, form, make, more } from "./composer-form.js";
import { byId, copyOf, data, find, findAll } from "./dom.js";
import * as draft from "./draft.js";
import * as forecast from "./forecast.js";
import { atFirstClick } from "./later.js";
import { start as startKeys } from "./prompt-keys.js";
import * as references from "./reference-field.js";
import { isRefused, start as startSending } from "./submit.js";

const chips = byId("chips", HTMLElement);
const keepSeed = byId("keep-seed", HTMLButtonElement);
const randomSeed = byId("random-seed", HTMLButtonElement);
const chipTemplate = byId("chip", HTMLTemplateElement);
/** @type {{chosen: Record<string, string>, types: Record<string, JobType>}} */
const combinations = JSON.parse(byId("combinations", HTMLScriptElement).textContent);
const told = JSON.parse(document.getElementById("models")?.textContent ?? '{"models": {}, "shapes": []}');
/** @type {Record<string, Model>} what can be chosen, by name */
const models = told.models;
for (const model of Object.values(models)) Object.assign(model, told.shapes[model.shape]);
/** @type {Times} */
let times = JSON.parse(byId("times", HTMLScriptElement).textContent);

/** @type {typeof import("./model-settings.js") | undefined} */
let modelSettings;

/**
 * What is chosen, and what would be.
 * @param {Partial<{media: string, quality: string, engine: string, enhance: boolean}>} [other]
 */
function choice(other) {
  const { media, quality, engine, enhance } = {
    media: fields.media.value,
    quality: fields.quality.value,
    engine: fields.engine.value,
    enhance: fields.enhance.checked,
    ...other,
  };
  const wanted = media === "video" ? "" : engine;
  const key = `${media}|${quality}|${wanted}|${enhance && wanted !== "sdxl" ? "on" : ""}`;
  const type = combinations.types[combinations.chosen[key] ?? ""];
  if (!type) throw new Error(`no job type for ${key}`);
  const model = models[fields.model?.value ?? ""];
  return withModel(type, model, { wanted, engine, enhance });
}

/**
 * What the model makes of a job type, and what is set and has no use then.
 * @param {JobType} plain
 * @param {Model | undefined} model that is chosen
 * @param {{wanted: string, engine: string, enhance: boolean}} switched
 */
function withModel(plain, model, { wanted, engine, enhance }) {
  const usable = model?.references[plain.name];
  /** @type {JobType} */
  const type = usable
    ? {
        ...plain,
        references: plain.references.filter((each) => usable.includes(each)),
        sizes: model?.sizes ?? plain.sizes,
      }
    : plain;
  const { quantity, aspect } = fields;
  const shape = aspect.dataset.wanted ?? aspect.value;
  const unused = [
    !type.quantities.includes(Number(quantity.value)) && `×${quantity.value}`,
    shape && !(shape in type.sizes) && shape,
    ...references.unusedBy(type),
    wanted !== engine && engine === "sdxl" && "SDXL",
    enhance && !type.enhanced && "the enhanced prompt",
    model && !usable && `the model ${model.title}`,
  ].flatMap((each) => each || []);
  return { type, unused, model: usable ? model : undefined };
}

const listed = new Intl.ListFormat("en", { type: "conjunction" });

/** The switches that may take something away, each with what it can be switched to. */
function switches() {
  const { media, engine, enhance } = fields;
  const on = enhance.checked;
  return {
    media: ["Image", "Video"].map((text) => ({ value: text.toLowerCase(), text })),
    engine: media.value === "video" ? [] : [...engine.options],
    enhance: enhance.disabled ? [] : [{ value: !on, text: on ? "Switching it off" : "Enhancing" }],
  };
}

/**
 * Says beside each switch what it would take away, and what has no use now: that comes back.
 * @param {{type: JobType, unused: string[], model: Model | undefined}} now
 */
function sayWhatGoes({ type, unused, model }) {
  for (const [name, options] of Object.entries(switches())) {
    const sentences = options.flatMap(({ value, text }) => {
      const gone = choice({ [name]: value }).unused.filter((each) => !unused.includes(each));
      return gone.length ? `${text} leaves out ${listed.format(gone)}.` : [];
    });
    const slot = find(form, `[data-goes="${name}"]`, HTMLElement);
    slot.textContent = sentences.join(" ");
    slot.removeAttribute("data-expected");
  }
  const words = unused.length
    ? `Not used by ${model?.title ?? type.title}: ${listed.format(unused)}. Another choice brings it back.`
    : "";
  const line = byId("not-used", HTMLElement);
  if (line.textContent !== words) line.textContent = words;
}

/** Says beside each kind and quality how long it takes. */
function sayTimes() {
  for (const name of ["media", "quality"]) {
    for (const input of findAll(field(name), "input", HTMLInputElement)) {
      const { type } = choice({ [name]: input.value });
      const ofType = times[type.name] ?? {};
      const words = ofType[fields.quantity.value] ?? Object.values(ofType)[0] ?? "";
      find(field(name), `[value="${input.value}"] ~ [data-takes]`, HTMLElement).textContent = words;
    }
  }
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

/**
 * Names each with its pixels. One that has no use now is kept, and comes back with what can use it.
 * @param {JobType} type
 */
function aspects({ sizes }) {
  const { aspect } = fields;
  const wanted = aspect.dataset.wanted ?? aspect.value;
  const [usual = ""] = Object.keys(sizes);
  for (const option of aspect.options) {
    const shape = option.value || usual;
    option.textContent = `${shape.padEnd(4, "\u2007")} · ${sizes[shape]}`; // a phone shows the ratio alone
    option.disabled = option.hidden = option.value !== "" && (shape === usual || !(shape in sizes));
  }
  const isUsable = wanted in sizes && wanted !== usual;
  aspect.value = isUsable ? wanted : "";
  if (isUsable || !wanted) delete aspect.dataset.wanted;
  else aspect.dataset.wanted = wanted;
}

function update() {
  const { media, engine, quantity, one_per_line, prompt, seed } = fields;
  const { type, model } = choice();
  const counts = type.quantities;
  showModel(type);
  applies("quantity", counts.length > 1);
  applies("engine", media.value === "image");
  applies("enhance", media.value === "video" || engine.value !== "sdxl");
  field("references").classList.remove("refused");
  references.fit(type);
  aspects(type);
  sayWhatGoes(choice());
  sayTimes();
  randomSeed.disabled = !seed.value;
  const count = (counts.length > 1 && quantity.value) || String(counts[0]);
  /** @type {Record<string, string>} */
  const several = {};
  if (model) several.model = fields.model.value;
  if (fields.within.value) several.within = fields.within.value;
  if (one_per_line.checked) several.one_per_line = "on";
  if (one_per_line.checked || prompt.value.includes("{")) several.prompt = prompt.value;
  forecast.show(type, count, references.types(), several);
  showChips();
}

/**
 * The models are offered where one makes this; the settings of the chosen one are in force where it does.
 * @param {JobType} type
 */
function showModel(type) {
  if (!fields.model) return;
  const name = fields.model.value;
  const model = models[name];
  const isUsed = model !== undefined && type.name in model.references;
  fields.model.disabled = !isUsed;
  field("model").hidden = !model && !Object.values(models).some(({ references: made }) => type.name in made);
  const link = byId("choose-model", HTMLAnchorElement);
  link.search = String(new URLSearchParams({ job_type: type.name, chosen: name }));
  find(link, "[data-title]", HTMLElement).textContent = model?.title ?? "Automatic";
  const picture = find(link, "img", HTMLImageElement);
  picture.hidden = !model?.picture;
  if (model?.picture) picture.src = model.picture;
  link.classList.toggle("unused", model !== undefined && !isUsed);
  const box = byId("model-settings", HTMLFieldSetElement);
  box.disabled = box.hidden = !isUsed;
  if (name || box.dataset.of) withSettings().then((settings) => settings.follow(name, type.name));
}

/** Loaded once a model is chosen. */
async function withSettings() {
  if (!modelSettings) {
    modelSettings = await import("./model-settings.js");
    modelSettings.start(changed);
  }
  return modelSettings;
}

/** @param {HTMLSelectElement} select */
const chosen = (select) => select.value && select.selectedOptions[0]?.text;

/**
 * What is set under More, each with a way to take it back.
 * @returns {{control: Control, label: string}[]}
 */
function inForce() {
  const { one_per_line, negative_prompt, seed, engine, enhance, project, new_project, review, within } = fields;
  /** @param {string} text */
  const shorten = (text) => text.trim().replace(/\s+/g, " ");
  /** @type {[Control, string | false | undefined][]} */
  const all = [
    [one_per_line, one_per_line.checked && "one prompt per line"],
    [negative_prompt, negative_prompt.value.trim() && `without ${shorten(negative_prompt.value)}`],
    [seed, seed.value.trim() && `seed ${seed.value.trim()}`],
    [engine, !engine.disabled && chosen(engine)],
    [enhance, !enhance.disabled && enhance.checked && "enhanced"],
    [new_project.value.trim() ? new_project : project, shorten(new_project.value) || chosen(project)],
    [review, review.checked && "review first"],
    [within, chosen(within)],
  ];
  const model = choice().model;
  if (model) all.unshift([fields.model, model.title], ...(modelSettings?.inForce() ?? []));
  return all.flatMap(([control, label]) => (label ? [{ control, label }] : []));
}

/** @param {Control} control */
function reset(control) {
  if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = false;
  else control.value = control.dataset.default ?? "";
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

/** @param {string} value empty: a random one */
function setSeed(value) {
  fields.seed.value = value;
  fields.seed.dispatchEvent(new Event("input", { bubbles: true })); // an error goes too
  fields.seed.focus();
}

/** What is chosen cannot use a reference image: the engine and enhancing give way; whether they had to. */
function admitReference() {
  if (choice().type.references.length) return false;
  fields.engine.value = "";
  fields.enhance.checked = false;
  update();
  return true;
}

function changed() {
  update();
  draft.keep();
}

/**
 * Fills in these fields and keeps the others; Undo brings back what the form held.
 * @param {Filled} filled by the names of the controls
 * @param {string} words for what happened
 * @param {Draft | null} [before] what Undo brings back instead, if anything
 */
export async function fillForm(filled, words, before) {
  if (filled.references?.length) await references.load();
  draft.replace(words, () => draft.write(filled), update, before);
}

/** @param {{onMade: (news: Partial<Message>) => void}} page shows a job that was made */
export async function start({ onMade }) {
  const asked = new URLSearchParams(location.search);
  await references.start({
    draft: draft.stored(),
    onChange: changed,
    onDropped: async (files, add) => (await import("./recall.js")).dropped(files, add, fillForm),
  });
  const onTimes = (/** @type {Times} */ now) => {
    times = now;
    sayTimes();
  };
  forecast.start({ onServed: references.showWhetherServed, onTimes });
  const isRecalled = document.getElementById("recalled-values") !== null;
  if (fields.model?.value || draft.stored()?.values.model) await withSettings();
  draft.begin({ update, admitReference, isRefused: isRefused(), isRecalled });
  if (isRecalled) import("./recall.js").then(({ begin }) => begin(fillForm));
  startSending({ update, onMade });
  startKeys();
  for (const name of ["input", "change"]) {
    fields.aspect.addEventListener(name, () => delete fields.aspect.dataset.wanted);
    form.addEventListener(name, changed);
  }
  keepSeed.addEventListener("click", () => setSeed(data(keepSeed, "seed")));
  randomSeed.addEventListener("click", () => setSeed(""));
  for (const link of findAll(document, "[data-example]", HTMLAnchorElement)) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      fillForm({ values: { prompt: link.textContent } }, "The example is in the form.", draft.stored());
      fields.prompt.focus();
    });
  }
  atFirstClick(form, "a[data-picker]", async () => (await import("./picker.js")).listen(form, fillForm));
  if (asked.has("prompt") || asked.has("from")) {
    fields.prompt.focus();
    fields.prompt.setSelectionRange(fields.prompt.value.length, fields.prompt.value.length);
  }
  // A picture whose use is to be said, or what was refused
  more.open = asked.has("image") || more.querySelector("[data-error]:not(:empty)") !== null;
}
