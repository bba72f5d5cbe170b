// Modules that a page wants only once something is used.
import { targetOf } from "./dom.js";

/**
 * Loads what handles clicks on `selector` at the first of them, and then lets it have that click.
 * @param {EventTarget} root
 * @param {string} selector of links, which work without it
 * @param {() => Promise<unknown>} load
 */
export function atFirstClick(root, selector, load) {
  /** @type {Promise<unknown> | undefined} */
  let loading;
  /** @param {Event} event */
  const listener = (event) => {
    const pressed = targetOf(event)?.closest(selector);
    if (!(event instanceof MouseEvent) || !(pressed instanceof HTMLAnchorElement) || event.button) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    loading ??= load();
    const again = new MouseEvent("click", { bubbles: true, cancelable: true, detail: event.detail });
    loading.then(
      () => {
        root.removeEventListener("click", listener);
        pressed.dispatchEvent(again);
      },
      () => location.assign(pressed.href),
    );
  };
  root.addEventListener("click", listener);
}
