// The keys of the pages, in one table, and the sheet that lists them.
import { data, find } from "./dom.js";

const CTRL = /Mac|iP(hone|ad)/.test(navigator.platform) ? "⌘" : "Ctrl";
/**
 * Where a key works, as selectors of what must be on the page; the keys; what they do.
 * @type {{title: string, on: string, keys: [string[], string][]}[]}
 */
export const KEYS = [
  {
    title: "Everywhere",
    on: "body",
    keys: [
      [["?"], "This sheet"],
      [["F8"], "To the last message and its Undo, and back"],
      [["Tab"], "Right after an action: to its Undo"],
      [["Esc"], "Close what is open"],
    ],
  },
  {
    title: "The form",
    on: "#composer",
    keys: [
      [[CTRL, "Enter"], "Make"],
      [["↑", "↓"], "From the start of the prompt: earlier prompts, and back"],
    ],
  },
  {
    title: "Menus",
    on: ".menu",
    keys: [
      [["↓", "↑"], "Next and previous entry"],
      [["Home", "End"], "First and last entry"],
      [["A … Z"], "The entry that begins so"],
    ],
  },
  {
    title: "The viewer",
    on: "#lightbox",
    keys: [
      [["←", "→"], "Previous and next"],
      [["Home", "End"], "First and last"],
      [["+", "−"], "Larger and smaller"],
      [["Z"], "Own size, or as it fits"],
      [["I"], "Details"],
      [["K"], "Keep this, discard the rest"],
      [["Space"], "Play and pause a video"],
      [["1 … 5"], "Give stars; the same again takes them back"],
      [["F"], "Favourite"],
    ],
  },
  {
    title: "Selecting in the Library",
    on: "[data-select]",
    keys: [
      [["←", "→", "↑", "↓"], "From tile to tile; with Shift they are selected"],
      [["Space"], "Select the tile that has the focus"],
      [["Shift", "click"], "All from the last one to this"],
      [["Ctrl", "A"], "All that match, also what is not loaded"],
      [["Esc"], "Select nothing"],
    ],
  },
];

/** @param {string[]} keys */
function keysOf(keys) {
  const term = document.createElement("dt");
  for (const key of keys) term.append(Object.assign(document.createElement("kbd"), { textContent: key }), " ");
  return term;
}

/** @param {(typeof KEYS)[number]} part */
function partOf({ title, keys }) {
  const part = document.createElement("section");
  const list = document.createElement("dl");
  for (const [pressed, does] of keys) {
    list.append(keysOf(pressed), Object.assign(document.createElement("dd"), { textContent: does }));
  }
  part.append(Object.assign(document.createElement("h3"), { textContent: title }), list);
  return part;
}

/** @param {HTMLDialogElement} sheet */
export function show(sheet) {
  if (sheet.open || document.querySelector("dialog[open]:not(#lightbox)")) return;
  const here = KEYS.filter(({ on }) => document.querySelector(on));
  find(sheet, "[data-keys]", HTMLElement).replaceChildren(...here.map(partOf));
  sheet.setAttribute("aria-label", data(sheet, "title"));
  sheet.showModal();
  find(sheet, "h2", HTMLElement).focus(); // its first button is at its end
}
