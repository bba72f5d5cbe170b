// A page belongs to the user it was made for. When somebody else signs in in this browser, it goes (in every tab).
import { data } from "./dom.js";

const KEY = "ourvidz-user";
const DRAFTS = /^ourvidz-(composer|draft|references)-/; // the last two: of earlier versions

export const user = data(document.body, "user");

/** Where this tab keeps what its user has not sent yet. */
export const DRAFT_KEY = `ourvidz-composer-${user}`;

/** Whether this browser notifies its user of work that ended out of sight: "on" or not. */
export const NOTIFY_KEY = `ourvidz-notify-${user}`;

// Drafts outlive a sign-out, so that who signs in again finds theirs. Nobody else may.
function forgetDraftsOfOthers() {
  if (!user) return;
  for (const key of Object.keys(sessionStorage)) {
    if (DRAFTS.test(key) && key !== DRAFT_KEY) sessionStorage.removeItem(key);
  }
}

export function leaveWhenUserChanges() {
  try {
    forgetDraftsOfOthers();
    localStorage.setItem(KEY, user);
  } catch {
    return; // storage is off: the socket is closed at sign-out all the same
  }
  addEventListener("storage", (event) => {
    if (event.key === KEY && event.newValue !== user) location.reload();
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted && localStorage.getItem(KEY) !== user) location.reload();
  });
}
