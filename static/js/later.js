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
        // What is on the page may have been drawn anew meanwhile.
        const same = () => document.querySelector(`a[href="${CSS.escape(pressed.getAttribute("href") ?? "")}"]`);
        (pressed.isConnected ? pressed : same())?.dispatchEvent(again);
      },
      () => location.assign(pressed.href),
    );
  };
  root.addEventListener("click", listener);
}

/**
 * Loads what handles `selector` once it is pointed at or has the focus. What is pressed before that is there, it gets then.
 * @param {EventTarget} root
 * @param {string} selector
 * @param {() => Promise<unknown>} load
 */
export function atFirstTouch(root, selector, load) {
  const signs = ["pointerover", "focusin", "pointerdown", "keydown"];
  /** @type {Promise<unknown> | undefined} */
  let loading;
  /** @param {Event} event */
  const listener = async (event) => {
    const touched = targetOf(event)?.closest(selector);
    if (!touched) return;
    loading ??= load();
    await loading.catch(() => (loading = undefined));
    if (!loading) return;
    for (const sign of signs) root.removeEventListener(sign, listener);
    if (event instanceof PointerEvent) touched.dispatchEvent(new PointerEvent(event.type, event));
    if (event instanceof KeyboardEvent) touched.dispatchEvent(new KeyboardEvent(event.type, event));
  };
  for (const sign of signs) root.addEventListener(sign, listener);
}
