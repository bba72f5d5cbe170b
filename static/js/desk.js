// Where the composer stands: small while the page is scrolled or, on a phone, while nobody uses it. It keeps the place of its
// full height, so nothing below moves. And the way to what Make has made out of sight.
import { byId, find } from "./dom.js";
import { tellMade } from "./news.js";

const desk = byId("desk", HTMLElement);
const composer = byId("composer", HTMLElement);
const make = find(composer, ".make", HTMLButtonElement);
const pill = byId("made", HTMLButtonElement);
/** @type {HTMLElement | null} */
let made = null; // what the pill leads to

/** @param {boolean} isScrolled */
function scroll(isScrolled) {
  if (isScrolled === "small" in desk.dataset) return;
  desk.style.minHeight = isScrolled ? `${desk.offsetHeight}px` : "";
  desk.toggleAttribute("data-small", isScrolled);
}

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
  tellMade(stacks);
  const [first] = stacks;
  forget();
  if (!first || isInSight(first)) return;
  made = first;
  const isAbove = first.checkVisibility() && first.getBoundingClientRect().top < innerHeight / 2;
  find(pill, "span", HTMLElement).textContent = `${stacks.length} new ${isAbove ? "above" : "below"}`;
  pill.dataset.side = isAbove ? "above" : "below";
  pill.hidden = false;
  observer.observe(first);
}

function lead() {
  if (!made) return;
  const rest = document.querySelector("details.rest");
  if (!made.checkVisibility() && rest instanceof HTMLDetailsElement) rest.open = true;
  made.tabIndex = -1;
  made.scrollIntoView({ block: "center" });
  made.focus({ preventScroll: true });
  forget();
}

export function start() {
  pill.addEventListener("click", lead);
  // Not at the press of Make: it would not be where it was when it is released.
  composer.addEventListener("focusin", ({ target }) => {
    if (target !== make) composer.dataset.used = "";
  });
  // Once something else is used: pressed, reached by key, scrolled by finger. Not at the press itself, which would miss.
  for (const name of ["click", "keyup", "pointercancel"]) {
    document.addEventListener(name, ({ target }) => {
      if (target instanceof Node && target.isConnected && !desk.contains(target)) delete composer.dataset.used;
    });
  }
  const head = document.createElement("span");
  head.className = "desk-head";
  desk.before(head);
  new IntersectionObserver(
    ([entry]) => entry && scroll(!entry.isIntersecting && entry.boundingClientRect.top < innerHeight / 2),
    {
      rootMargin: "-56px 0px 0px 0px",
    },
  ).observe(head);
}
