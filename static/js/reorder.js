// Waiting jobs are moved by their handles: dragged, or with the arrow keys, Home and End. The server decides.
import { perform } from "./act.js";
import { byId, data, find, findAll, jobOf, targetOf } from "./dom.js";

const list = byId("stacks", HTMLElement);
const queue = find(list, ".queue", HTMLElement);
/** @type {Record<string, string>} */
const PLACES = { ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" };
const EDGE_PX = 48; // so near to it, dragging scrolls
/** @type {{grip: HTMLElement, line: HTMLElement, target: HTMLElement | null | undefined} | null} */
let dragged = null;
let moving = Promise.resolve();
let waiting = 0;

/** @param {Event} event */
function gripOf(event) {
  const grip = targetOf(event)?.closest(".grip");
  return grip instanceof HTMLElement ? grip : null;
}

/** @param {HTMLElement} grip */
const lineOf = (grip) => /** @type {HTMLElement} */ (grip.closest(".stack"));

/**
 * One move after the other, so that two presses move by two.
 * @param {HTMLElement} grip
 * @param {string} query
 */
function move(grip, query) {
  waiting += 1;
  moving = moving.then(async () => {
    const done = await perform(`${data(grip, "move")}?${query}`, new FormData(byId("act", HTMLFormElement)));
    waiting -= 1;
    if (done) document.dispatchEvent(new CustomEvent("acted"));
  });
}

/** Shows all that waits: what is moved may not go out of sight. */
function unfold() {
  const rest = list.querySelector(".rest");
  if (rest instanceof HTMLDetailsElement) rest.open = true;
}

/** @param {HTMLElement | null | undefined} target to drop before; null: behind the last that is shown */
function mark(target) {
  for (const line of findAll(queue, ".drop-before, .drop-after", HTMLElement))
    line.classList.remove("drop-before", "drop-after");
  if (target) target.classList.add("drop-before");
  else if (target === null) shown().at(-1)?.classList.add("drop-after");
}

const shown = () => findAll(queue, ":scope > .stack", HTMLElement).filter((line) => line.offsetParent);

/** @param {PointerEvent} event */
function drag({ clientY }) {
  if (!dragged) return;
  dragged.line.classList.add("is-dragged");
  const { line } = dragged;
  const isBelow = (/** @type {HTMLElement} */ other) => {
    const { top, height } = other.getBoundingClientRect();
    return other !== line && clientY < top + height / 2;
  };
  const target = shown().find(isBelow) ?? null;
  dragged.target = target === nextOf(line) ? undefined : target;
  mark(dragged.target);
  if (clientY < EDGE_PX) scrollBy(0, -EDGE_PX / 4);
  else if (clientY > innerHeight - EDGE_PX) scrollBy(0, EDGE_PX / 4);
}

/** @param {HTMLElement} line */
const nextOf = (line) => shown()[shown().indexOf(line) + 1] ?? null;

function drop() {
  if (!dragged) return;
  const { grip, target } = dragged;
  let before = target;
  if (target === null) before = /** @type {HTMLElement | null} */ (shown().at(-1)?.nextElementSibling ?? null);
  stop();
  if (before) move(grip, `before=${jobOf(before)}`);
  else if (before === null) move(grip, "to=last");
}

function stop() {
  dragged?.line.classList.remove("is-dragged");
  dragged = null;
  mark(undefined);
}

list.addEventListener("pointerover", (event) => {
  const grip = gripOf(event);
  if (grip) grip.title = byId("reorder-keys", HTMLElement).textContent;
});
list.addEventListener("pointerdown", (event) => {
  const grip = gripOf(event);
  if (!grip || event.button) return;
  try {
    grip.setPointerCapture(event.pointerId);
  } catch {
    return; // released before this was loaded
  }
  dragged = { grip, line: lineOf(grip), target: undefined };
});
list.addEventListener("pointermove", drag);
list.addEventListener("pointerup", drop);
list.addEventListener("pointercancel", stop);
list.addEventListener("keydown", (event) => {
  const grip = gripOf(event);
  if (event.key === "Escape") return stop();
  const to = PLACES[event.key];
  if (!grip || !to || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (event.repeat && waiting) return;
  if (to === "down" || to === "last") unfold();
  move(grip, `to=${to}`);
});
