// Pictures to go by: picked, dropped or pasted into the composer, sent at once, chosen for what the kind of work can use.
import { say } from "./toast.js";
import { user } from "./user.js";

const form = document.getElementById("composer");
const field = form.querySelector('[data-field="references"]');
const more = document.getElementById("more");
const list = document.getElementById("references");
const pick = document.getElementById("pick");
const unserved = document.getElementById("unserved");
const chips = document.getElementById("reference-chips");
const rowTemplate = document.getElementById("reference");
const chipTemplate = document.getElementById("reference-chip");
const { upload, offered, accept, mostBytes } = field.dataset;
const FRAMES = ["start_frame", "end_frame"];
const OFFERED_MS = 10000;
const DRAFT = `ourvidz-references-${user}`;
const AWAY = "The server did not answer.";
const uploads = new Map(); // row -> promise that ends with its upload
let type = null; // what the composer would make, as in its combinations
let changed = () => {};

const rows = () => [...list.children];
const part = (row, name) => row.querySelector(`[data-part="${name}"]`);
const source = (row) => part(row, "");
const purpose = (row) => part(row, "-type");
const strength = (row) => part(row, "-strength");
const inUse = () => rows().filter((row) => !row.hidden);

// What each picture is for

/** Gives each picture something that the kind of work can use it for; those beyond that rest. */
export function fit(chosen, first = null) {
  type = chosen;
  const free = [...type.references];
  const given = new Map();
  const inOrder = rows().sort((a, b) => (b === first) - (a === first));
  const take = (row, value) => given.set(row, free.splice(free.indexOf(value), 1)[0]);
  for (const row of inOrder) if (free.includes(purpose(row).value)) take(row, purpose(row).value);
  for (const row of rows()) if (!given.has(row) && free.length) take(row, free[0]);
  const [lone] = given.size === 1 ? given.keys() : [];
  if (given.get(lone) === "end_frame") given.set(lone, "start_frame");
  for (const row of rows()) settle(row, given.get(row), given.size === 1);
  pick.disabled = given.size >= type.references.length;
  pick.closest(".pick").hidden = pick.disabled;
  showChips();
  showWhetherServed();
  keepDraft();
}

function settle(row, value, alone) {
  row.hidden = !value;
  for (const control of row.querySelectorAll("input, select")) control.disabled = !value;
  if (!value) return;
  for (const option of purpose(row).options) {
    option.disabled = option.hidden = !type.references.includes(option.value) || (alone && option.value === "end_frame");
  }
  purpose(row).value = value;
  const isFrame = FRAMES.includes(value);
  strength(row).disabled = isFrame;
  strength(row).closest("label").hidden = isFrame;
  row.querySelector("output").value = percent(row);
}

const percent = (row) => `${Math.round(strength(row).value * 100)} %`;

function words(row) {
  if (uploads.has(row)) return "uploading";
  if (isInTrouble(row)) return "did not arrive";
  const name = purpose(row).selectedOptions[0].text;
  return strength(row).disabled ? name : `${name} ${percent(row)}`;
}

// In force, so shown also while More is closed
function showChips() {
  chips.replaceChildren(
    ...inUse().map((row) => {
      const chip = chipTemplate.content.firstElementChild.cloneNode(true);
      chip.querySelector("img").src = row.querySelector("img").src;
      chip.querySelector("img").hidden = !row.querySelector("img").hasAttribute("src");
      chip.querySelector("span").textContent = words(row);
      chip.setAttribute("aria-label", `Picture to go by, ${words(row)}: take back`);
      chip.addEventListener("click", () => remove(row));
      return chip;
    }),
  );
}

// Whether a worker that is running now can do it
let known = { at: -Infinity, pools: null };
async function offeredPools() {
  if (performance.now() - known.at > OFFERED_MS) {
    const answer = await fetch(offered, { credentials: "same-origin", redirect: "error" });
    known = { at: performance.now(), pools: (await answer.json()).pools };
  }
  return known.pools;
}

async function showWhetherServed() {
  const wanted = () => [type.name, ...inUse().map((row) => purpose(row).value).sort()].join("+");
  const pool = wanted();
  if (!inUse().length) return (unserved.hidden = true);
  try {
    const pools = await offeredPools();
    if (pool === wanted()) unserved.hidden = pools.includes(pool);
  } catch {
    unserved.hidden = true; // nothing is known
  }
}

// Adding and removing

function renumber() {
  rows().forEach((row, number) => {
    for (const control of row.querySelectorAll("[data-part]")) control.name = `references-${number}${control.dataset.part}`;
    purpose(row).id = `references-${number}-type`;
    const label = row.querySelector("label");
    label.htmlFor = purpose(row).id;
    label.textContent = `What to take from picture ${number + 1}`;
    row.querySelector(".remove").setAttribute("aria-label", `Remove picture ${number + 1}`);
  });
}

function watch(row) {
  const shown = row.querySelector("img");
  shown.addEventListener("error", () => shown.removeAttribute("src")); // what the browser cannot draw
  purpose(row).querySelector('[value=""]')?.remove();
  // What was just chosen stays; the picture that was for that before gets what is free.
  purpose(row).addEventListener("input", () => fit(type, row));
  row.querySelector(".remove").addEventListener("click", () => {
    remove(row);
    (pick.disabled ? form.elements.prompt : pick).focus();
  });
}

