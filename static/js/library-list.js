// What the viewer steps through in the Library: all that match, of which the grid has some.
import { data, idOf } from "./dom.js";
import { fetchPart, parts } from "./library-grid.js";
import { endTile, reveal, tileOf } from "./library-walk.js";

/** @typedef {import("./library-parts.js").Tile} Tile */

/** @param {string} id as the viewer says it: image-ID */
const found = (id) => tileOf(id.replace(/^[a-z]+-/, ""));

/** @param {Tile | null} tile */
const named = (tile) => tile && idOf(tile.element);

/**
 * What stands beside a key, loaded where it is not here. The key stays a place when its tile has left.
 * @param {string} key
 * @param {1 | -1} by
 */
async function beside(key, by) {
  for (let at = parts.indexOf(key); parts.all[at]; at += by) {
    const part = parts.all[at];
    if (part?.count && !part.tiles) await fetchPart(part);
    const tile = by > 0 ? part?.tiles?.find((one) => one.key < key) : part?.tiles?.findLast((one) => one.key > key);
    if (tile) return tile;
  }
  return null;
}

/** @returns {ViewerList} */
export function listOfLibrary() {
  /** @type {Map<string, string>} */
  const keys = new Map(); // of those that were stepped from

  /**
   * @param {string} id
   * @param {1 | -1} by
   */
  async function step(id, by) {
    const key = found(id)?.key ?? keys.get(id);
    if (!key) return null;
    keys.set(id, key);
    return named(await beside(key, by));
  }

  return {
    element: (id) => found(id)?.element ?? null,
    next: (id) => step(id, 1),
    previous: (id) => step(id, -1),
    first: async () => named(await endTile("first")),
    last: async () => named(await endTile("last")),
    place(id) {
      const place = parts.find(found(id)?.id ?? "");
      const before = parts.all.slice(0, place?.at ?? 0);
      if (!place || before.some(({ isOpen, tiles }) => isOpen && !tiles)) return null;
      return before.reduce((sum, { count }) => sum + count, place.index + 1);
    },
  };
}

/** Brings what the viewer has shown into the document. @param {HTMLElement} element */
export function showTile(element) {
  const tile = tileOf(data(element, "id"));
  if (tile) reveal(tile);
}
