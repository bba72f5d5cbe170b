// The scrubber at the right edge: months from top to bottom, as far apart as they are on the page.
import { byId, find } from "./dom.js";
import { parts, scrollToY, seen } from "./library-grid.js";

const scrubber = byId("scrubber", HTMLElement);
const thumb = find(scrubber, "[data-thumb]", HTMLElement);
const said = find(thumb, "[data-month]", HTMLElement);
const grid = byId("grid", HTMLElement);
const MONTH = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric" });
const YEAR_PX = 22; // that a year's number takes
const SHOWN_MS = 1400;

/** @typedef {import("./library-parts.js").Part} Part */

/** @type {Part[]} */
let months = []; // the part in which each begins

/** @type {Part | undefined} */
let chosen; // by key, until something else scrolls: heights are guessed until parts are loaded, and no page ends at its top
let chosenY = 0; // where that led
let isHeld = false;
/** @type {number | undefined} */
let hiding;

/** How far down the page can begin. */
const range = () => Math.max(1, parts.height - seen().height / 2);
const share = () => Math.min(1, Math.max(0, seen().y) / range());

/** @param {number} to a share of the range */
const go = (to) => scrollToY(Math.min(1, Math.max(0, to)) * range());

/** @param {Date} moment */
const monthOf = (moment) => moment.getFullYear() * 12 + moment.getMonth();

function measure() {
  if (grid.dataset.ranked !== undefined) return; // under no dates
  months = [];
  for (const part of parts.all) {
    const last = months.at(-1);
    if (!part.count || (last && monthOf(last.oldest) === monthOf(part.oldest))) continue;
    months.push(part);
  }
  scrubber.hidden = months.length < 2 && parts.height < seen().height * 3;
  scrubber.setAttribute("aria-valuemax", String(Math.max(0, months.length - 1)));
  drawYears();
  follow();
}

function drawYears() {
  for (const old of scrubber.querySelectorAll("[data-year]")) old.remove();
  const height = scrubber.clientHeight;
  let [free, year] = [0, 0];
  for (const { top, oldest } of months) {
    const at = Math.min(1, top / range());
    if (oldest.getFullYear() === year || at * height < free) continue;
    year = oldest.getFullYear();
    free = at * height + YEAR_PX;
    const mark = document.createElement("span");
    mark.dataset.year = "";
    mark.textContent = String(year);
    mark.style.top = `${at * 100}%`;
    scrubber.append(mark);
  }
}

/** The month that was chosen, or else the one where the page is. */
function currentMonth() {
  if (chosen && months.includes(chosen)) return months.indexOf(chosen);
  const y = Math.min(seen().y, range()) + 1; // a page stands at whole pixels
  return Math.max(
    0,
    months.findLastIndex(({ top }) => top <= y),
  );
}

/** Shows where the page is. */
function follow() {
  const index = currentMonth();
  const month = months[index];
  thumb.style.transform = `translateY(${share() * scrubber.clientHeight}px)`;
  const words = month ? MONTH.format(month.oldest) : "";
  if (said.textContent !== words) said.textContent = words;
  scrubber.setAttribute("aria-valuenow", String(index));
  scrubber.setAttribute("aria-valuetext", words);
}

function show() {
  follow();
  scrubber.dataset.moving = "";
  clearTimeout(hiding);
  hiding = setTimeout(() => isHeld || delete scrubber.dataset.moving, SHOWN_MS);
}

/** @param {PointerEvent} event */
function drag({ clientY }) {
  if (!isHeld) return;
  const { top, height } = scrubber.getBoundingClientRect();
  go((clientY - top) / height);
}

/** @param {KeyboardEvent} event */
function keyed(event) {
  const by = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -12, PageDown: 12 }[event.key];
  const ends = { Home: 0, End: months.length - 1 }[event.key];
  if (by === undefined && ends === undefined) return;
  event.preventDefault();
  const index = ends ?? currentMonth() + (by ?? 0);
  chosen = months[Math.min(months.length - 1, Math.max(0, index))];
  goToChosen();
  show();
}

/** To where the chosen month begins now. */
function goToChosen() {
  if (!chosen) return;
  scrollToY(chosen.top);
  chosenY = seen().y;
}

function scrolled() {
  if (Math.abs(seen().y - chosenY) > 1) chosen = undefined;
  show();
}

export function start() {
  grid.addEventListener("tiles-changed", () => {
    goToChosen();
    requestAnimationFrame(measure);
  });
  addEventListener("resize", measure);
  grid.addEventListener("scrolled", scrolled);
  scrubber.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    isHeld = true;
    scrubber.setPointerCapture(event.pointerId);
    drag(event);
  });
  scrubber.addEventListener("pointermove", drag);
  const release = () => {
    isHeld = false;
    show();
  };
  scrubber.addEventListener("pointerup", release);
  scrubber.addEventListener("pointercancel", release);
  scrubber.addEventListener("keydown", keyed);
  measure();
}
