// Where the composer stands: small while the page is scrolled or, on a phone, while nobody uses it. It keeps the place of its
// full height, so nothing below moves. With More open it goes with the page first: only its end becomes small.
import { more } from "./composer-form.js";
import { byId, find } from "./dom.js";

const desk = byId("desk", HTMLElement);
const composer = byId("composer", HTMLElement);
const make = find(composer, ".make", HTMLButtonElement);

const findFields = () => find(more, ".more-fields", HTMLElement);

/** @param {boolean} isScrolled */
function scroll(isScrolled) {
  if (isScrolled === "small" in desk.dataset) return;
  if (isScrolled) desk.style.setProperty("--kept", `${desk.getBoundingClientRect().height}px`);
  else desk.style.removeProperty("--kept");
  desk.toggleAttribute("data-small", isScrolled);
}

// Not at the press of Make: it would not be where it was when it is released.
/** @param {EventTarget | null} target that has the focus */
const use = (target) => {
  if (target !== make) composer.dataset.used = "";
};
composer.addEventListener("focusin", ({ target }) => use(target));
if (composer.contains(document.activeElement)) use(document.activeElement);
// Once something else is used: pressed, reached by key, scrolled by finger. Not at the press itself, which would miss.
for (const name of ["click", "keyup", "pointercancel"]) {
  document.addEventListener(name, ({ target }) => {
    if (target instanceof Node && target.isConnected && !desk.contains(target)) delete composer.dataset.used;
  });
}
const head = document.createElement("span");
head.className = "desk-head";
desk.before(head);
const watched = () => head.style.setProperty("--below", `${more.open ? findFields().offsetHeight : 0}px`);
new ResizeObserver(watched).observe(findFields());
more.addEventListener("toggle", watched);
new IntersectionObserver(
  ([entry]) => entry && scroll(!entry.isIntersecting && entry.boundingClientRect.top < innerHeight / 2),
  {
    rootMargin: "-56px 0px 0px 0px",
  },
).observe(head);
