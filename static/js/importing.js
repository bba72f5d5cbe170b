// Brings files in: announces some at a time, then sends two at once, each with its progress.
import { byId, copyOf, data, find, findAll } from "./dom.js";

/**
 * @typedef {object} Entry
 * @property {File} file
 * @property {HTMLElement} row
 * @property {string} [id] of its import
 * @property {XMLHttpRequest} [request]
 * @property {"waits" | "runs" | "done" | "known" | "failed" | "cancelled"} state
 */

const AT_ONCE = 2;
const ANNOUNCED = 20; // by one call
const MAX_FILES = 2000;
const TRIES = 6;
const AWAY = "The server did not answer.";
/** @type {Record<string, string>} */
const TYPES = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  mp4: "video/mp4",
  webm: "video/webm",
};

const panel = byId("importing", HTMLElement);
const list = find(panel, "ul", HTMLElement);
const sum = find(panel, "[data-sum]", HTMLElement);
const rest = find(panel, "[data-cancel-imports]", HTMLButtonElement);
const template = find(panel, "template", HTMLTemplateElement);
const project = byId("import-project", HTMLSelectElement);
/** @type {Entry[]} */
let entries = [];
let running = 0;
/** @type {Promise<void> | null} */
let announcing = null;

const token = () => find(document, '[name="csrfmiddlewaretoken"]', HTMLInputElement).value;

/** @param {File} file */
const typeOf = (file) => TYPES[file.name.split(".").pop()?.toLowerCase() ?? ""];

export function open() {
  panel.hidden = false;
  byId("import-files", HTMLInputElement).focus();
}

/**
 * @param {(FileSystemEntry | null)[]} found
 * @param {File[]} files where the browser knows no folders
 */
export async function dropped(found, files) {
  open();
  const folders = found.some((entry) => entry?.isDirectory);
  add(folders ? (await Promise.all(found.map(filesOf))).flat() : files);
}

/**
 * @param {FileSystemEntry | null} entry
 * @returns {Promise<File[]>}
 */
async function filesOf(entry) {
  if (entry instanceof FileSystemFileEntry) {
    return new Promise((done) =>
      entry.file(
        (file) => done([file]),
        () => done([]),
      ),
    );
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  const reader = entry.createReader();
  const all = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((done) => reader.readEntries(done, () => done([])));
    if (!some.length || all.length > MAX_FILES) return (await Promise.all(all.map(filesOf))).flat();
    all.push(...some);
  }
}

/** @param {Iterable<File>} files */
function add(files) {
  if (!running) clear();
  const room = MAX_FILES - entries.length;
  for (const file of [...files].filter(({ name }) => !name.startsWith(".")).slice(0, room)) {
    const row = copyOf(template);
    find(row, "span", HTMLElement).textContent = file.name;
    /** @type {Entry} */
    const entry = { file, row, state: "waits" };
    find(row, "button", HTMLButtonElement).addEventListener("click", () => cancel(entry));
    entries.push(entry);
    list.append(row);
    if (!typeOf(file)) end(entry, "failed", "No PNG, JPEG, WebP, MP4 or WebM.");
  }
  while (running < AT_ONCE && next()) run();
  tell();
}

/** What ended goes when new files come. */
function clear() {
  entries = [];
  list.replaceChildren();
}

const next = () => entries.find(({ state }) => state === "waits");

async function run() {
  running += 1;
  for (let entry = next(); entry; entry = next()) {
    entry.state = "runs";
    tell();
    try {
      await bring(entry);
    } catch (error) {
      end(entry, "failed", error instanceof Error ? error.message : AWAY);
    }
  }
  running -= 1;
  tell();
  if (!running) document.dispatchEvent(new Event("acted"));
}

