// Times in the reader's zone and language. The server writes them in UTC, the same for everybody.
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
// A day of the Library is one of UTC: another zone would name a day that the tiles under it are not of.
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeZone: "UTC" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const DAY_MS = 24 * 60 * 60 * 1000;

/** @param {Date} midnight of UTC */
function day(midnight) {
  const ago = Math.floor(Date.now() / DAY_MS) - midnight.getTime() / DAY_MS;
  if (ago !== 0 && ago !== 1) return DAY.format(midnight);
  const words = RELATIVE.format(-ago, "day");
  return words.charAt(0).toLocaleUpperCase() + words.slice(1);
}

/** @param {HTMLTimeElement} time */
function words(time) {
  const moment = new Date(time.dateTime);
  if (!time.dateTime.includes("T")) return day(moment);
  return ("date" in time.dataset ? DATE : MOMENT).format(moment);
}

/**
 * Rewrites each <time> under `root` from its `datetime`; it may be done again at any moment.
 * @param {ParentNode} root
 */
export function showTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    const text = words(time);
    if (time.textContent !== text) time.textContent = text;
  }
}
