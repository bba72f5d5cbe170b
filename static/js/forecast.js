// Before Make: how long the job would wait and run. Asked for when what decides it changes, or the queue may have.
import { form, make } from "./composer-form.js";
import { byId, data, find, findAll } from "./dom.js";

const line = byId("estimate", HTMLElement);
const stacks = byId("stacks", HTMLElement);
const PAUSE_MS = 300; // after the last change
const FRESH_MS = 10000;
const PROMPT = "&prompt=";

const token = () => find(form, '[name="csrfmiddlewaretoken"]', HTMLInputElement).value;

let title = "";
let query = ""; // what the composer would make
let asked = { query: "", at: Number.NEGATIVE_INFINITY };
/** @type {{query: string, forecast: Forecast | null}} */
let answer = { query: "", forecast: null };
let unfinished = ""; // the own jobs, each with its status
/** @type {number | undefined} */
let timer;
/** @type {ForecastPage} */
let page;

const isFresh = () => asked.query === query && performance.now() - asked.at < FRESH_MS;

/**
 * @param {JobType} type
 * @param {string} quantity
 * @param {string[]} references their types
 * @param {Record<string, string>} prompts what else decides it: what may be several prompts, a deadline
 */
export function show(type, quantity, references, prompts) {
  const used = references.map((each) => ["references", each]);
  const parts = [["job_type", type.name], ["quantity", quantity], ...used, ...Object.entries(prompts)];
  const wanted = String(new URLSearchParams(parts));
  if (wanted !== query) {
    title = type.title;
    query = wanted;
    display();
  }
  askSoon();
}

// While the answer to another choice is all that is known, the line says only what would be made.
function display() {
  const forecast = answer.query === query ? answer.forecast : null;
  const served = forecast?.served ?? true;
  line.textContent = forecast?.refused ? forecast.text : forecast ? `${title} · ${forecast.text}` : title;
  line.classList.toggle("is-unserved", !served || forecast?.refused === true);
  make.textContent = forecast?.make ?? (query.includes(PROMPT) ? "Make jobs" : "Make");
  page.onServed(served);
}

function askSoon() {
  clearTimeout(timer);
  if (query && !isFresh() && document.visibilityState === "visible") timer = setTimeout(ask, PAUSE_MS);
}

async function ask() {
  const mine = { query, at: performance.now() };
  asked = mine;
  const forecast = await fetched(mine.query);
  if (asked !== mine) return; // something was asked since
  answer = { query: mine.query, forecast };
  if (forecast) page.onTimes(forecast.takes);
  display();
}

/**
 * @param {string} wanted
 * @returns {Promise<Forecast | null>} null while nothing is known
 */
async function fetched(wanted) {
  try {
    const url = data(line, "forecast");
    /** @type {RequestInit} */
    const options = { credentials: "same-origin", redirect: "error" };
    // A prompt stands in no address.
    const answer = await (wanted.includes(PROMPT)
      ? fetch(url, {
          ...options,
          method: "POST",
          body: new URLSearchParams(wanted),
          headers: { "X-CSRFToken": token() },
        })
      : fetch(`${url}?${wanted}`, options));
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function ownWork() {
  const active = findAll(stacks, '.stack:not([data-section="finished"])', HTMLElement);
  return active.map((stack) => `${stack.id} ${data(stack, "status")}`).join("\n");
}

/** @param {ForecastPage} composer */
export function start(composer) {
  page = composer;
  unfinished = ownWork();
  document.addEventListener("visibilitychange", askSoon);
  document.addEventListener("focusin", askSoon);
  stacks.addEventListener("tiles-changed", askIfWorkChanged);
}

// Progress alone changes nothing that is not known: the rest of a running job gets shorter as was said.
function askIfWorkChanged() {
  const now = ownWork();
  if (now === unfinished) return;
  unfinished = now;
  asked.at = Number.NEGATIVE_INFINITY;
  askSoon();
}