/** @param {Entry} entry */
async function bring(entry) {
  for (let tries = 1; ; tries += 1) {
    while (!entry.id && entry.state === "runs") {
      announcing ??= announce(entry).finally(() => {
        announcing = null;
      });
      await announcing;
    }
    if (entry.state !== "runs") return;
    const { status, body, wait } = await send(entry);
    if (entry.state !== "runs") return;
    if (status === 200) return end(entry, "done", "In the Library.");
    if (body?.code === "duplicate") return end(entry, "known", body.detail ?? "");
    const mayPass = status === 429 || status === 503 || status === 0;
    if (!mayPass || tries === TRIES || body?.code === "storage_full") {
      return end(entry, "failed", status === 401 || status === 403 ? "You were signed out." : (body?.detail ?? AWAY));
    }
    await new Promise((done) => setTimeout(done, 1000 * (wait || tries)));
  }
}

/**
 * Announces this file and the next ones; each gets the id of its import.
 * @param {Entry} first
 */
async function announce(first) {
  const some = [first, ...entries.filter((entry) => entry !== first && !entry.id && entry.state === "waits")].slice(
    0,
    ANNOUNCED,
  );
  const files = some.map(({ file }) => ({
    name: file.name.slice(0, 1000),
    media: (typeOf(file) ?? "").split("/")[0],
    modified: new Date(file.lastModified).toISOString(),
  }));
  const answer = await fetch(data(panel, "begin"), {
    method: "POST",
    body: JSON.stringify({ project: project.value || null, files }),
    headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
    credentials: "same-origin",
  }).catch(() => null);
  const body = await answer?.json().catch(() => null);
  if (!answer?.ok) throw new Error(body?.detail ?? AWAY);
  some.forEach((entry, index) => {
    entry.id = body.imports[index].id;
  });
}

/**
 * PUTs the raw file; fetch() could not tell how far it is.
 * @param {Entry} entry
 * @returns {Promise<{status: number, body: {code?: string, detail?: string} | null, wait: number}>}
 */
function send(entry) {
  const bar = find(entry.row, "progress", HTMLProgressElement);
  const said = find(entry.row, "p", HTMLElement);
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    entry.request = request;
    request.open("PUT", `${data(panel, "begin")}/${entry.id}`);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", typeOf(entry.file) ?? "");
    request.setRequestHeader("X-CSRFToken", token());
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      bar.value = (100 * loaded) / total;
      said.textContent = loaded === total ? "Being looked at." : `${Math.round(bar.value)} %`;
    });
    request.addEventListener("loadend", () => {
      const wait = Number(request.getResponseHeader("Retry-After") ?? 0);
      done({ status: request.status, body: request.response, wait });
    });
    request.send(entry.file);
  });
}

/**
 * @param {Entry} entry
 * @param {Entry["state"]} state
 * @param {string} words
 */
function end(entry, state, words) {
  entry.state = state;
  entry.row.dataset.state = state;
  find(entry.row, "p", HTMLElement).textContent = words;
  find(entry.row, "progress", HTMLProgressElement).hidden = true;
  find(entry.row, "button", HTMLButtonElement).hidden = true;
}

/** @param {Entry} entry */
function cancel(entry) {
  if (entry.state !== "waits" && entry.state !== "runs") return;
  end(entry, "cancelled", "Cancelled.");
  entry.request?.abort();
  tell();
}

function tell() {
  /** @param {Entry["state"]} wanted */
  const count = (wanted) => entries.filter(({ state }) => state === wanted).length;
  const said = [[`of ${entries.length} brought in`, count("done")]];
  if (count("known")) said.push(["there already", count("known")]);
  if (count("failed")) said.push(["not taken", count("failed")]);
  if (count("cancelled")) said.push(["cancelled", count("cancelled")]);
  sum.textContent = entries.length ? `${said.map(([words, number]) => `${number} ${words}`).join(", ")}.` : "";
  rest.hidden = !next() && !count("runs");
}

for (const id of ["import-files", "import-folder"]) {
  const input = byId(id, HTMLInputElement);
  input.addEventListener("change", () => {
    add(input.files ?? []);
    input.value = "";
  });
}
rest.addEventListener("click", () => {
  for (const entry of entries) cancel(entry);
});
find(panel, "[data-close-import]", HTMLButtonElement).addEventListener("click", () => {
  panel.hidden = true;
  findAll(document, "a[data-import]", HTMLAnchorElement)[0]?.focus();
});
addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});
