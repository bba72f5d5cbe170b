// Selecting tiles. The checkboxes belong to the form #picked, which works without this.
import { excuse, post } from "./act.js";
import { say } from "./toast.js";
import { tiles } from "./library-grid.js";

const grid = document.getElementById("grid");
const form = document.getElementById("picked");
const count = document.querySelector("[data-count]");
const toggle = document.querySelector("[data-select]");
const downloads = document.querySelector("[data-download-picked]");
const BETWEEN_DOWNLOADS_MS = 400; // browsers drop downloads that start at once

const tick = (tile) => tile.querySelector("[data-tick]");
const picked = () => tiles().filter((tile) => tick(tile).checked);
let last = null; // where a range starts

/** Whether a click on a tile selects it. */
export const isPicking = () => "selecting" in grid.dataset;

function show() {
  const number = picked().length;
  if (number) count.textContent = `${number} selected`;
  setPicking(number > 0 || toggle.getAttribute("aria-pressed") === "true");
}

function setPicking(on) {
  grid.toggleAttribute("data-selecting", on);
}

function press(on) {
  toggle.setAttribute("aria-pressed", on);
  toggle.textContent = on ? "Done" : "Select";
  show();
}

function pick(tile, { range }) {
  const box = tick(tile);
  if (range && last?.isConnected) {
    const all = tiles();
    const [from, to] = [all.indexOf(last), all.indexOf(tile)].sort((a, b) => a - b);
    for (const other of all.slice(from, to + 1)) tick(other).checked = box.checked;
  }
  last = tile;
  show();
}

function clear() {
  form.reset();
  last = null;
  press(false);
}

async function move(event) {
  event.preventDefault();
  const { submitter } = event;
  submitter?.setAttribute("aria-busy", "true");
  try {
    const { body } = await post(form.action, new FormData(form));
    say(body.message ?? "That did not work.", { undo: body.undo, level: body.ok ? "info" : "error" });
    if (!body.ok) return;
    clear();
    document.dispatchEvent(new CustomEvent("acted"));
  } catch (error) {
    excuse(error);
  } finally {
    submitter?.removeAttribute("aria-busy");
  }
}

async function download() {
  for (const tile of picked()) {
    tile.querySelector("[data-download]").click();
    await new Promise((done) => setTimeout(done, BETWEEN_DOWNLOADS_MS));
  }
}

export function start() {
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    if (toggle.getAttribute("aria-pressed") === "true") clear();
    else press(true);
  });
  if (downloads) {
    downloads.hidden = false;
    downloads.addEventListener("click", download);
  }
  grid.addEventListener("click", (event) => {
    const tile = event.target.closest("[data-tile]");
    if (event.target.matches("[data-tick]")) return pick(tile, { range: event.shiftKey });
    if (!isPicking() || !event.target.closest("[data-open]")) return;
    event.preventDefault();
    tick(tile).checked = !tick(tile).checked;
    pick(tile, { range: event.shiftKey });
  });
  grid.addEventListener("tiles-changed", show);
  form.addEventListener("submit", move);
  form.addEventListener("reset", () => setTimeout(() => press(false))); // when the boxes are clear
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isPicking() && !document.querySelector("dialog[open]")) clear();
  });
  show(); // a browser may bring ticks back with the page
}
