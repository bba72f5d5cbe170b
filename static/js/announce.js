// The page's one live region: what a screen reader says while the reader is elsewhere. It stands among the toasts, so that
// it comes with them into a dialog, outside of which nothing is read.
const GATHER_MS = 150; // what comes together is said in one go
const REPEAT_MS = 1000; // the same within it is one event, heard twice

/** @type {string[]} */
let waiting = [];
/** @type {{words: string, at: number}} */
let last = { words: "", at: 0 };

/** @param {string} words one sentence or two */
export function announce(words) {
  if (!words || waiting.includes(words) || (words === last.words && Date.now() - last.at < REPEAT_MS)) return;
  last = { words, at: Date.now() };
  waiting.push(words);
  if (waiting.length === 1) setTimeout(speak, GATHER_MS);
}

function speak() {
  const region = document.getElementById("announcements");
  const line = document.createElement("p");
  line.dir = "auto";
  line.textContent = waiting.join(" ");
  waiting = [];
  region?.replaceChildren(line); // another element: the same words twice are said twice
}
