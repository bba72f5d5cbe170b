// Zooming and moving pictures by wheel, fingers and mouse. Several stages share one view, so that they can be compared.
import { findAll, targetOf } from "./dom.js";

const MOST = 8; // times a picture's own size
const LEAST_MOST = 4; // times its size as it fits, where that is more
const DRAG_PX = 4;
const TAP_MS = 350;
const TAP_PX = 30;

/**
 * Pictures are those with data-px, their own width in px. A view is what the size as it fits is multiplied by, and how far
 * the middle is moved, in px.
 * @param {HTMLElement[]} stages of one size
 * @param {(percent: number, isZoomed: boolean) => void} [onChange] hears the size in percent of the pictures' own
 * @returns {Zoom}
 */
export function zoomOf(stages, onChange = () => {}) {
  let scale = 1;
  let x = 0;
  let y = 0;
  const pictures = () => stages.flatMap((stage) => findAll(stage, "img[data-px]", HTMLImageElement));
  const isZoomed = () => scale > 1.001;

  /** The scale at which the largest picture has its own size. */
  const own = () => Math.max(1, ...pictures().map((each) => Number(each.dataset.px) / (each.offsetWidth || 1)));

  /**
   * How far the middle may be moved.
   * @param {"offsetWidth" | "offsetHeight"} side
   */
  function room(side) {
    const most = Math.max(0, ...pictures().map((each) => each[side]));
    return Math.max(0, (most * scale - Math.max(...stages.map((each) => each[side]))) / 2);
  }

  /**
   * @param {number} by
   * @param {number} most
   */
  const within = (by, most) => Math.min(most, Math.max(-most, by));

  function show() {
    x = within(x, room("offsetWidth"));
    y = within(y, room("offsetHeight"));
    for (const stage of stages) {
      for (const [name, value] of Object.entries({ zoom: scale, x, y }))
        stage.style.setProperty(`--${name}`, String(value));
      stage.toggleAttribute("data-zoomed", isZoomed());
    }
    onChange(Math.round((100 * scale) / own()), isZoomed());
  }

  /**
   * @param {number} wanted
   * @param {{x: number, y: number}} [at] what stays where it is, from the middle of its stage
   */
  function to(wanted, at = { x: 0, y: 0 }) {
    if (!pictures().length) return;
    const next = Math.min(Math.max(wanted, 1), Math.max(own() * MOST, LEAST_MOST));
    x = at.x - ((at.x - x) * next) / scale;
    y = at.y - ((at.y - y) * next) / scale;
    scale = next;
    show();
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  function pan(dx, dy) {
    x += dx;
    y += dy;
    show();
  }

  function fit() {
    scale = 1;
    x = y = 0;
    show();
  }

  /** @param {{x: number, y: number}} [at] */
  function toggle(at) {
    if (isZoomed()) fit();
    else to(own() > 1.05 ? own() : 2, at);
  }

  const zoom = { by: (/** @type {number} */ factor) => to(scale * factor), fit, toggle, pan, isZoomed };
  for (const stage of stages) hear(stage, { to, pan, toggle, isZoomed, scale: () => scale });
  addEventListener("resize", show);
  return zoom;
}

/**
 * @param {HTMLElement} stage
 * @param {{to: (scale: number, at: {x: number, y: number}) => void, pan: (dx: number, dy: number) => void,
 *   toggle: (at: {x: number, y: number}) => void, isZoomed: () => boolean, scale: () => number}} does
 */
function hear(stage, { to, pan, toggle, isZoomed, scale }) {
  /** @type {Map<number, {x: number, y: number}>} */
  const fingers = new Map(); // that are down, or the mouse
  let hasMoved = false;
  let isTouch = false;
  let tapped = { at: -TAP_MS, x: 0, y: 0 };

  /** @param {MouseEvent} event */
  function from({ clientX, clientY }) {
    const { left, top, width, height } = stage.getBoundingClientRect();
    return { x: clientX - left - width / 2, y: clientY - top - height / 2 };
  }

  /** @param {Event} event */
  const isElsewhere = (event) => Boolean(targetOf(event)?.closest("button, input, video"));

  /** @param {PointerEvent} event */
  function down(event) {
    if (event.button || isElsewhere(event)) return;
    isTouch = event.pointerType === "touch";
    if (!fingers.size) hasMoved = false;
    fingers.set(event.pointerId, from(event));
  }

  /** @param {PointerEvent} event */
  function move(event) {
    const old = fingers.get(event.pointerId);
    if (!old) return;
    const now = from(event);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) pinch(other, old, now);
    else if (!drag(old, now, event)) return;
    fingers.set(event.pointerId, now);
  }

  /**
   * @param {{x: number, y: number}} other
   * @param {{x: number, y: number}} old
   * @param {{x: number, y: number}} now
   */
  function pinch(other, old, now) {
    const apart =
      Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(old.x - other.x, old.y - other.y));
    hasMoved = true;
    to(scale() * apart, { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    pan((now.x - old.x) / 2, (now.y - old.y) / 2);
  }

  /**
   * Whether it moved the picture, and not but trembled.
   * @param {{x: number, y: number}} old
   * @param {{x: number, y: number}} now
   * @param {PointerEvent} event
   */
  function drag(old, now, { pointerId }) {
    if (!isZoomed() || (!hasMoved && Math.hypot(now.x - old.x, now.y - old.y) < DRAG_PX)) return false;
    hasMoved = true;
    stage.setPointerCapture(pointerId);
    pan(now.x - old.x, now.y - old.y);
    return true;
  }

  /** @param {PointerEvent} event */
  function up(event) {
    const start = fingers.get(event.pointerId);
    fingers.delete(event.pointerId);
    if (!start || !isTouch || hasMoved || fingers.size || event.type === "pointercancel") return;
    const at = from(event);
    if (Math.hypot(at.x - start.x, at.y - start.y) > TAP_PX) return; // a swipe
    const again = event.timeStamp - tapped.at < TAP_MS && Math.hypot(at.x - tapped.x, at.y - tapped.y) < TAP_PX;
    if (again) toggle(at);
    tapped = { at: again ? -TAP_MS : event.timeStamp, ...at };
  }

  stage.addEventListener("pointerdown", down);
  stage.addEventListener("pointermove", move);
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) stage.addEventListener(name, up);
  stage.addEventListener("dblclick", (event) => {
    if (!isTouch && !isElsewhere(event)) toggle(from(event));
  });
  // The end of a drag is no click.
  stage.addEventListener(
    "click",
    (event) => {
      if (!hasMoved) return;
      event.stopPropagation();
      event.preventDefault();
    },
    { capture: true },
  );
  stage.addEventListener(
    "wheel",
    (event) => {
      if (isElsewhere(event)) return;
      event.preventDefault();
      const pixels = event.deltaMode ? 16 * event.deltaY : event.deltaY;
      const gain = event.ctrlKey ? 0.01 : 0.002; // a pinch on a pad comes with Ctrl, in small steps
      to(scale() * Math.exp(-gain * Math.max(-240, Math.min(240, pixels))), from(event));
    },
    { passive: false },
  );
}
