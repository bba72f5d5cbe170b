// The viewer: one tile after another, large. A tile has a link to its own page.
import { element } from "./morph.js";

const dialog = document.getElementById("lightbox");
const part = (name) => dialog.querySelector(`[data-${name}]`);
const stage = part("stage");
const about = part("about");
const place = part("place");
const toasts = document.getElementById("toasts");
const NEAR_END = 8;
const SWIPE_PX = 50;
const texts = new Map(); // address -> promise of its details
let shows = null; // what the page gave to start()
let current = null;
let order = []; // the tiles as they stood, to know what came after one that has left

const link = (tile) => tile.querySelector("[data-open]");
const address = (tile) => link(tile).href;
const picture = (tile) => tile.querySelector("[data-open] img, video");
const words = (tile) => picture(tile).alt ?? picture(tile).ariaLabel;
const small = (tile) => picture(tile).poster ?? picture(tile).src;
const isVideo = (tile) => tile.dataset.media === "video";
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function media(tile) {
  const { file, width, height } = tile.dataset;
  const shown = document.createElement(isVideo(tile) ? "video" : "img");
  if (isVideo(tile)) {
    Object.assign(shown, { poster: small(tile), controls: true, loop: true, playsInline: true, autoplay: !calm.matches });
    shown.setAttribute("aria-label", words(tile));
  } else {
    shown.alt = words(tile);
    shown.style.backgroundImage = `url("${small(tile)}")`;
  }
  shown.style.setProperty("--w", width / height);
  shown.style.setProperty("--px", width);
  shown.src = file;
  return shown;
}

function show(tile) {
  current = tile;
  refreshEnds();
  const index = order.indexOf(tile);
  stage.replaceChildren(media(tile));
  place.textContent = `${isVideo(tile) ? "Video" : "Picture"} ${index + 1}: ${words(tile)}`;
  for (const near of [order[index + 1], order[index - 1]]) {
    if (near && !isVideo(near)) new Image().src = near.dataset.file;
  }
  if (index >= order.length - NEAR_END) shows.more().then(refreshEnds, () => {});
  describe(tile);
}

function refreshEnds() {
  order = shows.tiles();
  part("step='-1'").disabled = current === order[0];
  part("step='1'").disabled = current === order.at(-1) && !shows.hasMore();
}

/** The tiles have changed: what is shown may have left, and another takes its place. */
function settle() {
  if (!current) return;
  const now = shows.tiles();
  const here = (tile) => now.find(({ id }) => id === tile.id);
  if (here(current)) {
    current = here(current);
    return refreshEnds();
  }
  const index = order.indexOf(current);
  const next = order.slice(index + 1).find(here) ?? order.slice(0, index).findLast(here);
  if (next) go(here(next));
  else dialog.close();
}

function describe(tile) {
  const meanwhile = part("wait").content.firstElementChild.cloneNode(true);
  meanwhile.textContent = words(tile);
  about.replaceChildren(meanwhile);
  about.scrollTop = 0;
  tell(tile);
}

async function tell(tile) {
  let text;
  try {
    text = element(await details(address(tile)));
  } catch {
    texts.delete(address(tile));
    text = part("lost").content.firstElementChild.cloneNode(true);
    text.querySelector("[data-page]").href = address(tile);
  }
  if (tile === current) about.replaceChildren(text);
}

/** Something was done, perhaps with what is shown. */
function tellAnew() {
  texts.clear();
  if (current) tell(current);
}

function details(url) {
  if (!texts.has(url)) {
    const asked = fetch(url, { headers: { "X-Fragment": "1" }, credentials: "same-origin", redirect: "error" });
    texts.set(url, asked.then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.status)))));
  }
  return texts.get(url);
}

function open(tile) {
  if (!dialog.open) {
    dialog.append(toasts); // a modal dialog covers everything outside it
    dialog.showModal();
    dialog.focus(); // not its first button: Space is for playing
  }
  show(tile);
}

function go(tile) {
  if (!tile || tile === current) return;
  history.replaceState({ viewer: tile.id }, "", shows.addressOf(tile));
  show(tile);
}

async function step(by) {
  const from = current;
  const neighbour = () => shows.tiles()[shows.tiles().indexOf(from) + by];
  if (!neighbour() && by > 0) await shows.more().catch(() => {});
  if (current === from) go(neighbour());
}

function closed() {
  document.body.append(toasts);
  stage.replaceChildren();
  texts.clear();
  const tile = current;
  current = null;
  if (history.state?.viewer) history.back();
  if (tile?.isConnected) link(tile).focus();
}

function togglePlay() {
  const video = stage.querySelector("video");
  if (video?.paused) video.play();
  else video?.pause();
}

const KEYS = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  Home: () => go(shows.tiles()[0]),
  End: () => go(shows.tiles().at(-1)),
  " ": togglePlay,
};

function keyed(event) {
  const onControl = event.key === " " && event.target.closest("button, a, summary");
  if (!dialog.open || !KEYS[event.key] || onControl || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  KEYS[event.key]();
}

function swipes() {
  let start = null;
  stage.addEventListener("touchstart", ({ touches }) => {
    start = touches.length === 1 ? touches[0] : null;
  }, { passive: true });
  stage.addEventListener("touchend", ({ changedTouches: [end] }) => {
    if (!start || visualViewport?.scale > 1) return;
    const [across, down] = [end.clientX - start.clientX, end.clientY - start.clientY];
    if (Math.abs(across) > SWIPE_PX && Math.abs(across) > 1.5 * Math.abs(down)) step(across < 0 ? 1 : -1);
    else if (down > 2 * SWIPE_PX && down > 1.5 * Math.abs(across)) dialog.close();
  }, { passive: true });
}

function clicked(event) {
  const by = event.target.closest("[data-step]");
  if (by) {
    if (event.detail) dialog.focus(); // by mouse: the keys stay the viewer's
    step(Number(by.dataset.step));
  } else if (event.target === stage || event.target.closest("[data-close-viewer]")) dialog.close();
}

function follow(state) {
  const tile = state?.viewer && document.getElementById(state.viewer);
  if (tile) open(tile);
  else if (state?.viewer) shows.onMissing();
  else if (dialog.open) dialog.close();
}

/**
 * Opens the tiles in `root`, which hears "tiles-changed" when they did.
 *
 * `page.tiles()` are those to step through, `addressOf(tile)` is shown while it is open. Where there is more than the
 * tiles on the page: `hasMore()`, and `more()` to fetch it. `mayOpen()` says whether a click opens; `onMissing()` is
 * called when the history leads to a tile that is not here.
 */
export function start(root, page) {
  shows = { more: async () => {}, hasMore: () => false, mayOpen: () => true, onMissing: () => {}, ...page };
  root.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-open]");
    if (!pressed || event.defaultPrevented || !shows.mayOpen() || event.button) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const tile = shows.tiles().find((each) => each.contains(pressed));
    for (const video of root.querySelectorAll("video")) video.pause();
    history.pushState({ viewer: tile.id }, "", shows.addressOf(tile));
    open(tile);
  });
  root.addEventListener("tiles-changed", settle);
  document.addEventListener("acted", tellAnew);
  addEventListener("popstate", ({ state }) => follow(state));
  dialog.addEventListener("close", closed);
  dialog.addEventListener("click", clicked);
  document.addEventListener("keydown", keyed); // a button that leaves with what it did takes the focus out of the dialog
  swipes();
  follow(history.state); // Forward may have been pressed before this ran
}
