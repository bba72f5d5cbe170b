// Sending the composer without leaving the page. The answer shows the job, whether or not the page's socket lives.
import { excuse, post } from "./act.js";
import { fields, form, isOlderWork, make } from "./composer-form.js";
import { byId } from "./dom.js";
import * as draft from "./draft.js";
import * as references from "./reference-field.js";
import { say } from "./toast.js";

/**
 * @typedef {object} Composer
 * @property {() => void} update shows what the form holds
 * @property {(news: Partial<Message>) => void} onMade shows a job
 */

const AWAY = "The server did not answer. Press Make again in a moment: what has arrived is not made twice.";
const finger = matchMedia("(pointer: coarse)");

/** Whether something was refused. */
export const isRefused = () => form.querySelector("[data-error]:not(:empty)") !== null;

/**
 * Loaded when something is wrong, or was.
 * @param {Record<string, string[]>} errors
 */
async function showErrors(errors) {
  if (isRefused() || Object.keys(errors).length) (await import("./refused.js")).showErrors(errors);
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
}

/** @param {Composer} composer */
async function send(composer) {
  make.setAttribute("aria-busy", "true");
  try {
    if (await references.settled()) await press(composer);
  } catch (error) {
    const { words, isKept } = draft.fate();
    excuse(error, { away: AWAY, signedOut: `You were signed out, so nothing was made. ${words}`, mayLeave: isKept });
  } finally {
    make.removeAttribute("aria-busy");
  }
}

/** @param {Composer} composer */
async function press(composer) {
  draft.press();
  const { status, body } = await post(form.action, new FormData(form));
  const answer = /** @type {Submitted} */ (body);
  if (!answer.ok) {
    draft.answered({ isSent: false });
    if (status === 422) await showErrors(answer.errors);
    else say(answer.message, { level: "error" });
    return;
  }
  await showErrors({});
  fields.key.value = answer.key;
  if (answer.project) choose(answer.project);
  const keepSeed = byId("keep-seed", HTMLButtonElement);
  keepSeed.hidden = answer.seed === null;
  keepSeed.dataset.seed = String(answer.seed);
  composer.update();
  draft.answered({ isSent: true });
  if (isOlderWork()) return location.assign(location.pathname); // the new stack is on the newest page
  if (finger.matches && document.activeElement === fields.prompt) fields.prompt.blur(); // the keyboard covers what is made
  composer.onMade({ jobs: answer.stacks, parts: answer.parts });
}

/** @param {Composer} composer */
export function start(composer) {
  if (isRefused()) import("./refused.js");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!make.hasAttribute("aria-busy")) send(composer);
  });
}
