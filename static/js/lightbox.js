// The viewer: one tile after another, large. A tile is a link to its own page; that address is shown while it is open.
import { isPicking } from "./library-pick.js";
import { more, tiles } from "./library-grid.js";
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
let current = null;

const address = (tile) => tile.querySelector("[data-open]").href;
const picture = (tile) => tile.querySelector("[data-open] img");
const isVideo = (tile) => tile.dataset.media === "video";
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function media(tile) {
  const { file, width, height } = tile.dataset;
  const shown = document.createElement(isVideo(tile) ? "video" : "img");
  const { src: small, alt } = picture(tile);
  if (isVideo(tile)) {
    Object.assign(shown, { poster: small, controls: true, loop: true, playsInline: true, autoplay: !calm.matches });
    shown.setAttribute("aria-label", alt);
  } else {
    shown.alt = alt;
    shown.style.backgroundImage = `url("${small}")`;
  }
  shown.style.setProperty("--w", width / height);
  shown.style.setProperty("--px", width);
  shown.src = file;
  return shown;
}

function show(tile) {
  current = tile;
  const all = tiles();
  const index = all.indexOf(tile);
  stage.replaceChildren(media(tile));
  place.textContent = `${isVideo(tile) ? "Video" : "Picture"} ${index + 1}: ${picture(tile).alt}`;
  part("step='-1'").disabled = index === 0;
  part("step='1'").disabled = index === all.length - 1 && !document.querySelector("[data-more]");
  for (const near of [all[index + 1], all[index - 1]]) {
    if (near && !isVideo(near)) new Image().src = near.dataset.file;
  }
  if (index >= all.length - NEAR_END) more().then(() => refreshEnds(), () => {});
  describe(tile);
}

function refreshEnds() {
  if (current) part("step='1'").disabled = current === tiles().at(-1);
}

async function describe(tile) {
  const words = part("wait").content.firstElementChild.cloneNode(true);
  words.textContent = picture(tile).alt;
  about.replaceChildren(words);
  about.scrollTop = 0;
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
  history.replaceState({ viewer: tile.id }, "", address(tile));
  show(tile);
}

async function step(by) {
  const from = current;
  const neighbour = () => tiles()[tiles().indexOf(from) + by];
  if (!neighbour() && by > 0) await more().catch(() => {});
  if (current === from) go(neighbour());
}

function closed() {
  document.body.append(toasts);
  stage.replaceChildren();
  texts.clear();
  const tile = current;
  current = null;
  if (history.state?.viewer) history.back();
  if (tile?.isConnected) tile.querySelector("[data-open]").focus();
}

function togglePlay() {
  const video = stage.querySelector("video");
  if (video?.paused) video.play();
  else video?.pause();
}

const KEYS = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  Home: () => go(tiles()[0]),
  End: () => go(tiles().at(-1)),
  " ": togglePlay,
};

function keyed(event) {
  const onControl = event.key === " " && event.target.closest("button, a, summary");
  if (!KEYS[event.key] || onControl || event.altKey || event.ctrlKey || event.metaKey) return;
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
  else if (state?.viewer) location.reload(); // it is not on this page: its own page shows it
  else if (dialog.open) dialog.close();
}

export function start() {
  const grid = document.getElementById("grid");
  grid.addEventListener("click", (event) => {
    const link = event.target.closest("[data-open]");
    if (!link || event.defaultPrevented || isPicking() || event.button) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const tile = link.closest("[data-tile]");
    history.pushState({ viewer: tile.id }, "", link.href);
    open(tile);
  });
  grid.addEventListener("tile-leaves", ({ target, detail }) => {
    if (target !== current) return;
    if (detail.next) go(detail.next);
    else dialog.close();
  });
  addEventListener("popstate", ({ state }) => follow(state));
  dialog.addEventListener("close", closed);
  dialog.addEventListener("click", clicked);
  dialog.addEventListener("keydown", keyed);
  swipes();
  follow(history.state); // Forward may have been pressed before this ran
}
