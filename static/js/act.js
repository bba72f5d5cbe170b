// Buttons with form="act" post without leaving the page. What the action changed comes over the socket;
// pages that show state without one hear "acted" on the document.
import { say } from "./toast.js";

const form = document.getElementById("act");
const AWAY = "The server did not answer, so this may not have arrived. Try again in a moment.";

export class SignedOut extends Error {}

/** POSTs `data` (FormData) and returns {status, body}. Throws when there is no answer to read. */
export async function post(url, data) {
  const response = await fetch(url, {
    method: "POST",
    body: data,
    headers: { Accept: "application/json" },
    credentials: "same-origin",
    redirect: "manual",
  });
  // A redirect here is one to the sign-in page.
  if (response.type === "opaqueredirect" || response.status === 403) throw new SignedOut();
  if (response.status === 404) return { status: 404, body: { ok: false, message: "That is not here any more." } };
  return { status: response.status, body: await response.json() };
}

/** Says in words why a post brought no answer. */
export function excuse(error) {
  if (!(error instanceof SignedOut)) return say(AWAY, { level: "error" });
  say("You were signed out. Sign in again; what you typed is kept.", { level: "error" });
  setTimeout(() => location.reload(), 2500);
}

async function act(button) {
  const data = new FormData(form);
  if (button.name) data.append(button.name, button.value);
  for (const [name, values] of Object.entries(JSON.parse(button.dataset.fields ?? "{}"))) {
    for (const value of [values].flat()) data.append(name, value);
  }
  button.setAttribute("aria-busy", "true");
  try {
    const { body } = await post(button.formAction, data);
    say(body.message ?? "That did not work.", { undo: body.undo, level: body.ok ? "info" : "error" });
    if (body.ok) document.dispatchEvent(new CustomEvent("acted"));
  } catch (error) {
    excuse(error);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

export function listen() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest('button[form="act"]');
    // data-plain: the answer is a page.
    if (!button || button.matches("[data-plain], [aria-busy]")) return;
    event.preventDefault();
    button.closest("[popover]")?.hidePopover();
    act(button);
  });
}
