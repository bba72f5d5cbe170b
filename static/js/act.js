// Buttons with form="act", and those with data-act of other forms, post without leaving the page. What the action
// changed comes over the socket; pages that show state without one hear "acted" on the document.
import { announce } from "./announce.js";
import { byId, targetOf } from "./dom.js";
import { say } from "./toast.js";

const AWAY = "The server did not answer, so this may not have arrived. Try again in a moment.";
const SIGNED_OUT = "You were signed out, so nothing was done.";
const ANSWER_MS = 30000; // a line that is dead without being closed never answers
const LATE_MS = 2500;
const LATE = "The server takes long to answer. This page is still trying; nothing is lost.";
const BUSY = "The server is busy. This page tries again by itself; nothing is lost.";
const GONE = { ok: false, message: "That is not here any more." };

class SignedOut extends Error {}

/**
 * POSTs `data`, again and again while the server says that it is busy; throws when there is no answer to read.
 * @param {string} url
 * @param {FormData} data
 * @returns {Promise<{status: number, body: unknown}>}
 */
export async function post(url, data) {
  const until = Date.now() + ANSWER_MS;
  /** @type {HTMLElement | undefined} */
  let told;
  const tell = (/** @type {string} */ words) => {
    told?.remove();
    told = say(words);
  };
  const late = setTimeout(tell, LATE_MS, LATE);
  try {
    while (true) {
      const answer = await posted(url, data, until - Date.now());
      const { code } = /** @type {{code?: string}} */ (answer.body);
      const pause = 1000 * answer.retryAfter;
      if (answer.status !== 503 || code !== "busy" || Date.now() + pause > until) return answer;
      clearTimeout(late);
      tell(BUSY);
      await new Promise((done) => setTimeout(done, pause));
    }
  } finally {
    clearTimeout(late);
    told?.remove();
  }
}

/**
 * @param {string} url
 * @param {FormData} data
 * @param {number} patience in milliseconds
 */
async function posted(url, data, patience) {
  const response = await fetch(url, {
    method: "POST",
    body: data,
    headers: { Accept: "application/json" },
    credentials: "same-origin",
    redirect: "manual",
    signal: AbortSignal.timeout(patience),
  });
  // A redirect here is one to the sign-in page; a 403 that is no page has a reason of its own.
  const says = (response.headers.get("Content-Type") ?? "").startsWith("application/json");
  const isSignedOut = response.type === "opaqueredirect" || response.status === 401;
  if (isSignedOut || (response.status === 403 && !says)) throw new SignedOut();
  const { status } = response;
  const retryAfter = Number(response.headers.get("Retry-After")) || 2;
  return { status, retryAfter, body: status === 404 ? GONE : await response.json() };
}

/**
 * POSTs an action and says what came of it; whether it succeeded.
 * @param {string} url
 * @param {FormData} data
 * @param {{isSeen?: boolean}} [options] isSeen: success shows by itself where the action stands, and is undone there
 */
export async function perform(url, data, { isSeen = false } = {}) {
  try {
    const outcome = /** @type {Outcome} */ ((await post(url, data)).body);
    if (outcome.url) location.assign(outcome.url); // a file, or the page to go on with
    if (outcome.ok && isSeen) announce(outcome.message ?? ""); // a key pressed it where the focus is elsewhere
    if (outcome.ok && (isSeen || outcome.url)) return true;
    say(outcome.message ?? "That did not work.", { undo: outcome.undo, level: outcome.ok ? "info" : "error" });
    return outcome.ok;
  } catch (error) {
    excuse(error);
    return false;
  }
}

/**
 * Says in words why a post brought no answer. A page whose user was signed out leads to the sign-in page, unless what it
 * holds would be lost with it.
 * @param {unknown} error
 * @param {{away?: string, signedOut?: string, mayLeave?: boolean}} [options]
 */
export function excuse(error, { away = AWAY, signedOut = SIGNED_OUT, mayLeave = true } = {}) {
  if (!(error instanceof SignedOut)) return say(away, { level: "error" });
  say(signedOut, { level: "error" });
  if (mayLeave) setTimeout(() => location.reload(), 2500);
}

/**
 * Does what a button posts, which need not be on the page.
 * @param {HTMLButtonElement} button
 */
export async function act(button) {
  const data = new FormData(button.form ?? byId("act", HTMLFormElement));
  if (button.name) data.append(button.name, button.value);
  for (const [name, values] of Object.entries(fieldsOf(button))) {
    for (const value of [values].flat()) data.append(name, value);
  }
  button.setAttribute("aria-busy", "true");
  // Where marks decide what is shown, what was marked may leave, and its buttons with it.
  const isSeen = "seen" in button.dataset && !document.querySelector("[data-narrowed]");
  const done = await perform(button.formAction, data, { isSeen });
  button.removeAttribute("aria-busy");
  if (done) document.dispatchEvent(new CustomEvent("acted"));
}

/**
 * @param {HTMLButtonElement} button
 * @returns {NonNullable<Undo["fields"]>}
 */
const fieldsOf = (button) => JSON.parse(button.dataset.fields ?? "{}");

export function listen() {
  document.addEventListener("click", (event) => {
    const button = targetOf(event)?.closest('button:is([form="act"], [data-act])');
    // data-plain: the answer is a page.
    if (!(button instanceof HTMLButtonElement) || button.matches("[data-plain], [aria-busy]")) return;
    event.preventDefault();
    const menu = button.closest("[popover]");
    if (menu instanceof HTMLElement) menu.hidePopover();
    act(button);
  });
}