function remove(row) {
  row.request?.abort();
  uploads.delete(row);
  const { src } = row.querySelector("img");
  row.remove();
  if (src.startsWith("blob:")) URL.revokeObjectURL(src);
  renumber();
  changed();
}

function add(files) {
  if (!type.references.length) return say(`${type.title} cannot use reference images.`, { level: "error" });
  const pictures = [...files].filter(isUsable);
  const room = type.references.length - inUse().length;
  if (pictures.length > room) say(`${type.title} goes by at most ${type.references.length} pictures.`, { level: "error" });
  for (const file of pictures.slice(0, Math.max(0, room))) {
    // Those that rest make room.
    if (rows().length >= type.references.length) rows().find((row) => row.hidden)?.remove();
    const row = rowTemplate.content.firstElementChild.cloneNode(true);
    row.querySelector("img").src = URL.createObjectURL(file);
    list.append(row);
    renumber();
    watch(row);
    send(row, file);
    more.open = true;
  }
  changed();
}

function isUsable(file) {
  const limit = Number(mostBytes);
  if (!accept.split(",").includes(file.type)) say(`${file.name} is not a PNG, JPEG or WebP picture.`, { level: "error" });
  else if (file.size > limit) say(`${file.name} has ${megabytes(file.size)}; a picture to go by has at most ${megabytes(limit)}.`, { level: "error" });
  else return true;
  return false;
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;

// Sending

function send(row, file) {
  const bar = row.querySelector("progress");
  const again = row.querySelector(".again");
  trouble(row, "");
  bar.hidden = false;
  bar.value = 0;
  again.onclick = () => {
    send(row, file);
    changed();
  };
  const sending = put(row, file, (share) => (bar.value = share))
    .then(
      (picture) => {
        source(row).value = `reference:${picture.id}`;
        row.dataset.thumbnail = picture.thumbnail;
      },
      (refusal) => trouble(row, refusal.message, refusal.mayPass),
    )
    .finally(() => {
      if (uploads.get(row) !== sending) return; // removed, or sent again
      bar.hidden = true;
      uploads.delete(row);
      changed();
    });
  uploads.set(row, sending);
}

/** PUTs the raw file; fetch() could not tell how far it is. */
function put(row, file, onProgress) {
  return new Promise((done, refused) => {
    const request = new XMLHttpRequest();
    row.request = request;
    request.open("PUT", upload);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", file.type);
    request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
    request.upload.addEventListener("progress", (event) => onProgress((100 * event.loaded) / event.total));
    request.addEventListener("error", () => refused({ message: AWAY, mayPass: true }));
    request.addEventListener("load", () => {
      if (request.status === 201) done(request.response);
      else refused({ message: why(request), mayPass: request.status === 429 || request.status >= 500 });
    });
    request.send(file);
  });
}

function why({ status, response }) {
  if (status === 401 || status === 403) return "You were signed out. Sign in again, then add the picture again.";
  return response?.detail ?? AWAY;
}

const isInTrouble = (row) => !source(row).value && !uploads.has(row);

function trouble(row, sentence, mayPass = false) {
  const said = row.querySelector(".error");
  said.textContent = sentence;
  said.hidden = !sentence;
  row.querySelector(".again").hidden = !mayPass;
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
  lost.querySelector(".again:not([hidden]), .remove").focus();
  return false;
}

// The draft: what has arrived is still there after a reload.
function keepDraft() {
  const kept = rows().filter((row) => source(row).value).map((row) => ({
    source: source(row).value,
    type: purpose(row).value,
    strength: strength(row).value,
    thumbnail: row.dataset.thumbnail ?? row.querySelector("img").getAttribute("src"),
  }));
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(kept));
  } catch {
    // storage is off: the page itself still holds them
  }
}

function restoreDraft() {
  const asked = new URLSearchParams(location.search);
  if (asked.has("image") || asked.has("from") || field.querySelector("[data-error] p")) return;
  const kept = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
  if (!kept) return;
  list.replaceChildren(
    ...kept.map((each) => {
      const row = rowTemplate.content.firstElementChild.cloneNode(true);
      source(row).value = each.source;
      purpose(row).value = each.type;
      strength(row).value = each.strength;
      row.dataset.thumbnail = row.querySelector("img").src = each.thumbnail;
      return row;
    }),
  );
  renumber();
}

const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** `onChange` is called when something about the pictures has changed. */
export function start({ onChange }) {
  changed = onChange;
  try {
    restoreDraft();
  } catch {
    // storage is off, or what it holds is of another version
  }
  rows().forEach(watch);
  pick.addEventListener("change", (event) => {
    event.stopPropagation();
    add(pick.files);
    pick.value = "";
  });
  // Anywhere on the page: beside the composer a browser would leave the page for the file.
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    form.classList.add("is-over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("is-over");
  });
  document.addEventListener("drop", (event) => {
    form.classList.remove("is-over");
    if (!carriesFiles(event)) return;
    event.preventDefault();
    add(event.dataTransfer.files);
  });
  form.addEventListener("paste", (event) => {
    const pictures = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    if (!pictures.length) return;
    event.preventDefault();
    add(pictures);
  });
  field.addEventListener("input", () => field.querySelector("[data-error]").replaceChildren());
}
