// What a person would be told of their work: what ended. Said once; counted in the title while the page is out of sight.
import { data, findAll } from "./dom.js";

const ENDED = ["completed", "partial", "failed"];

/** @type {Map<string, string>} */
let before = new Map(); // job -> its status when last looked at

/** @param {HTMLElement[]} stacks that have ended just now */
async function tell([first, ...others]) {
  if (!first) return;
  const isSeen = document.visibilityState === "visible"; // now, not once the scripts have come
  const { announceEnd, promptOf } = await import("./outcomes.js");
  const words = announceEnd([first, ...others]);
  if (isSeen) return;
  const { tellUnseen } = await import("./unseen.js");
  tellUnseen(1 + others.length, words, [first, ...others].map(promptOf));
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
}
