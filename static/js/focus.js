// Whatever takes the element with the focus off the page, the focus stays near: it never falls to the body.
const TARGETS = "a[href], summary, button, input, select, textarea, [tabindex]";
const WHOLES = "article, h2"; // take the focus themselves, so that Enter presses nothing

/** @type {HTMLElement | null} */
let last = null; // had the focus, and the reader did not leave it for nothing

/** @param {Element} element */
const isOffered = (element) =>
  element instanceof HTMLElement &&
  element.checkVisibility({ visibilityProperty: true }) &&
  !element.matches(":disabled");

/**
 * What takes the focus in or at an element.
 * @param {Element | null} element
 */
function landingIn(element) {
  if (!element || element.matches("template, .visually-hidden")) return null;
  if (element.matches(WHOLES) && isOffered(element)) return element;
  for (const found of element.querySelectorAll(`${WHOLES}, ${TARGETS}`)) if (isOffered(found)) return found;
  return element.matches(TARGETS) && isOffered(element) ? element : null;
}

/**
 * The nearest place from here on, then back, then further out.
 * @param {Element | null} parent
 * @param {Element | null} next
 * @param {Element | null} previous
 * @returns {Element | null}
 */
function nearest(parent, next, previous) {
  for (let at = next; at; at = at.nextElementSibling) if (landingIn(at)) return landingIn(at);
  for (let at = previous; at; at = at.previousElementSibling) if (landingIn(at)) return landingIn(at);
  if (!parent || parent.matches("main, dialog, body")) return parent;
  return nearest(parent.parentElement, parent.nextElementSibling, parent.previousElementSibling);
}

/** @param {Element | null} element */
function give(element) {
  const open = document.querySelector("dialog[open]");
  const found =
    open && !open.contains(element)
      ? open
      : element && element !== document.body
        ? element
        : document.getElementById("main");
  if (!(found instanceof HTMLElement)) return;
  if (found.matches(WHOLES) && !found.hasAttribute("tabindex")) {
    found.tabIndex = -1;
    found.addEventListener("blur", () => found.removeAttribute("tabindex"), { once: true });
  }
  found.focus({ preventScroll: !found.matches(WHOLES) });
}

const isLost = () => !document.activeElement || document.activeElement === document.body;

/** @param {Node | null} node */
const elementAt = (node) => (node && !(node instanceof Element) ? null : node);

/** @param {MutationRecord[]} records */
function mend(records) {
  if (!last || last.isConnected || !isLost()) return;
  /** @param {Node | null} gone */
  const recordOf = (gone) => records.find(({ removedNodes }) => [...removedNodes].some((node) => node.contains(gone)));
  let record = recordOf(last);
  while (record && !record.target.isConnected) record = recordOf(record.target);
  if (!record) return give(null);
  /** @param {"nextSibling" | "previousSibling"} side */
  const beside = (side) => {
    let node = record?.[side] ?? null;
    for (const { removedNodes, [side]: further } of records)
      if ([...removedNodes].some((gone) => gone === node)) node = further;
    while (node && !(node instanceof Element)) node = node[side];
    return elementAt(node?.isConnected ? node : null);
  };
  give(nearest(elementAt(record.target), beside("nextSibling"), beside("previousSibling")));
}

/** What is hidden or cannot be used any more loses the focus, too, once it is drawn. */
function mendHidden() {
  if (!last?.isConnected || !isLost()) return;
  if (!isOffered(last)) return give(nearest(last.parentElement, last.nextElementSibling, last.previousElementSibling));
  if (document.hasFocus()) last = null;
}

/** @param {EventTarget | null} first what has had the focus until this was loaded */
export function keepFocus(first) {
  const remember = (/** @type {EventTarget | null} */ target) => {
    last = target instanceof HTMLElement && target !== document.body ? target : null;
  };
  remember(document.activeElement === document.body ? first : document.activeElement);
  document.addEventListener("focusin", ({ target }) => remember(target));
  document.addEventListener("focusout", () => setTimeout(mendHidden, 50));
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  if (last?.isConnected) mendHidden();
  else if (last && isLost()) give(null);
}
