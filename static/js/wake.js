// When a page comes back: from sleep, from another tab, from the back-forward cache, with the network.
const LOOK_MS = 2000;
const JUMP_MS = 10000; // that many milliseconds between two looks: the machine slept meanwhile

/**
 * Calls `look` every two seconds, as far as the browser allows, and `wake` when the page comes back.
 * @param {{look: () => void, wake: () => void}} calls
 */
export function watchTime({ look, wake }) {
  const isVisible = () => document.visibilityState === "visible";
  let looked = Date.now();
  setInterval(() => {
    // Browsers slow the timers of hidden tabs down, so only in a visible one a gap is a sleep.
    const slept = Date.now() - looked > JUMP_MS && isVisible();
    looked = Date.now();
    if (slept) wake();
    look();
  }, LOOK_MS);
  document.addEventListener("visibilitychange", () => isVisible() && wake());
  addEventListener("pageshow", ({ persisted }) => persisted && wake());
  addEventListener("online", wake);
}
