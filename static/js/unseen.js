// What is new while the page is out of sight: counted in its title, and notified of where this browser was asked to.
// Loaded when the first of it comes.
import { NOTIFY_KEY } from "./user.js";

const title = document.title;
let unseen = 0;

/** Whether this browser was asked to notify at all: what does it is loaded only then. */
function isWanted() {
  try {
    return localStorage.getItem(NOTIFY_KEY) === "on";
  } catch {
    return false;
  }
}

/**
 * @param {number} count
 * @param {string} words
 * @param {string[]} prompts
 */
export async function tellUnseen(count, words, prompts) {
  if (document.visibilityState === "visible") return;
  unseen += count;
  document.title = `(${unseen}) ${title}`;
  if (isWanted()) (await import("./notifications.js")).notify(words, prompts);
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  unseen = 0;
  document.title = title;
});
