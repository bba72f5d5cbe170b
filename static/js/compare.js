// Comparing: the pictures share zoom and place; two can lie one over the other, with a line between them.
import { element, find, findAll, isTyped, targetOf } from "./dom.js";
import { morph } from "./morph.js";
import { zoomOf } from "./zoom.js";

const compared = find(document, "[data-compared]", HTMLElement);
const tools = find(document, "[data-tools]", HTMLElement);
const size = find(tools, "[data-size]", HTMLButtonElement);
const split = find(compared, "[data-split]", HTMLElement);
const line = find(split, "input", HTMLInputElement);
const slider = tools.querySelector("[data-slider]");
const STEP = 1.25;
const PAN_PX = 90;

const zoom = zoomOf(findAll(compared, "[data-stage]", HTMLElement), (percent, isZoomed) => {
  size.textContent = `${percent} %`;
  size.setAttribute("aria-pressed", String(isZoomed));
});

function toggleSlider() {
  if (!slider) return;
  const isOn = compared.toggleAttribute("data-slider");
  slider.setAttribute("aria-pressed", String(isOn));
  split.hidden = !isOn;
  zoom.fit();
  if (isOn) line.focus();
}

/** @type {Record<string, () => void>} */
const KEYS = {
  "+": () => zoom.by(STEP),
  "=": () => zoom.by(STEP),
  "-": () => zoom.by(1 / STEP),
  0: zoom.fit,
  z: () => zoom.toggle(),
  s: toggleSlider,
};

/** @type {Record<string, () => void>} */
const MOVES = {
  ArrowLeft: () => zoom.pan(PAN_PX, 0),
  ArrowRight: () => zoom.pan(-PAN_PX, 0),
  ArrowUp: () => zoom.pan(0, PAN_PX),
  ArrowDown: () => zoom.pan(0, -PAN_PX),
};

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || isTyped(event)) return;
  const moves = zoom.isZoomed() && !targetOf(event)?.closest("input, video") && MOVES[event.key];
  const action = moves || KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
tools.addEventListener("click", (event) => {
  const pressed = targetOf(event)?.closest("button");
  if (pressed === size) zoom.toggle();
  else if (pressed && pressed === slider) toggleSlider();
  else if (pressed) zoom.by(pressed.matches("[data-in]") ? STEP : 1 / STEP);
});
line.addEventListener("input", () => compared.style.setProperty("--split", line.value));

// What was done shows under the pictures, which stay as they are looked at.
document.addEventListener("acted", async () => {
  const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
  if (!answer.ok) return location.reload();
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const fresh of findAll(page, "figcaption[id]", HTMLElement)) {
    const old = document.getElementById(fresh.id);
    if (old) morph(old, element(fresh.outerHTML));
  }
});

tools.hidden = false;
compared.toggleAttribute("data-live", true);
for (const picture of findAll(compared, "img", HTMLImageElement)) picture.draggable = false;
zoom.fit();
