// The whole result of the Library's page, for the viewer: a run of tiles without a gap, at first those on the page, which
// grows at both ends by what the server has beyond them.
import { data, element, findAll } from "./dom.js";
import { idOf } from "./viewer-list.js";

const NEAR_END = 8;

/** @param {HTMLElement} tile */
const key = (tile) => data(tile, "key");

/**
 * @param {{tiles: () => HTMLElement[], more: () => Promise<unknown>, isFirst: boolean, url: string}} page
 *   `tiles`: some that follow one another; `more`: puts those that follow there; `isFirst`: none come before these;
 *   `url`: answers with the tiles beside a key
 */
export function listOfResult({ tiles, more, isFirst, url }) {
  /** @type {HTMLElement[]} */
  let run = [];
  let isStart = false; // nothing comes before the run
  let isEnd = false;

  /** @param {string} id */
  const indexOf = (id) => run.findIndex((tile) => idOf(tile) === id);

  function seed() {
    run = tiles();
    isStart = isFirst;
    isEnd = false;
  }

  /** @param {string} id */
  function reach(id) {
    if (indexOf(id) < 0 && tiles().some((tile) => idOf(tile) === id)) seed();
    return indexOf(id);
  }

  /**
   * The tiles beside a key, the nearest first; beside none, from the end.
   * @param {"newer" | "older"} side
   * @param {string} [from]
   */
  async function beside(side, from = "") {
    const address = `${url}${url.includes("?") ? "&" : "?"}${side}=${from}`;
    const answer = await fetch(address, { credentials: "same-origin", redirect: "error" });
    if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
    return findAll(element(await answer.text()), "[data-tile]", HTMLElement).map((tile) =>
      document.importNode(tile, true),
    );
  }

  /** @type {Map<number, Promise<void>>} */
  const growing = new Map();

  /** @param {1 | -1} by */
  function grow(by) {
    const grown = growing.get(by) ?? (by > 0 ? growOlder() : growNewer()).finally(() => growing.delete(by));
    growing.set(by, grown);
    return grown;
  }

  async function growOlder() {
    const last = run.at(-1);
    if (!last || isEnd) return;
    // What the page shows anyway goes there, where the reader finds it again.
    if (last.isConnected && (await more()) && run.at(-1) !== last) return; // `settle` took them in
    const fresh = await beside("older", key(last));
    isEnd = !fresh.length;
    run.push(...fresh);
  }

  async function growNewer() {
    const first = run[0];
    if (!first || isStart) return;
    const fresh = await beside("newer", key(first));
    isStart = !fresh.length;
    run.unshift(...fresh.reverse());
  }

  /** @type {Map<string, string>} */
  const keys = new Map(); // of those that have been stepped from, to know where one stood that has left

  /**
   * @param {string} id
   * @param {1 | -1} by
   */
  async function step(id, by) {
    let at = reach(id);
    if (at < 0) return idAt(nearest(id, by));
    keys.set(id, key(/** @type {HTMLElement} */ (run[at])));
    if (!run[at + by]) {
      await grow(by);
      at = indexOf(id);
    }
    if (by > 0 && at >= run.length - NEAR_END) grow(1).catch(() => {});
    return idAt(at + by);
  }

  /** @param {number} index */
  const idAt = (index) => (run[index] ? idOf(run[index]) : null);

  /**
   * The index of what stands beside the place of one that has left.
   * @param {string} id
   * @param {1 | -1} by
   */
  function nearest(id, by) {
    const from = keys.get(id) ?? "";
    return by > 0 ? run.findIndex((tile) => key(tile) < from) : run.findLastIndex((tile) => key(tile) > from);
  }

  /** @param {"newer" | "older"} side */
  async function end(side) {
    if (side === "older" ? !isStart : !isEnd) {
      const fresh = await beside(side);
      if (side === "newer") fresh.reverse();
      run = fresh;
      isStart = side === "older";
      isEnd = !isStart;
    }
    return idAt(side === "older" ? 0 : run.length - 1);
  }

  /** Takes in what has changed between the first and the last tile on the page. */
  function settle() {
    const here = tiles();
    const [first, last] = [here[0], here.at(-1)];
    if (!first || !last) {
      run = [];
      return;
    }
    const newer = run.filter((tile) => key(tile) > key(first) && !here.includes(tile));
    const older = run.filter((tile) => key(tile) < key(last) && !here.includes(tile));
    if (run.length === newer.length || run.length === older.length) return; // elsewhere
    run = [...newer, ...here, ...older];
  }

  /** @param {HTMLElement} fresh */
  function put(fresh) {
    const old = run.find((tile) => idOf(tile) === idOf(fresh));
    if (old?.isConnected && key(old) === key(fresh)) return; // the page changes it
    if (old) run.splice(run.indexOf(old), 1);
    const at = run.findIndex((tile) => key(tile) < key(fresh));
    if ((at < 0 && !isEnd) || (at === 0 && !isStart)) return;
    run.splice(at < 0 ? run.length : at, 0, old?.isConnected ? old : document.importNode(fresh, true));
  }

  return {
    /** @param {string} id */
    element(id) {
      const at = reach(id);
      return run[at] ?? null;
    },
    /** @param {string} id */
    next: (id) => step(id, 1),
    /** @param {string} id */
    previous: (id) => step(id, -1),
    first: () => end("older"),
    last: () => end("newer"),
    /** @param {string} id */
    place: (id) => (isStart ? reach(id) + 1 || null : null),

    /**
     * What the socket says, before the page changes by it.
     * @param {Partial<Message>} message
     */
    changes({ assets = [] }) {
      for (const { id, media, html, removed } of assets) {
        if (!removed) put(element(html));
        else run = run.filter((tile) => idOf(tile) !== `${media}-${id}`);
      }
    },

    settle,
  };
}
