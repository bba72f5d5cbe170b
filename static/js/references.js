// Reference images: sent at once, chosen for what the kind of work can use. Loaded by reference-field.js once there is one.
import { byId, copyOf, data, find, findAll } from "./dom.js";
import { say } from "./toast.js";

/** @typedef {{id: string, thumbnail: string}} Uploaded */

/** Why a picture did not arrive, and whether sending it again may help. */
class Refusal extends Error {
  /**
   * @param {string} message
   * @param {boolean} mayPass
   */
  constructor(message, mayPass) {
    super(message);
    this.mayPass = mayPass;
  }
}

const form = byId("composer", HTMLFormElement);
const field = find(form, '[data-field="references"]', HTMLElement);
const more = byId("more", HTMLDetailsElement);
const list = byId("references", HTMLElement);
const pick = byId("pick", HTMLInputElement);
const pickLine = find(field, ".pick", HTMLElement);
const unserved = byId("unserved", HTMLElement);
const chips = byId("reference-chips", HTMLElement);
const rowTemplate = byId("reference", HTMLTemplateElement);
const chipTemplate = byId("reference-chip", HTMLTemplateElement);
const FRAMES = ["start_frame", "end_frame"];
const AWAY = "The server did not answer.";

/** @type {Map<HTMLElement, Promise<void>>} */
const uploads = new Map(); // row -> ends with its upload

/** @type {WeakMap<HTMLElement, XMLHttpRequest>} */
const requests = new WeakMap();

/** @type {JobType} */
let type = { name: "", title: "", references: [], enhanced: false, sizes: {}, quantities: [] }; // what the composer would make
let changed = () => {};

const rows = () => findAll(list, "[data-reference]", HTMLElement);

/** @param {HTMLElement} row */
const source = (row) => find(row, '[data-part=""]', HTMLInputElement);

/** @param {HTMLElement} row */
const purpose = (row) => find(row, '[data-part="-type"]', HTMLSelectElement);

/** @param {HTMLElement} row */
const strength = (row) => find(row, '[data-part="-strength"]', HTMLInputElement);

/** @param {HTMLElement} row */
const picture = (row) => find(row, "img", HTMLImageElement);

/** @param {HTMLElement} row */
const again = (row) => find(row, ".again", HTMLButtonElement);

/** @param {HTMLElement} row */
const removal = (row) => find(row, ".remove", HTMLButtonElement);
const inUse = () => rows().filter((row) => !row.hidden);

/** @param {string} value what a picture is used for */
const family = (value) => (FRAMES.includes(value) ? "frames" : "looks");

/**
 * What a picture was chosen for, where that is among `usable`.
 * @param {HTMLElement} row
 * @param {string[]} usable
 */
const wanted = (row, usable) => (usable[0] && row.dataset[family(usable[0])]) ?? "";

/**
 * @param {HTMLElement} row
 * @param {string} value
 */
function want(row, value) {
  row.dataset[family(value)] = value;
}

/**
 * What the pictures were chosen for and this job type cannot use them for, in words.
 * @param {JobType} other
 */
export function unusedBy({ references: usable }) {
  return rows().flatMap((row, number) => {
    const names = [row.dataset.looks, row.dataset.frames].filter((value) => value !== undefined);
    const fits = number < usable.length && (wanted(row, usable) || !names.length);
    return fits ? [] : names.map((value) => `the ${value.replace("_", " ")} reference`).slice(0, 1);
  });
}

/**
 * Gives each picture something that the job type can use it for; those beyond that rest.
 * @param {JobType} chosen
 * @param {HTMLElement} [first] the picture that chooses before the others
 */
export function fit(chosen, first) {
  type = chosen;
  const given = share(first);
  for (const row of rows()) updateRow(row, given.get(row), given.size === 1);
  pick.disabled = given.size >= type.references.length;
  pickLine.hidden = pick.disabled;
  showChips();
  if (!given.size) showWhetherServed(true);
}

/** @param {HTMLElement} [first] */
function share(first) {
  const free = [...type.references];
  /** @type {Map<HTMLElement, string>} */
  const given = new Map();
  /**
   * @param {HTMLElement} row
   * @param {string} value
   */
  const take = (row, value) => {
    free.splice(free.indexOf(value), 1);
    given.set(row, value);
  };
  const inOrder = rows().sort((a, b) => Number(b === first) - Number(a === first));
  for (const row of inOrder) {
    const value = [wanted(row, type.references), purpose(row).value].find((each) => free.includes(each));
    if (value) take(row, value);
  }
  for (const row of rows()) if (!given.has(row) && free[0] !== undefined) take(row, free[0]);
  const [lone] = given.size === 1 ? given.keys() : [];
  if (lone && given.get(lone) === "end_frame") given.set(lone, "start_frame");
  return given;
}

