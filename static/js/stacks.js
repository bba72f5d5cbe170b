// The list of stacks, kept as the server last said it is.
import { byId, data, element, findAll } from "./dom.js";
import { update } from "./morph.js";

const list = byId("stacks", HTMLElement);
const cursor = data(list, "cursor");
const hasOlder = Boolean(data(list, "more"));

const stacks = () => findAll(list, ":scope > .stack", HTMLElement);

/** @param {string} id */
const find = (id) => document.getElementById(`stack-${id}`);

/**
 * Ids are in the order of submission. A page of older work has an upper end, and a page with more below a lower one.
 * @param {string} id
 */
function belongs(id) {
  const last = stacks().at(-1);
  return (!cursor || id < cursor) && (!hasOlder || !last || id > data(last, "job"));
}

/** @param {HTMLElement} stack */
function insert(stack) {
  const next = stacks().find((other) => data(other, "job") < data(stack, "job"));
  stack.classList.add("is-new");
  stack.addEventListener("animationend", () => stack.classList.remove("is-new"), { once: true });
  list.insertBefore(stack, next ?? null);
}

/**
 * @param {string} id
 * @param {string} html
 */
function put(id, html) {
  const fresh = element(html);
  const old = find(id);
  if (old) update(old, fresh);
  else if (belongs(id)) insert(fresh);
}

/** @param {Partial<Message>} message */
export function changes({ jobs = [] }) {
  for (const { id, html, removed } of jobs) {
    if (removed) find(id)?.remove();
    else put(id, html);
  }
  notifyChanged();
}

/** The results on the page, in its order. */
export const results = () => findAll(list, '.card[data-phase="done"]', HTMLElement);

const notifyChanged = () => list.dispatchEvent(new CustomEvent("tiles-changed"));

/** A job that is further than its revision says: the server sends its stack as it is now. */
export const progress = changes;

/** The page as it is now, for when there is no socket to say what changed. */
export async function refresh() {
  const response = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("stacks");
  if (!fresh || page.body.dataset.user !== document.body.dataset.user) return location.reload();
  const now = findAll(fresh, ":scope > .stack", HTMLElement);
  const here = new Set(now.map((stack) => stack.id));
  for (const old of stacks()) if (!here.has(old.id)) old.remove();
  for (const stack of now) put(data(stack, "job"), stack.outerHTML);
  notifyChanged();
}
