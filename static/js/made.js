// What Make has made: said, and the way to it where it is out of sight. Loaded when something was made.
import { announce } from "./announce.js";
import { byId, find } from "./dom.js";

const composer = byId("composer", HTMLElement);
const pill = byId("made", HTMLButtonElement);
/** @type {HTMLElement | null} */
let made = null; // what the pill leads to

/** @param {HTMLElement} stack */
function isInSight(stack) {
  const { top, height } = stack.getBoundingClientRect();
  const { y, bottom } = composer.getBoundingClientRect();
  const isAtBottom = y > innerHeight / 2;
  return height > 0 && top > (isAtBottom ? 0 : bottom - 40) && top < (isAtBottom ? y : innerHeight) - 40;
}

const observer = new IntersectionObserver(
  (entries) => {
    if (entries.some(({ target }) => target instanceof HTMLElement && isInSight(target))) forget();
  },
  { threshold: [0, 0.1, 0.5, 1] },
);

function forget() {
  observer.disconnect();
  made = null;
  pill.hidden = true;
}

/** @param {Change[]} jobs that Make has made */
export function showMade(jobs) {
  const stacks = jobs.flatMap(({ id }) => document.getElementById(`stack-${id}`) ?? []);
  const [first] = stacks;
  forget();
  const place = first?.querySelector('[id^="place-"]')?.textContent?.trim();
  const queued = place || !first ? `Queued${place ? `, ${place}` : ""}.` : "Started.";
  announce(jobs.length > 1 ? `${jobs.length} jobs queued.` : queued); // more than the page shows of the queue
  if (!first) return;
  if (isInSight(first)) return;
  made = first;
  const isAbove = first.checkVisibility() && first.getBoundingClientRect().top < innerHeight / 2;
  find(pill, "span", HTMLElement).textContent = `${jobs.length} new ${isAbove ? "above" : "below"}`;
  pill.dataset.side = isAbove ? "above" : "below";
  pill.hidden = false;
  observer.observe(first);
}

pill.addEventListener("click", () => {
  if (!made) return;
  const rest = document.querySelector("details.rest");
  if (!made.checkVisibility() && rest instanceof HTMLDetailsElement) rest.open = true;
  made.tabIndex = -1;
  made.scrollIntoView({ block: "center" });
  made.focus({ preventScroll: true });
  forget();
});
