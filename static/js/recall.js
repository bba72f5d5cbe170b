// Settings brought back into the composer: those of an asset, or those that a file carries. Loaded when they are wanted.
import { fields, form, more } from "./composer-form.js";
import { byId, copyOf, data, element, find, findAll, isSpecial, targetOf } from "./dom.js";
import * as references from "./reference-field.js";
import { say } from "./toast.js";

const AWAY = "The server did not answer. Try again in a moment.";
const said = byId("recalled", HTMLElement);
said.addEventListener("click", (event) => {
  if (!targetOf(event)?.closest("[data-close-recalled]")) return;
  said.replaceChildren();
  fields.prompt.focus();
});

/** @typedef {{words: string, filled: Filled | null, html: string}} Recalled what the server answers */
/** @typedef {(filled: Filled, words: string) => Promise<void>} Fill fills in the composer, with Undo */

/**
 * What is chosen now, which decides what a size becomes.
 * @param {string} url
 */
function asked(url) {
  const { media, quality, engine, enhance, model } = fields;
  const address = new URL(url, location.href);
  const chosen = { media: media.value, quality: quality.value, engine: engine.value, model: model?.value ?? "" };
  for (const [name, value] of Object.entries(chosen)) address.searchParams.set(name, value);
  if (enhance.checked) address.searchParams.set("enhance", "on");
  return address;
}

/**
 * @param {string} url
 * @param {Fill} fill
 * @param {RequestInit} [options]
 */
async function ask(url, fill, options) {
  try {
    const answer = await fetch(asked(url), { credentials: "same-origin", redirect: "error", ...options });
    const body = await answer.json();
    if (answer.ok) return await show(body, fill);
    say(body.detail ?? AWAY, { level: "error" });
  } catch {
    say(AWAY, { level: "error" });
  }
}

/**
 * @param {Recalled} recalled
 * @param {Fill} fill
 */
async function show({ words, filled, html }, fill) {
  said.replaceChildren(element(html));
  if (!filled) return say(words, { level: "error" });
  await fill(filled, words);
  form.scrollIntoView({ block: "nearest" });
  if (!reveal()) fields.prompt.focus({ preventScroll: true });
}

/** What is said stands below the form, which may fill the window: it is shown then, with the focus. Whether it was. */
function reveal() {
  const panel = find(said, "section", HTMLElement);
  const { top, bottom } = panel.getBoundingClientRect();
  if (top >= 0 && bottom <= innerHeight) return false;
  panel.scrollIntoView({ block: "center" });
  panel.focus({ preventScroll: true });
  return true;
}

/**
 * @param {HTMLAnchorElement} link to what of an asset to use
 * @param {Fill} fill
 */
function follow(link, fill) {
  closeViewer();
  return ask(data(link, "recall"), fill);
}

/** What was pressed may stand in the viewer, or in a menu. */
function closeViewer() {
  for (const open of findAll(document, ".menu:popover-open", HTMLElement)) open.hidePopover();
  for (const dialog of findAll(document, "dialog[open]", HTMLDialogElement)) dialog.close();
}

/**
 * Adds an image of the owner's to the reference images. What cannot use one gives way, as on a page that is asked for it.
 * @param {HTMLAnchorElement} link
 * @param {Fill} fill
 */
async function refer(link, fill) {
  closeViewer();
  const { kept, load, most } = references;
  await load();
  const source = `image:${data(link, "referenceImage")}`;
  const others = kept().filter((row) => row.source !== source);
  const row = { source, type: "", strength: "0.6", thumbnail: data(link, "thumbnail") };
  const room = most() ? most() - 1 : others.length;
  /** @type {Filled} */
  const filled = { references: [...others.slice(0, room), row] };
  if (!most()) filled.values = { engine: "", enhance: false };
  await fill(filled, "It is a reference image now.");
  more.open = true;
  form.scrollIntoView({ block: "nearest" });
  findAll(byId("references", HTMLElement), "select", HTMLSelectElement).at(-1)?.focus({ preventScroll: true });
}

/**
 * @param {File} file
 * @param {Fill} fill
 */
function useFile(file, fill) {
  const url = data(find(form, "[data-recall-file]", HTMLAnchorElement), "recallFile");
  const token = find(form, '[name="csrfmiddlewaretoken"]', HTMLInputElement).value;
  const headers = { "Content-Type": file.type, "X-CSRFToken": token };
  return ask(url, fill, { method: "PUT", body: file, headers });
}

/** @param {Fill} fill */
export function listen(fill) {
  document.addEventListener("click", (event) => {
    const link = targetOf(event)?.closest("a[data-recall], a[data-recall-file], a[data-reference-image]");
    if (!(link instanceof HTMLAnchorElement) || isSpecial(event)) return;
    event.preventDefault();
    if (link.dataset.referenceImage) refer(link, fill);
    else if (link.dataset.recall) follow(link, fill);
    else pick(fill);
  });
}

/** @param {Fill} fill */
function pick(fill) {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = "image/png,image/jpeg,image/webp,video/mp4";
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) useFile(file, fill);
  });
  input.click();
}

/**
 * A file that was dropped on the page: asks what it is for, where it can be for both.
 * @param {File[]} files
 * @param {(files: File[]) => void} asReferences
 * @param {Fill} fill
 */
export function dropped(files, asReferences, fill) {
  const [file] = files;
  if (!file || files.length > 1 || !/^(image\/(png|jpeg|webp)|video\/mp4)$/.test(file.type)) return asReferences(files);
  if (file.type === "video/mp4") return useFile(file, fill);
  const dialog = copyOf(byId("drop-choice", HTMLTemplateElement));
  if (!(dialog instanceof HTMLDialogElement)) return;
  find(dialog, "p", HTMLElement).textContent = file.name;
  for (const button of findAll(dialog, "button", HTMLButtonElement)) {
    button.addEventListener("click", () => dialog.close(button.value));
  }
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue === "settings") useFile(file, fill);
    else if (dialog.returnValue === "reference") asReferences(files);
  });
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * The page came with settings that its address or a form asked for.
 * @param {Fill} fill
 */
export async function begin(fill) {
  const filled = JSON.parse(byId("recalled-values", HTMLScriptElement).textContent ?? "null");
  await fill(filled, find(said, "p", HTMLElement).textContent?.split(" Not used:")[0] ?? "");
  reveal();
}
