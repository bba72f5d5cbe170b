// What the viewer steps through, as `ViewerList` in types.d.ts says. It knows tiles by ids alone, so that a page may have
// but a few of them in the document.
import { idOf } from "./dom.js";

/**
 * The list of the tiles that are in the document.
 * @param {() => HTMLElement[]} tiles in their order
 * @returns {ViewerList}
 */
export function listOf(tiles) {
  /** @type {string[]} */
  let order = []; // as they stood when what is shown was last among them
  const ids = () => tiles().map(idOf);

  /**
   * @param {string} id
   * @param {1 | -1} by
   */
  async function beside(id, by) {
    const now = ids();
    if (now.includes(id)) {
      order = now;
      return now[now.indexOf(id) + by] ?? null;
    }
    const at = order.indexOf(id);
    const isHere = (/** @type {string} */ other) => now.includes(other);
    return (by > 0 ? order.slice(at + 1).find(isHere) : order.slice(0, Math.max(at, 0)).findLast(isHere)) ?? null;
  }

  return {
    element: (id) => tiles().find((tile) => idOf(tile) === id) ?? null,
    next: (id) => beside(id, 1),
    previous: (id) => beside(id, -1),
    first: async () => ids()[0] ?? null,
    last: async () => ids().at(-1) ?? null,
    place: (id) => ids().indexOf(id) + 1 || null,
  };
}