/**
 * @param {HTMLElement} row
 * @param {string | undefined} value
 * @param {boolean} alone
 */
function updateRow(row, value, alone) {
  row.hidden = !value;
  for (const control of [source(row), purpose(row), strength(row)]) control.disabled = !value;
  if (!value) return;
  for (const option of purpose(row).options) {
    option.disabled = option.hidden =
      !type.references.includes(option.value) || (alone && option.value === "end_frame");
  }
  purpose(row).value = value;
  if (!row.dataset.looks && !row.dataset.frames) want(row, value);
  const isFrame = FRAMES.includes(value);
  strength(row).disabled = isFrame;
  find(row, ".strength", HTMLElement).hidden = isFrame;
  find(row, "output", HTMLOutputElement).value = percent(row);
}

/** @param {HTMLElement} row */
const percent = (row) => `${Math.round(Number(strength(row).value) * 100)} %`;

/** @param {HTMLElement} row */
function words(row) {
  if (uploads.has(row)) return "uploading";
  if (isInTrouble(row)) return "did not arrive";
  const name = purpose(row).selectedOptions[0]?.text ?? "";
  return strength(row).disabled ? name : `${name} ${percent(row)}`;
}

// In force, so shown also while More is closed
function showChips() {
  chips.replaceChildren(
    ...inUse().map((row) => {
      const chip = copyOf(chipTemplate);
      picture(chip).src = picture(row).src;
      picture(chip).hidden = !picture(row).hasAttribute("src");
      find(chip, "span", HTMLElement).textContent = words(row);
      chip.setAttribute("aria-label", `Reference image, ${words(row)}: remove`);
      chip.addEventListener("click", () => remove(row));
      return chip;
    }),
  );
}

/** What they are used for. */
export const types = () => inUse().map((row) => purpose(row).value);

/** @param {boolean} served whether a worker that is running now does this */
export function showWhetherServed(served) {
  unserved.hidden = served || !inUse().length;
}

// Adding and removing

function renumber() {
  rows().forEach((row, number) => {
    for (const control of [source(row), purpose(row), strength(row)]) {
      control.name = `references-${number}${control.dataset.part}`;
    }
    purpose(row).id = `references-${number}-type`;
    const label = find(row, "label", HTMLLabelElement);
    label.htmlFor = purpose(row).id;
    label.textContent = `What to take from image ${number + 1}`;
    removal(row).setAttribute("aria-label", `Remove image ${number + 1}`);
  });
}

/** @param {HTMLElement} row */
function watch(row) {
  const shown = picture(row);
  shown.addEventListener("error", () => shown.removeAttribute("src")); // what the browser cannot draw
  purpose(row).querySelector('[value=""]')?.remove();
  // What was just chosen stays; the picture that was for that before gets what is free.
  purpose(row).addEventListener("input", () => {
    want(row, purpose(row).value);
    fit(type, row);
    for (const each of inUse()) want(each, purpose(each).value);
  });
  removal(row).addEventListener("click", () => {
    remove(row);
    if (pick.disabled) byId("id_prompt", HTMLTextAreaElement).focus();
    else pick.focus();
  });
}

/** @param {HTMLElement} row */
function remove(row) {
  discard(row);
  renumber();
  changed();
}

/** @param {HTMLElement} row */
function discard(row) {
  requests.get(row)?.abort();
  uploads.delete(row);
  const { src } = picture(row);
  row.remove();
  if (src.startsWith("blob:")) URL.revokeObjectURL(src);
}

/** @param {File[]} files */
export function add(files) {
  if (!type.references.length) return say(`${type.title} cannot use reference images.`, { level: "error" });
  const pictures = files.filter(isUsable);
  const room = type.references.length - inUse().length;
  const most = type.references.length;
  if (pictures.length > room) say(`${type.title} uses at most ${most} reference images.`, { level: "error" });
  for (const file of pictures.slice(0, Math.max(0, room))) {
    // Those that rest make room.
    const resting = rows().find((row) => row.hidden);
    if (rows().length >= most) resting?.remove();
    const row = copyOf(rowTemplate);
    picture(row).src = URL.createObjectURL(file);
    list.append(row);
    renumber();
    watch(row);
    send(row, file);
    more.open = true;
  }
  changed();
}

/** @param {File} file */
function isUsable(file) {
  const limit = Number(data(field, "mostBytes"));
  const isPicture = data(field, "accept").split(",").includes(file.type);
  if (isPicture && file.size <= limit) return true;
  const why = isPicture
    ? `has ${megabytes(file.size)}; a reference image has at most ${megabytes(limit)}.`
    : "is not a PNG, JPEG or WebP picture.";
  say(`${file.name} ${why}`, { level: "error" });
  return false;
}

/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;

// Sending

