// The list of stacks, kept as the server last said it is.
import { element, morph } from "./morph.js";
import { holdPictures } from "./previews.js";

const list = document.getElementById("stacks");
const { cursor, more } = list.dataset;

const byId = (id) => document.getElementById(`stack-${id}`);

// Ids are in the order of submission. A page of older work has an upper end, and a page with more below a lower one.
function belongs(id) {
  const last = list.lastElementChild?.dataset.job;
  return (!cursor || id < cursor) && (!more || !last || id > last);
}

function insert(stack) {
  const next = [...list.children].find((other) => other.dataset.job < stack.dataset.job);
  stack.classList.add("is-new");
  stack.addEventListener("animationend", () => stack.classList.remove("is-new"), { once: true });
  list.insertBefore(stack, next ?? null);
}

function put(id, html) {
  const fresh = element(html);
  const old = byId(id);
  if (!old) {
    if (belongs(id)) insert(fresh);
  } else if (Number(fresh.dataset.revision) >= Number(old.dataset.revision)) {
    const showPictures = holdPictures(fresh);
    morph(old, fresh);
    showPictures();
  }
}

export function changes({ jobs = [] }) {
  for (const { id, html, removed } of jobs) {
    if (removed) byId(id)?.remove();
    else put(id, html);
  }
  settle();
}

/** The results on the page, in its order. */
export const results = () => [...list.querySelectorAll('.card[data-phase="done"]')];

const settle = () => list.dispatchEvent(new CustomEvent("tiles-changed"));

/** A job that is further than its revision says: the server sends its stack as it is now. */
export const progress = changes;

/** The page as it is now, for when there is no socket to say what changed. */
export async function refresh() {
  const response = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("stacks");
  if (!fresh || page.body.dataset.user !== document.body.dataset.user) return location.reload();
  const stacks = [...fresh.children];
  const here = new Set(stacks.map((stack) => stack.id));
  for (const old of [...list.children]) if (!here.has(old.id)) old.remove();
  for (const stack of stacks) put(stack.dataset.job, stack.outerHTML);
  settle();
}
