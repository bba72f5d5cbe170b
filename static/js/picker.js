// Earlier prompts and presets: what their links lead to as pages of their own, shown over the page. Loaded when wanted.
import { perform } from "./act.js";
import { form as composer, fields } from "./composer-form.js";
import { byId, element, isSpecial, targetOf } from "./dom.js";

const panel = byId("picker", HTMLElement);
const PAUSE_MS = 250; // after the last letter of a search
let shown = "";
/** @type {(filled: Filled, words: string) => void} */
let fill = () => {};
/** @type {number | undefined} */
let timer;

/** @param {string} url */
async function show(url) {
  shown = url;
  const answer = await fetch(url, { headers: { "X-Fragment": "1" }, credentials: "same-origin", redirect: "error" });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  const fresh = element(`<div>${await answer.text()}</div>`);
  if (shown !== url) return;
  const hasFocus = panel.contains(document.activeElement);
  // The words of a search that goes on stay as they are typed.
  const [field, old] = [fresh, panel].map((root) => root.querySelector("[type=search]"));
  const isTyping = old instanceof HTMLInputElement && old === document.activeElement;
  if (isTyping && field) field.replaceWith(old);
  panel.replaceChildren(...fresh.childNodes);
  if (isTyping) old.focus();
  else if (hasFocus) focusFirst();
}

function focusFirst() {
  // On a phone a field that has the focus brings the keyboard up.
  const first = matchMedia("(pointer: coarse)").matches ? panel : panel.querySelector("input, a");
  if (first instanceof HTMLElement) first.focus();
}

/**
 * Opens the links to the lists in `root`.
 * @param {HTMLElement} root
 * @param {(filled: Filled, words: string) => void} fillForm what a press on one of a list does
 */
export function listen(root, fillForm) {
  fill = fillForm;
  root.addEventListener("click", (event) => {
    const link = targetOf(event)?.closest("a[data-picker]");
    if (!(link instanceof HTMLAnchorElement) || isSpecial(event)) return;
    event.preventDefault();
    open(link.href).catch(() => location.assign(link.href));
  });
}

/** @param {string} url */
async function open(url) {
  panel.replaceChildren();
  await show(url);
  panel.showPopover();
  focusFirst();
}

/** @param {HTMLFormElement} form */
async function send(form) {
  if (form.method === "get") {
    const query = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    return show(`${form.action}?${query}`);
  }
  const data = new FormData("withComposer" in form.dataset ? composer : form);
  for (const [name, value] of new FormData(form)) data.set(name, value);
  if (await perform(form.action, data)) await show(shown);
}

panel.addEventListener("submit", (event) => {
  if (!(event.target instanceof HTMLFormElement)) return;
  event.preventDefault();
  send(event.target).catch(() => location.assign(shown));
});
panel.addEventListener("input", (event) => {
  const field = targetOf(event);
  if (!(field instanceof HTMLInputElement) || field.type !== "search") return;
  clearTimeout(timer);
  timer = setTimeout(() => field.form?.requestSubmit(), PAUSE_MS);
});
panel.addEventListener("click", (event) => {
  const link = targetOf(event)?.closest("a");
  if (!link || "outside" in link.dataset || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const { filled, said = "The prompt is in the form." } = link.dataset;
  if (filled === undefined) return show(link.href).catch(() => location.assign(link.href));
  panel.hidePopover();
  fill(filled ? JSON.parse(filled) : { values: { prompt: link.textContent, one_per_line: false } }, said);
  if (!filled) fields.prompt.focus();
});
// An undone deletion comes from outside.
document.addEventListener("acted", () => panel.matches(":popover-open") && show(shown));
