// Times in the reader's zone and language. The server writes moments in UTC, the same for everybody.
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
// Of a date without a time, which is nobody's moment.
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeZone: "UTC" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const LOOK_MS = 5000;

/**
 * The reader's date of a moment, as in `datetime`: 2024-11-12.
 * @param {Date} moment
 */
export function dateOf(moment) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${String(moment.getFullYear()).padStart(4, "0")}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/** @param {number} ago in days */
function dateAgo(ago) {
  const now = new Date();
  return dateOf(new Date(now.getFullYear(), now.getMonth(), now.getDate() - ago, 12));
}

/** @param {string} date */
function day(date) {
  const ago = [0, 1].find((days) => dateAgo(days) === date);
  if (ago === undefined) return DAY.format(new Date(date));
  const words = RELATIVE.format(-ago, "day");
  return words.charAt(0).toLocaleUpperCase() + words.slice(1);
}

// The server's clock, whatever this one says: what it was when the answer with the page began, and what passed since.
const [opened] = performance.getEntriesByType("navigation");
const begun = opened instanceof PerformanceNavigationTiming ? opened.responseStart : 0;
const said = document.querySelector("[data-now]")?.getAttribute("data-now");
const AHEAD_MS = said ? Date.parse(said) - performance.timeOrigin - begun : 0;

/** @param {Date} moment */
function elapsed(moment) {
  const seconds = Math.max(0, Math.floor((Date.now() + AHEAD_MS - moment.getTime()) / 1000));
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (hours) return `${hours} h ${minutes % 60} min so far`;
  return minutes ? `${minutes} min ${seconds % 60} s so far` : `${seconds} s so far`;
}

/**
 * The words for a time, and those that the pointer brings up.
 * @param {HTMLTimeElement} time
 */
function words({ dateTime, dataset }) {
  const moment = new Date(dateTime);
  if (!dateTime.includes("T")) return { text: day(dateTime), title: DAY.format(moment) };
  if ("elapsed" in dataset) return { text: elapsed(moment), title: EXACT.format(moment) };
  return { text: ("date" in dataset ? DATE : MOMENT).format(moment), title: EXACT.format(moment) };
}

/**
 * Rewrites each <time> under `root` from its `datetime`; it may be done again at any moment.
 * @param {ParentNode} root
 */
export function showTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    const { text, title } = words(time);
    if (time.textContent !== text) time.textContent = text;
    if (time.title !== title) time.title = title;
  }
}

/** What was today is yesterday after midnight, without a reload. */
export function keepDays() {
  let today = dateAgo(0);
  const look = () => {
    if (dateAgo(0) === today) return;
    today = dateAgo(0);
    showTimes(document);
  };
  setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", look);
}
