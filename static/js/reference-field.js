// The composer's field of reference images. What handles them is loaded once there is one, or is about to be.
import { form } from "./composer-form.js";
import { byId, find, targetOf } from "./dom.js";
import { say } from "./toast.js";

const field = find(form, '[data-field="references"]', HTMLElement);
const list = byId("references", HTMLElement);
const pick = byId("pick", HTMLInputElement);
const AWAY = "The server did not answer. Add the picture again in a moment.";

/** @type {Promise<References> | undefined} */
let loading;
/** @type {References | undefined} */
let loaded;
/** @type {JobType | undefined} */
let type; // what the composer would make
let changed = () => {};

/** What has a reference image waits for this; a failed try may be repeated. */
export function load() {
  loading ??= import("./references.js").then(begin);
  loading.catch(() => (loading = undefined));
  return loading;
}

/** @param {References} references */
function begin(references) {
  loaded = references;
  references.start(changed);
  if (type) references.fit(type);
  return references;
}

const warm = () => void load().catch(() => {}); // it is asked for again

/** @param {File[]} files which wait for what sends them */
function add(files) {
  load().then(
    (references) => references.add(files),
    () => say(AWAY, { level: "error" }),
  );
}

/** @param {JobType} chosen */
export function fit(chosen) {
  type = chosen;
  if (loaded) return loaded.fit(chosen);
  pick.disabled = !chosen.references.length;
  find(field, ".pick", HTMLElement).hidden = pick.disabled;
}

/** @param {JobType} other */
export const unusedBy = (other) => loaded?.unusedBy(other) ?? [];

/** @param {boolean} served */
export const showWhetherServed = (served) => loaded?.showWhetherServed(served);

/** How many can be used. */
export const most = () => type?.references.length ?? 0;
export const types = () => loaded?.types() ?? [];
export const kept = () => loaded?.kept() ?? [];
export const ready = () => (loaded ? loaded.ready() : !loading);

/** Waits for those on their way; false when one did not arrive. */
export const settled = async () => !loading || loading.then((references) => references.settled()).catch(() => false);

/** @param {KeptReference[]} drafted the rows from now on; where there are any, `load` was waited for */
export const restore = (drafted) => loaded?.restore(drafted);

/** @param {KeptReference} image */
export const bring = (image) => loaded?.bring(image);

/** @param {DragEvent} event */
const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/**
 * @param {object} page
 * @param {() => void} page.onChange something about the pictures has changed
 * @param {(files: File[], add: (files: File[]) => void) => void} page.onDropped files fell beside their field
 * @param {Draft | null} page.draft
 */
export async function start({ onChange, onDropped, draft }) {
  changed = onChange;
  pick.addEventListener("change", (event) => {
    event.stopPropagation();
    const files = [...(pick.files ?? [])];
    pick.value = "";
    add(files);
  });
  // Anywhere on the page: beside the composer a browser would leave the page for the file.
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    form.classList.add("is-over");
    warm();
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("is-over");
  });
  document.addEventListener("drop", (event) => {
    form.classList.remove("is-over");
    if (!carriesFiles(event)) return;
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (field.contains(targetOf(event))) add(files);
    else onDropped(files, add);
  });
  form.addEventListener("paste", (event) => {
    const pictures = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!pictures.length) return;
    event.preventDefault();
    add(pictures);
  });
  field.addEventListener("input", () => field.querySelector("[data-error]")?.replaceChildren());
  for (const sign of ["pointerover", "focusin"]) field.addEventListener(sign, warm, { once: true });
  if (list.childElementCount || draft?.references.length) await load();
}
