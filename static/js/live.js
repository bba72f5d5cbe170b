// The page's socket. The server sends state, so it does not matter how often it is cut: on every opening the page
// says which revision it has and gets what is newer. A line that is silent for longer than the server's heartbeat is
// dead, whether or not it was closed: a new socket is opened beside it, and takes its place once it has answered.
import { announce } from "./announce.js";
import { user } from "./user.js";
import { watchTime } from "./wake.js";

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
  offline: "No connection. Work goes on at the server, and this page catches up by itself.",
  "too-many": "You have too many pages open. Close some: this one then goes on by itself. Until then, reload it.",
  full: "The server has too many pages open. This one tries again by itself. Until then, reload it.",
};
const SIGNED_OUT = 4401;
/** @type {Record<number, keyof typeof WORDS>} */
const REFUSED = { 4429: "too-many", 4503: "full" };
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
// The server's heartbeat comes every 15 s. After a longer silence the page asks, and then takes the line for dead.
const QUIET_MS = 17000;
const SILENCE_MS = 25000;
const ANSWER_MS = 3000; // for a question that somebody waits for
const OPENING_MS = 10000;

/** @param {keyof typeof WORDS} state */
function show(state) {
  if (!dot || dot.dataset.state === state) return;
  dot.hidden = false;
  dot.dataset.state = state;
  dot.textContent = WORDS[state];
  dot.title = HELP[state];
  say(state);
}

let said = ""; // the last of what is worth hearing: a line that is away, and that it is back
/** @param {keyof typeof WORDS} state */
function say(state) {
  if (state === "catching-up" || state === said || (state === "live" && !said)) return;
  said = state === "live" ? "" : state;
  announce(state === "live" ? "Connected again." : HELP[state]);
}

// A refused handshake does not say why. The page itself does: it leads to the sign-in page.
async function leaveIfSignedOut() {
  const signal = AbortSignal.timeout(OPENING_MS);
  const answer = await fetch(location.href, { method: "HEAD", redirect: "manual", signal }).catch(() => null);
  if (answer?.type === "opaqueredirect") location.reload();
}

/** @param {{url: string, revision: number, epoch: string, on: Handlers}} page */
export function connect({ url, revision, epoch, on }) {
  /** @type {WebSocket | undefined} */
  let line; // the socket that has answered
  /** @type {WebSocket | undefined} */
  let beside; // one that is being opened
  /** @type {number | undefined} */
  let timer;
  let tries = 0;
  let heard = 0; // when the line last said anything
  let asked = 0; // when it was last asked to
  const address = new URL(url, location.href);
  address.protocol = address.protocol.replace("http", "ws");

  function open() {
    clearTimeout(timer);
    if (beside) return;
    const socket = new WebSocket(address);
    beside = socket;
    let opened = false;
    let deadline = setTimeout(() => abandon(socket, opened), OPENING_MS);
    const extend = () => {
      clearTimeout(deadline);
      deadline = setTimeout(() => abandon(socket, opened), SILENCE_MS);
    };
    socket.addEventListener("open", () => {
      opened = true;
      if (socket !== beside) return;
      extend();
      show("catching-up");
      socket.send(JSON.stringify({ after: revision, user }));
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket === beside) extend();
      receive(socket, JSON.parse(data));
    });
    socket.addEventListener("close", ({ code }) => closed(socket, code, opened));
  }

  /**
   * One that is being opened and does not answer is as good as closed.
   * @param {WebSocket} socket
   * @param {boolean} opened
   */
  function abandon(socket, opened) {
    if (socket !== beside) return;
    closed(socket, 0, opened);
    socket.close();
  }

  /**
   * @param {WebSocket} socket
   * @param {Message} message
   */
  function receive(socket, message) {
    if (socket !== line && socket !== beside) return; // dropped: what it says is old
    if (message.type === "reload") return on.reload();
    if (message.type === "changes") {
      // The database was restored: its revisions say other things than those that this page has.
      if (epoch && message.epoch && message.epoch !== epoch) return on.reload();
      epoch ||= message.epoch ?? "";
      use(socket);
      on.changes(message);
      revision = Math.max(revision, message.revision);
    } else if (message.type === "progress") on.progress?.(message);
    if (socket !== line) return;
    heard = Date.now();
    tries = 0;
    // An old line that speaks again has lost nothing.
    if (beside) drop(beside);
    clearTimeout(timer);
    show("live");
  }

  /** @param {WebSocket} socket */
  function use(socket) {
    if (socket === line) return;
    if (line) drop(line);
    line = socket;
    beside = undefined;
  }

  /** @param {WebSocket} socket whose end is not news any more */
  function drop(socket) {
    if (socket === line) line = undefined;
    else beside = undefined;
    socket.close();
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   * @param {boolean} opened
   */
  function closed(socket, code, opened) {
    if (socket !== line && socket !== beside) return;
    if (socket === line) line = undefined;
    else beside = undefined;
    const refused = REFUSED[code];
    show(refused ?? "offline");
    if (code === SIGNED_OUT) return location.reload(); // to the sign-in page
    if (!opened) leaveIfSignedOut();
    // Full jitter: a server that comes back is not met by everybody at once.
    const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** tries);
    tries += 1;
    clearTimeout(timer);
    timer = setTimeout(open, refused ? LONGEST_WAIT_MS * (1 + Math.random()) : Math.random() * most);
  }

  const isLive = () => dot?.dataset.state === "live";

  function ask() {
    asked = Date.now();
    if (line?.readyState === WebSocket.OPEN) line.send(JSON.stringify({ type: "ping" }));
  }

  // Said once: from then on the attempts to open another socket say how it stands.
  function giveUp() {
    if (!isLive()) return;
    show("offline");
    open();
  }

  function look() {
    const silence = Date.now() - heard;
    if (!line) return;
    if (silence > SILENCE_MS) giveUp();
    else if (silence > QUIET_MS && asked < heard) ask();
  }

  /** Asks the line for an answer now, as somebody waits for one; a line without one is dead. */
  function probe() {
    if (!line || !isLive()) return open();
    if (Date.now() - heard > SILENCE_MS) return giveUp();
    const before = heard;
    const probed = line;
    ask();
    setTimeout(() => line === probed && heard === before && giveUp(), ANSWER_MS);
  }

  watchTime({ look, wake: probe });
  addEventListener("offline", () => {
    show("offline");
    if (line) drop(line);
    if (beside) drop(beside);
    clearTimeout(timer);
    timer = setTimeout(open, LONGEST_WAIT_MS); // in case the browser is wrong about it
  });
  open();
  return { isLive, probe };
}