/**
 * @param {HTMLElement} row
 * @param {File} file
 */
function send(row, file) {
  const bar = find(row, "progress", HTMLProgressElement);
  trouble(row, "");
  bar.hidden = false;
  bar.value = 0;
  again(row).onclick = () => {
    send(row, file);
    changed();
  };
  const arriving = put(row, file, (percent) => {
    bar.value = percent;
  });
  const sending = arriving
    .then(
      (uploaded) => {
        source(row).value = `reference:${uploaded.id}`;
        row.dataset.thumbnail = uploaded.thumbnail;
      },
      (/** @type {Refusal} */ refusal) => trouble(row, refusal.message, refusal.mayPass),
    )
    .finally(() => {
      if (uploads.get(row) !== sending) return; // removed, or sent again
      bar.hidden = true;
      uploads.delete(row);
      changed();
    });
  uploads.set(row, sending);
}

/**
 * PUTs the raw file; fetch() could not tell how far it is. Rejects with a Refusal.
 * @param {HTMLElement} row
 * @param {File} file
 * @param {(percent: number) => void} onProgress
 * @returns {Promise<Uploaded>}
 */
function put(row, file, onProgress) {
  return new Promise((done, refused) => {
    const request = new XMLHttpRequest();
    requests.set(row, request);
    request.open("PUT", data(field, "upload"));
    request.responseType = "json";
    request.setRequestHeader("Content-Type", file.type);
    request.setRequestHeader("X-CSRFToken", find(form, '[name="csrfmiddlewaretoken"]', HTMLInputElement).value);
    request.upload.addEventListener("progress", (event) => onProgress((100 * event.loaded) / event.total));
    request.addEventListener("error", () => refused(new Refusal(AWAY, true)));
    request.addEventListener("load", () => {
      if (request.status === 201) done(request.response);
      else refused(new Refusal(why(request), request.status === 429 || request.status >= 500));
    });
    request.send(file);
  });
}

/** @param {XMLHttpRequest} request */
function why({ status, response }) {
  if (status === 401 || status === 403) return "You were signed out. Sign in again, then add the picture again.";
  return response?.detail ?? AWAY;
}

/** @param {HTMLElement} row */
const isInTrouble = (row) => !source(row).value && !uploads.has(row);

/**
 * @param {HTMLElement} row
 * @param {string} sentence
 * @param {boolean} [mayPass]
 */
function trouble(row, sentence, mayPass = false) {
  const said = find(row, ".error", HTMLElement);
  said.textContent = sentence;
  said.hidden = !sentence;
  again(row).hidden = !mayPass;
}

/** Whether every picture in use has arrived. */
export function ready() {
  return inUse().every((row) => source(row).value);
}

/** Waits for those on their way; false when one did not arrive, which is then in sight. */
export async function settled() {
  await Promise.all(inUse().map((row) => uploads.get(row)));
  const lost = inUse().find(isInTrouble);
  if (!lost) return true;
  more.open = true;
  (again(lost).hidden ? removal(lost) : again(lost)).focus();
  return false;
}

// The draft: what has arrived is still there after a reload.

/**
 * The rows whose pictures have arrived.
 * @returns {KeptReference[]}
 */
export function kept() {
  return rows()
    .filter((row) => source(row).value)
    .map((row) => ({
      source: source(row).value,
      type: purpose(row).value,
      strength: strength(row).value,
      thumbnail: row.dataset.thumbnail ?? picture(row).getAttribute("src") ?? "",
      wants: { looks: row.dataset.looks ?? "", frames: row.dataset.frames ?? "" },
    }));
}

/** @param {KeptReference[]} drafted the rows from now on */
export function restore(drafted) {
  for (const row of rows()) discard(row);
  for (const each of drafted) append(each);
}

/**
 * Adds an image of the owner's; where every place is taken, it takes the last one's.
 * @param {KeptReference} image
 */
export function bring(image) {
  if (rows().some((row) => source(row).value === image.source)) return;
  const last = inUse().at(-1);
  if (last && inUse().length >= type.references.length) discard(last);
  append(image);
  changed();
}

/** @param {KeptReference} drafted */
function append(drafted) {
  const row = copyOf(rowTemplate);
  source(row).value = drafted.source;
  purpose(row).value = drafted.type;
  for (const value of Object.values(drafted.wants ?? [drafted.type])) if (value) want(row, value);
  strength(row).value = drafted.strength;
  row.dataset.thumbnail = drafted.thumbnail;
  picture(row).src = drafted.thumbnail;
  list.append(row);
  renumber();
  watch(row);
}

/** @param {() => void} onChange something about the pictures has changed */
export function start(onChange) {
  changed = onChange;
  for (const row of rows()) {
    want(row, purpose(row).value);
    watch(row);
  }
}
