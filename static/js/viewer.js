// What opens the viewer. The viewer itself is loaded when somebody is about to use it.
import { findAll, idOf, isSpecial, isTyped, targetOf } from "./dom.js";

/**
 * Opens the tiles in `root`, which hears "tiles-changed" when they did.
 * @param {HTMLElement} root
 * @param {Pick<ViewedPage, "list" | "addressOf"> & Partial<ViewedPage>} given
 */
export function start(root, given) {
  /** @type {ViewedPage} */
  const page = { mayOpen: () => true, onMissing: () => {}, onClose: () => {}, ...given };

  /** @type {Promise<Viewer> | undefined} */
  let loading;
  const load = () => {
    loading ??= import("./lightbox.js").then(({ viewerOf }) => viewerOf(page));
    return loading;
  };
  const warm = () => void load().catch(() => (loading = undefined)); // it is asked for again

  /**
   * The tile that `target` is in.
   * @param {Element | null | undefined} target
   */
  function tileAround(target) {
    const tile = target?.closest("[data-media][id]");
    return tile instanceof HTMLElement ? page.list.element(idOf(tile)) : null;
  }

  root.addEventListener("click", (event) => {
    const pressed = targetOf(event)?.closest("[data-open]");
    if (!(pressed instanceof HTMLAnchorElement) || event.defaultPrevented || !page.mayOpen() || isSpecial(event))
      return;
    const tile = tileAround(pressed);
    if (!tile) return;
    event.preventDefault();
    for (const playing of findAll(root, "video", HTMLVideoElement)) playing.pause();
    history.pushState({ viewer: idOf(tile) }, "", page.addressOf(tile));
    load().then(
      (viewer) => viewer.follow(history.state),
      () => location.assign(pressed.href),
    );
  });
  // Stars and hearts are given to the tile that has the focus, too.
  root.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.key.length > 1 || isTyped(event)) return;
    const tile = tileAround(targetOf(event));
    if (tile) load().then((viewer) => viewer.keyed(tile, event));
  });
  root.addEventListener("tiles-changed", () => loading?.then((viewer) => viewer.followTiles()));
  addEventListener("popstate", ({ state }) => {
    if (state?.viewer || loading) load().then((viewer) => viewer.follow(state));
  });
  for (const sign of ["pointerover", "focusin"]) root.addEventListener(sign, warm, { once: true });
  // Forward may have been pressed before this ran.
  if (history.state?.viewer) load().then((viewer) => viewer.follow(history.state));
}
