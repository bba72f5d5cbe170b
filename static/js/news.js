// What a person would be told of their work: what ended. Said once; counted in the title while the page is out of sight.
import { data, findAll } from "./dom.js";
import { NOTIFY_KEY } from "./user.js";

const ENDED = ["completed", "partial", "failed"];
const title = document.title;
let unseen = 0;

/** @type {Map<string, string>} */
let before = new Map(); // job -> its status when last looked at

/** @param {HTMLElement[]} stacks that have ended just now */
async function tell([first, ...others]) {
  if (!first) return;
  const isSeen = document.visibilityState === "visible";
  const { announceEnd, promptOf } = await import("./outcomes.js");
  const words = announceEnd([first, ...others]);
  if (isSeen) return;
  unseen += 1 + others.length;
  document.title = `(${unseen}) ${title}`;
  if (isWanted()) (await import("./notifications.js")).notify(words, [first, ...others].map(promptOf));
}

/** Whether this browser was asked to notify at all: what does it is loaded only then. */
function isWanted() {
  try {
    return localStorage.getItem(NOTIFY_KEY) === "on";
  } catch {
    return false;
  }
}

/** @param {HTMLElement} list */
const statuses = (list) =>
  new Map(findAll(list, ".stack", HTMLElement).map((stack) => [stack.id, data(stack, "status")]));

/** @param {HTMLElement} list of stacks, which hears "tiles-changed" */
export function start(list) {
  before = statuses(list);
  list.addEventListener("tiles-changed", () => {
    const now = statuses(list);
    const ended = [...now].filter(([id, status]) => {
      const was = before.get(id);
      return was && !ENDED.includes(was) && ENDED.includes(status);
    });
    before = now;
    tell(ended.flatMap(([id]) => document.getElementById(id) ?? []));
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    unseen = 0;
    document.title = title;
  });
}
