// Fingers on the viewer: a swipe to the side steps, one downwards closes.
const SWIPE_PX = 50;

/**
 * @param {HTMLElement} stage
 * @param {{step: (by: number) => void, close: () => void}} does
 */
export function swipes(stage, { step, close }) {
  /** @type {Touch | undefined} */
  let start;
  const passive = { passive: true };
  /** @param {TouchEvent} event */
  const begin = ({ touches }) => {
    start = touches.length === 1 ? touches[0] : undefined;
  };
  /** @param {TouchEvent} event */
  const finish = ({ changedTouches: [end] }) => {
    if (!start || !end || (visualViewport?.scale ?? 1) > 1) return;
    const across = end.clientX - start.clientX;
    const down = end.clientY - start.clientY;
    if (Math.abs(across) > SWIPE_PX && Math.abs(across) > 1.5 * Math.abs(down)) step(across < 0 ? 1 : -1);
    else if (down > 2 * SWIPE_PX && down > 1.5 * Math.abs(across)) close();
  };
  stage.addEventListener("touchstart", begin, passive);
  stage.addEventListener("touchend", finish, passive);
}
