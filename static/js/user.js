// A page belongs to the user it was made for. When somebody else signs in in this browser, it goes (in every tab).
import { data } from "./dom.js";

const KEY = "ourvidz-user";

export const user = data(document.body, "user");

export function leaveWhenUserChanges() {
  try {
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
