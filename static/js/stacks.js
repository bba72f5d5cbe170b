// The stacks by section, kept as the server last said they are: none goes that it did not say is gone.
import { byId, data, element, findAll, jobOf } from "./dom.js";
import { morph, update } from "./morph.js";
import { showTimes } from "./times.js";
import { user } from "./user.js";

const list = byId("stacks", HTMLElement);
// A node that is moved so keeps its focus, and what plays in it; not every browser can.
const KEEPS_STATE = "moveBefore" in Element.prototype;
let revision = Number(data(list, "revision"));

/** @param {ParentNode} root */
const stacksIn = (root) => findAll(root, ".stack", HTMLElement);

/** @param {string} id */
const find = (id) => document.getElementById(`stack-${id}`);

/** @param {string} name */
const section = (name) => list.querySelector(`:scope > [data-section="${name}"]`);

/**
 * What the stacks of a section are sorted by.
 * @param {HTMLElement} stack
 */
const place = (stack) => `${data(stack, "key")} ${jobOf(stack)}`;

/**
 * Whether a stack stands before another of its section; the last finished comes first.
 * @param {HTMLElement} one
 * @param {HTMLElement} other
 */
function isBefore(one, other) {
  const [mine, its] = [place(one), place(other)];
  return data(one, "section") === "finished" ? mine > its : mine < its;
}

/**
 * What stands after a stack in a section, if it is put there.
 * @param {Element} home
 * @param {HTMLElement} stack
 */
const following = (home, stack) => stacksIn(home).find((other) => other !== stack && isBefore(stack, other)) ?? null;

/**
 * The ends of this page of finished work: `upper` of a page of older work, `lower` of one with more below.
 * They stay where they are when stacks leave.
 */
function endsOfPage() {
  const home = section("finished");
  const stacks = home ? stacksIn(home) : [];
  const [first, last] = [stacks[0], stacks.at(-1)];
  return {
    upper: home?.hasAttribute("data-later") ? (first ? place(first) : "") : null,
    lower: home?.hasAttribute("data-more") && last ? place(last) : "",
  };
}
const ends = endsOfPage();

/**
 * Whether a finished stack that is new here has no place on this page.
 * @param {HTMLElement} home
 * @param {HTMLElement} stack
 */
function isElsewhere(home, stack) {
  if (data(stack, "section") !== "finished") return false;
  if ("review" in home.dataset && !stack.querySelector(".acts.review")) return true;
  return (ends.upper !== null && place(stack) > ends.upper) || place(stack) < ends.lower;
}

/**
 * Puts a stack that is new here in its place.
 * @param {HTMLElement} stack
 */
function insert(stack) {
  const home = section(data(stack, "section"));
  if (!(home instanceof HTMLElement) || isElsewhere(home, stack)) return;
  stack.classList.add("is-new");
  stack.addEventListener("animationend", () => stack.classList.remove("is-new"), { once: true });
  home.insertBefore(stack, following(home, stack));
}

/**
 * Moves a stack to where its job is now; on a page that lacks that section it stays.
 * @param {HTMLElement} stack
 */
function move(stack) {
  const home = section(data(stack, "section"));
  if (!home) return;
  const next = following(home, stack);
  if (stack.parentElement === home && stack.nextElementSibling === next) return;
  const focused = document.activeElement;
  if (KEEPS_STATE) home.moveBefore(stack, next);
  else home.insertBefore(stack, next);
  if (focused instanceof HTMLElement && stack.contains(focused)) focused.focus({ preventScroll: true });
}

/**
 * @param {string} id
 * @param {string} html
 */
function put(id, html) {
  const fresh = element(html);
  const old = find(id);
  if (!old) return insert(fresh);
  const before = data(old, "section");
  const isOpen = fresh.querySelector(".cards[open]") !== null;
  if (!update(old, fresh)) return;
  if (before !== data(old, "section")) open(old, isOpen);
  move(old);
}

/**
 * @param {Element | null | undefined} stack
 * @param {boolean} isOpen
 */
function open(stack, isOpen) {
  const cards = stack?.querySelector(".cards");
  if (cards instanceof HTMLDetailsElement) cards.open = isOpen;
}

/** @param {HTMLElement | null} stack that is gone */
function take(stack) {
  if (!stack) return;
  const neighbour = stack.nextElementSibling ?? stack.previousElementSibling;
  const next = stack.contains(document.activeElement) && neighbour?.querySelector("a, button");
  stack.remove();
  if (next instanceof HTMLElement) next.focus({ preventScroll: true });
}

/**
 * Does something to the stacks without moving what is being looked at, once the head of the list is out of sight.
 * @param {Set<string>} changed the jobs that it may move
 * @param {() => void} change
 */
function inPlace(changed, change) {
  const isInSight = (/** @type {HTMLElement} */ stack) => {
    const { top, bottom } = stack.getBoundingClientRect();
    return bottom > 0 && top < innerHeight && bottom > top;
  };
  const seen = list.getBoundingClientRect().top < 0 ? stacksIn(list).filter(isInSight) : [];
  const anchor = seen.find((stack) => !changed.has(jobOf(stack))) ?? seen[0];
  const top = anchor?.getBoundingClientRect().top ?? 0;
  change();
  if (anchor?.isConnected) scrollBy({ top: anchor.getBoundingClientRect().top - top, behavior: "instant" });
}

/** The next one stands in full, and the one that it has gone before is a line again. */
function openNext() {
  const next = section("waiting")?.firstElementChild;
  if (next !== formerlyNext && formerlyNext?.parentElement === section("waiting")) open(formerlyNext, false);
  open(next, true);
  formerlyNext = next;
}
let formerlyNext = section("waiting")?.firstElementChild;
openNext();

/** @param {Partial<Message>} message */
export function changes({ jobs = [], parts = [], revision: upto = 0 }) {
  inPlace(new Set(jobs.map(({ id }) => id)), () => {
    for (const { id, html, removed } of jobs) {
      if (removed) take(find(id));
      else put(id, html);
    }
    for (const { id, html } of parts) {
      const part = document.getElementById(id);
      if (part) morph(part, element(html));
    }
    openNext();
  });
  revision = Math.max(revision, upto);
  list.dispatchEvent(new CustomEvent("tiles-changed"));
}

/** What changes without a revision: a job's progress, the places in the queue. */
export const progress = changes;

/** The results on the page, in its order. */
export const results = () => findAll(list, '.card[data-phase="done"]', HTMLElement);

// How long what runs has been running.
setInterval(() => document.hidden || showTimes(list), 1000);

/** Asks for what has changed, when there is no socket to say it. */
export async function catchUp() {
  for (let before = -1; before < revision; ) {
    before = revision;
    const address = `${data(list, "changes")}?after=${revision}&user=${user}`;
    const response = await fetch(address, { credentials: "same-origin", redirect: "error" });
    if (!response.ok) return;
    const message = /** @type {Message} */ (await response.json());
    if (message.type === "reload") return location.reload();
    changes(message);
  }
}
