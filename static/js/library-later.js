// What the Library wants only once somebody is there: selecting, organising, filters, the scrubber, videos that play.
import { byId, targetOf } from "./dom.js";

const grid = byId("grid", HTMLElement);
const SIGNS = ["pointermove", "pointerdown", "click", "change", "keydown", "focusin", "submit"];
const SELECTS = "[data-select], [data-density-control] input";

/** @type {Promise<unknown> | undefined} */
let loading;
let isThere = false;
let isDown = false;
let isPlain = false; // a form is sent without what could not be loaded

async function load() {
  const modules = await Promise.all([
    import("./library-gestures.js"),
    import("./organise.js"),
    import("./library-scrubber.js"),
    import("./library-density.js"),
    import("./library-hover.js"),
    import("./library-filters.js"),
  ]);
  isThere = true;
  for (const sign of SIGNS) document.removeEventListener(sign, come, { capture: true });
  for (const { start } of modules) start();
}

async function loaded() {
  loading ??= load();
  await loading.catch(() => (loading = undefined)); // it is asked for again
}

/** What would do something else, or nothing, before that is there. @param {Event} event */
function isEarly(event) {
  const target = targetOf(event);
  if (event instanceof SubmitEvent)
    return target?.id === "selection" && !isPlain && !event.submitter?.matches("[data-plain]");
  if (event instanceof KeyboardEvent) {
    const isTyping = target?.closest("input:not([type=checkbox], [type=radio]), select, textarea, dialog, [popover]");
    if (event.key === "a") return (event.ctrlKey || event.metaKey) && !isTyping;
    return Boolean(target?.closest("[data-tile]")) && /^( |Arrow.*|Home|End)$/.test(event.key);
  }
  if (event.type !== "click" || !(event instanceof MouseEvent)) return false;
  return Boolean(target?.closest(SELECTS) || (event.shiftKey && target?.closest("[data-open]")));
}

/** @param {Event} event */
async function come(event) {
  if (event.type === "pointerdown") isDown = true;
  const { target } = event;
  const isTick = event.type === "change" && target instanceof HTMLInputElement && target.matches("[data-tick]");
  const isOn = isTick && target.checked; // what is selected meanwhile draws the ticks anew
  const isHeld = isEarly(event);
  if (isHeld) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
  await loaded();
  if (isHeld && event instanceof SubmitEvent) return submitAgain(event);
  if (!isThere) return;
  if (isHeld && event instanceof KeyboardEvent) target?.dispatchEvent(new KeyboardEvent(event.type, event));
  else if (isHeld) target?.dispatchEvent(new MouseEvent(event.type, /** @type {MouseEvent} */ (event)));
  else if (isTick) target.dispatchEvent(new CustomEvent("ticked", { bubbles: true, detail: isOn }));
  else if (event.type === "change") target?.dispatchEvent(new Event("change", event));
  else if (event.type === "pointerdown" && isDown)
    target?.dispatchEvent(new PointerEvent(event.type, /** @type {PointerEvent} */ (event)));
  else if (event.type === "pointermove" && target instanceof Element && target.matches(":hover"))
    target.dispatchEvent(new PointerEvent("pointerover", /** @type {PointerEvent} */ (event)));
}

/** @param {SubmitEvent} event */
function submitAgain({ target, submitter }) {
  isPlain = !isThere;
  if (target instanceof HTMLFormElement) target.requestSubmit(submitter);
  isPlain = false;
}

export function start() {
  for (const sign of SIGNS) document.addEventListener(sign, come, { capture: true });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => (isDown = false));
  grid.addEventListener("scrolled", loaded, { once: true });
  if (sessionStorage.getItem("library-filter")) loaded(); // a filter's control has it
}
