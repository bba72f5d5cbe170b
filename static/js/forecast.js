// Before Make: how long the job would wait and run. Asked for when what decides it changes, or the queue may have.
import { byId, data, findAll } from "./dom.js";

/** @typedef {{text: string, served: boolean}} Forecast what the server says of a job that is not submitted yet */

const line = byId("estimate", HTMLElement);
const stacks = byId("stacks", HTMLElement);
const PAUSE_MS = 300; // after the last change
const FRESH_MS = 10000;

let title = "";
let query = ""; // what the composer would make
let asked = { query: "", at: Number.NEGATIVE_INFINITY };
/** @type {{query: string, forecast: Forecast | null}} */
let answer = { query: "", forecast: null };
let unfinished = ""; // the own jobs, each with its status
/** @type {number | undefined} */
let timer;
/** @type {(served: boolean) => void} */
let onServed = () => {};

const isFresh = () => asked.query === query && performance.now() - asked.at < FRESH_MS;

/**
 * @param {JobType} type
 * @param {string} quantity
 * @param {string[]} references their types
 * @param {string} within s, its deadline
 */
export function show(type, quantity, references, within) {
  const parts = [["job_type", type.name], ["quantity", quantity], ...references.map((used) => ["references", used])];
  if (within) parts.push(["within", within]);
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
  line.textContent = forecast ? `${title} · ${forecast.text}` : title;
  line.classList.toggle("is-unserved", !served);
  onServed(served);
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
  display();
}

/**
 * @param {string} wanted
 * @returns {Promise<Forecast | null>} null while nothing is known
 */
async function fetched(wanted) {
  try {
    const url = `${data(line, "forecast")}?${wanted}`;
    const answer = await fetch(url, { credentials: "same-origin", redirect: "error" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function ownWork() {
  const active = findAll(stacks, '.stack:not([data-section="finished"])', HTMLElement);
  return active.map((stack) => `${stack.id} ${data(stack, "status")}`).join("\n");
}

/** @param {{onServed: (served: boolean) => void}} page what it does when it is known whether a worker is there */
export function start(page) {
  onServed = page.onServed;
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
