// The page's socket. The server sends state, so it does not matter how often it is cut: on every opening the page
// says which revision it has and gets what is newer.
import { user } from "./user.js";

/**
 * What a page does with each type of message.
 * @typedef {object} Handlers
 * @property {(message: Message) => void} changes
 * @property {(message: Message) => void} [progress]
 * @property {() => void} reload
 */

const dot = document.getElementById("live");
const WORDS = {
  live: "live",
  "catching-up": "catching up",
  offline: "offline",
  "too-many": "too many pages",
  full: "server full",
};
const HELP = {
  live: "Changes appear by themselves.",
  "catching-up": "Fetching what changed meanwhile.",
  offline: "No connection. What you typed is kept, work goes on at the server, and the page catches up by itself.",
  "too-many": "You have too many pages open. Close some: this one then goes on by itself. Until then, reload it.",
  full: "The server has too many pages open. This one tries again by itself. Until then, reload it.",
};
const SIGNED_OUT = 4401;
/** @type {Record<number, keyof typeof WORDS>} */
const REFUSED = { 4429: "too-many", 4503: "full" };
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
const PING_MS = 20000;
const SILENCE_MS = 45000;

/** @param {keyof typeof WORDS} state */
function show(state) {
  if (!dot || dot.dataset.state === state) return;
  dot.hidden = false;
  dot.dataset.state = state;
  dot.textContent = WORDS[state];
  dot.title = HELP[state];
}

// A refused handshake does not say why. The page itself does: it leads to the sign-in page.
async function leaveIfSignedOut() {
  const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect") location.reload();
}

/** @param {{url: string, revision: number, epoch: string, on: Handlers}} page */
export function connect({ url, revision, epoch, on }) {
  /** @type {WebSocket | undefined} */
  let socket;
  let tries = 0;
  /** @type {number | undefined} */
  let timer;
  let heard = Date.now();
  let opened = false;
  const address = new URL(url, location.href);
  address.protocol = address.protocol.replace("http", "ws");

  function open() {
    clearTimeout(timer);
    if (socket && socket.readyState <= WebSocket.OPEN) return;
    opened = false;
    const opening = new WebSocket(address);
    socket = opening;
    opening.addEventListener("open", () => {
      opened = true;
      heard = Date.now();
      show("catching-up");
      opening.send(JSON.stringify({ after: revision, user }));
    });
    opening.addEventListener("message", ({ data }) => receive(JSON.parse(data)));
    opening.addEventListener("close", closed);
  }

  /** @param {Message} message */
  function receive(message) {
    heard = Date.now();
    if (message.type === "changes") {
      tries = 0;
      // The database was restored: its revisions say other things than those that this page has.
      if (epoch && message.epoch && message.epoch !== epoch) return on.reload();
      epoch ||= message.epoch ?? "";
      on.changes(message);
      revision = Math.max(revision, message.revision);
      show("live");
    } else if (message.type === "progress") on.progress?.(message);
    else if (message.type === "reload") on.reload();
  }

  /** @param {CloseEvent} event */
  function closed({ code }) {
    const refused = REFUSED[code];
    show(refused ?? "offline");
    if (code === SIGNED_OUT) return location.reload(); // to the sign-in page
    if (!opened) leaveIfSignedOut();
    // Full jitter: a server that comes back is not met by everybody at once.
    const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** tries);
    tries += 1;
    timer = setTimeout(open, refused ? LONGEST_WAIT_MS * (1 + Math.random()) : Math.random() * most);
  }

  function check() {
    if (socket?.readyState !== WebSocket.OPEN) return open();
    // A line that is dead without having been closed, after sleep for instance.
    if (Date.now() - heard > SILENCE_MS) return socket.close();
    socket.send(JSON.stringify({ type: "ping" }));
  }

  setInterval(() => {
    if (socket?.readyState === WebSocket.OPEN) check();
  }, PING_MS);
  addEventListener("online", open);
  addEventListener("offline", () => {
    show("offline");
    socket?.close();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") check();
  });
  addEventListener("pageshow", ({ persisted }) => persisted && check());
  open();
  return { isLive: () => dot?.dataset.state === "live" };
}
