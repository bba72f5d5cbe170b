// Notifications of the browser's: asked for on a press alone, and kept for this user in this browser, whose permission it is.
import { say } from "./toast.js";
import { NOTIFY_KEY as KEY } from "./user.js";

const REFUSED = "This browser does not let the page notify you. Its settings for this site can.";

/** Whether work that ends while the page is out of sight is notified of. */
export function isOn() {
  try {
    return localStorage.getItem(KEY) === "on" && Notification.permission === "granted";
  } catch {
    return false;
  }
}

/** Switches it; the browser asks for its permission. */
export async function toggle() {
  const on = !isOn();
  try {
    if (on && (await Notification.requestPermission()) !== "granted") return say(REFUSED, { level: "error" });
    localStorage.setItem(KEY, on ? "on" : "off");
  } catch {
    return say(REFUSED, { level: "error" });
  }
  say(
    on ? "You will be notified when work ends while a Workspace page is open out of sight." : "No more notifications.",
  );
}

/**
 * @param {string} words
 * @param {string[]} prompts
 */
export function notify(words, prompts) {
  if (!isOn()) return;
  try {
    // One tag: several tabs say it once.
    const shown = new Notification(words, {
      body: prompts.slice(0, 3).join("\n"),
      tag: `ourvidz-${words}-${prompts[0]}`,
    });
    shown.addEventListener("click", () => {
      window.focus();
      shown.close();
    });
  } catch {
    // Some phones have notifications of service workers only.
  }
}
