// What a person would be told of their work: what was queued, what ended and how. Said once; counted in the title while
// the page is out of sight.
import { announce } from "./announce.js";
import { data, findAll } from "./dom.js";
import { NOTIFY_KEY } from "./user.js";

const ENDED = ["completed", "partial", "failed"];
const PROMPT_LENGTH = 60;
const title = document.title;
let unseen = 0;

/** @type {Map<string, string>} */
let before = new Map(); // job -> its status when last looked at

/**
 * @param {Element} stack
 * @param {string} selector
 */
const textOf = (stack, selector) => stack.querySelector(selector)?.textContent?.trim().replace(/\s+/g, " ") ?? "";

/** @param {Element} stack */
function promptOf(stack) {
  const prompt = textOf(stack, "h2");
  return prompt.length > PROMPT_LENGTH ? `${prompt.slice(0, PROMPT_LENGTH).replace(/\s+\S*$/, "")} …` : prompt;
}

/**
 * @param {number} count
 * @param {string} media
 */
const counted = (count, media) => `${count} ${media}${count === 1 ? "" : "s"}`;

/**
 * How a job ended: "3 images done", "Failed: the reason".
 * @param {HTMLElement} stack
 */
function outcomeOf(stack) {
  const cards = findAll(stack, ".card", HTMLElement);
  const done = cards.filter(({ dataset }) => dataset.phase === "done");
  const reason = textOf(stack, '[data-phase="failed"] .why span') || textOf(stack, '[data-phase="failed"] .why') || textOf(stack, ".reason");
  if (!done.length) return `Failed: ${reason || "no reason given."}`;
  const failed = cards.filter(({ dataset }) => dataset.phase === "failed").length;
  const made = `${counted(done.length, done[0]?.dataset.media ?? "image")} done`;
  return failed ? `${made}, ${failed} failed: ${reason}` : made;
}

/** @param {HTMLElement[]} stacks that have ended just now */
function tell(stacks) {
  const [first] = stacks;
  if (!first) return;
  const words = stacks.length === 1 ? outcomeOf(first) : `${stacks.length} jobs have ended.`;
  announce(stacks.length === 1 ? `${words.replace(/\.$/, "")}: \u2068${promptOf(first)}\u2069.` : words);
  if (document.visibilityState === "visible") return;
  unseen += stacks.length;
  document.title = `(${unseen}) ${title}`;
  if (isWanted()) import("./notifications.js").then(({ notify }) => notify(words, stacks.map(promptOf)));
}

/** Whether this browser was asked to notify at all: what does it is loaded only then. */
function isWanted() {
  try {
    return localStorage.getItem(NOTIFY_KEY) === "on";
  } catch {
    return false;
  }
}

/** @param {HTMLElement} list */
const statuses = (list) =>
  new Map(findAll(list, ".stack", HTMLElement).map((stack) => [stack.id, data(stack, "status")]));

/** @param {HTMLElement} list of stacks, which hears "tiles-changed" */
export function start(list) {
  before = statuses(list);
  list.addEventListener("tiles-changed", () => {
    const now = statuses(list);
    const ended = [...now].filter(([id, status]) => {
      const was = before.get(id);
      return was && !ENDED.includes(was) && ENDED.includes(status);
    });
    before = now;
    tell(ended.flatMap(([id]) => document.getElementById(id) ?? []));
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    unseen = 0;
    document.title = title;
  });
}

/** @param {HTMLElement[]} stacks that were made on this page just now */
export function tellMade(stacks) {
  const [first] = stacks;
  if (!first) return;
  const place = textOf(first, '[id^="place-"]');
  announce(stacks.length > 1 ? `${stacks.length} jobs queued.` : place ? `Queued, ${place}.` : "Started.");
}
