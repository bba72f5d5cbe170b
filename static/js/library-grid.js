// The tiles on the page: pushed ones go where the order puts them, the next page is fetched before the end is reached.
import { element } from "./morph.js";

const grid = document.getElementById("grid");
const none = document.getElementById("none");
const newDay = document.getElementById("day");
const AHEAD = "1200px";
const own = location.href; // an open viewer shows another

const key = (tile) => tile.dataset.key;
const find = (media, id) => document.getElementById(`tile-${media}-${id}`);
const days = () => [...grid.querySelectorAll(":scope > .day")];
const dayOf = (date) => days().find((day) => day.dataset.day === date);
const list = (day) => day.querySelector(".rows");
const link = () => grid.querySelector("[data-more]");
// A page that starts further down has an upper end: what is newer belongs above it.
const top = "later" in grid.dataset ? grid.querySelector("[data-tile]")?.dataset.key : undefined;

/** Whether there are further pages. */
export const hasMore = () => Boolean(link());

/** All tiles there are, in the page's order. */
export const tiles = () => [...grid.querySelectorAll("[data-tile]")];

function makeDay({ day: date, dayTitle }) {
  const day = newDay.content.firstElementChild.cloneNode(true);
  day.dataset.day = date;
  day.querySelector("h2").textContent = dayTitle;
  const later = days();
  const next = later.find((other) => other.dataset.day < date) ?? later.at(-1)?.nextElementSibling;
  grid.insertBefore(day, next ?? null);
  return day;
}

function insert(tile) {
  const below = tiles().some((other) => key(other) < key(tile));
  if ((!below && link()) || (top && key(tile) > top)) return; // it is on another page
  const rows = list(dayOf(tile.dataset.day) ?? makeDay(tile.dataset));
  rows.insertBefore(tile, [...rows.children].find((other) => key(other) < key(tile)) ?? null);
}

function put(fresh) {
  const old = find(fresh.dataset.media, fresh.dataset.id);
  if (old && key(old) === key(fresh)) return; // what is completed never changes
  if (old) take(old);
  insert(fresh);
}

function take(tile) {
  const all = tiles();
  const place = all.indexOf(tile);
  const next = all[place + 1] ?? all[place - 1];
  const hadFocus = tile.contains(document.activeElement);
  const day = tile.closest(".day");
  tile.remove();
  if (!list(day).children.length) day.remove();
  if (hadFocus) next?.querySelector("[data-open]").focus();
}

function settle() {
  const any = tiles().length > 0;
  none.hidden = any || Boolean(link());
  for (const end of grid.querySelectorAll(".end")) end.hidden = !any;
  if (!any && link()) more();
  grid.dispatchEvent(new CustomEvent("tiles-changed"));
}

/** What the socket says. */
export function changes({ assets = [] }) {
  for (const { id, media, html, removed } of assets) {
    if (!removed) put(element(html));
    else if (find(media, id)) take(find(media, id));
  }
  settle();
}

/** The page as it is now, for when there is no socket to say what changed. */
export async function refresh() {
  const page = await fetched(own, {}, (text) => new DOMParser().parseFromString(text, "text/html"));
  if (page.body.dataset.user !== document.body.dataset.user) return location.reload();
  const fresh = [...page.querySelectorAll("[data-tile]")];
  const here = new Set(fresh.map((tile) => tile.id));
  const floor = page.querySelector("[data-more]") ? key(fresh.at(-1)) : "";
  for (const old of tiles()) if (key(old) >= floor && !here.has(old.id)) take(old);
  fresh.forEach(put);
  settle();
}

async function fetched(url, headers, read) {
  const response = await fetch(url, { headers, credentials: "same-origin", redirect: "error" });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return read(await response.text());
}

let loading = null;

/** Adds the next page; true when there was one. */
export function more() {
  if (!link()) return Promise.resolve(false);
  loading ??= load(link()).finally(() => {
    loading = null;
  });
  return loading;
}

async function load(next) {
  next.setAttribute("aria-busy", "true");
  try {
    const read = (text) => element(`<div>${text}</div>`);
    const page = await fetched(next.href, { "X-Fragment": "1" }, read);
    next.parentElement.remove();
    for (const day of [...page.querySelectorAll(".day")]) join(day);
    grid.append(...page.querySelectorAll(":scope > p"));
    settle();
    watch();
    return true;
  } finally {
    next.removeAttribute("aria-busy");
  }
}

function join(day) {
  const fresh = [...list(day).children].filter((tile) => !document.getElementById(tile.id));
  const same = dayOf(day.dataset.day);
  if (same) list(same).append(...fresh);
  else if (fresh.length) {
    list(day).replaceChildren(...fresh);
    grid.append(day);
  }
}

const observer = new IntersectionObserver(
  (entries) => {
    if (entries.some((entry) => entry.isIntersecting)) more().catch(() => {}); // the link stays, to be pressed
  },
  { rootMargin: AHEAD },
);

function watch() {
  observer.disconnect();
  if (link()) observer.observe(link());
}

export function start() {
  grid.addEventListener("click", (event) => {
    if (!event.target.closest("[data-more]") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    more().catch(() => location.assign(link().href));
  });
  watch();
}
