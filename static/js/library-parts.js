// The Library in parts, newest first: how many tiles are where, and the tiles of the parts that were loaded. What was not
// is a number, so that a million take no room; the parts that were used least lately are forgotten again.
import { data, find, findAll } from "./dom.js";
import { layOut, STRIP_PX } from "./library-layout.js";
import { dateOf } from "./times.js";

/**
 * @typedef {import("./library-layout.js").Layout} Layout
 * @typedef {import("./library-layout.js").Measure} Measure
 */

const CHUNK = 100;
const MOST = 200; // tiles in one answer
const KEPT = 16; // parts whose tiles are kept
const HOUR_MS = 3600000;
const TALLEST_PX = 8_000_000; // browsers draw nothing right beyond some 16 million
const USUAL_RATIO = 1.1;
const isRanked = document.getElementById("grid")?.dataset.ranked !== undefined; // the most alike first, under no dates

/** One tile: its element is in the document while it is near what is seen. */
export class Tile {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    const acts = element.querySelector(".acts");
    this.acts = acts instanceof HTMLElement ? acts : null; // there while the pointer or the focus is
    this.acts?.remove();
    find(element, "[data-open]", HTMLElement).tabIndex = -1;
    find(element, "[data-tick]", HTMLElement).tabIndex = -1;
    element.querySelector(".stack")?.setAttribute("tabindex", "-1");
    this.id = data(element, "id");
    this.key = "";
    this.date = "";
    this.ratio = 1;
    this.read();
  }

  /** @param {Tile} fresher */
  become({ element, acts }) {
    this.element = element;
    this.acts = acts;
    this.read();
  }

  /** Takes from the element what it says; after it was changed, too. */
  read() {
    this.key = data(this.element, "key");
    this.date = dayOf(momentOf(this.key));
    const ratio = Number(data(this.element, "width")) / Number(data(this.element, "height")) || 1;
    this.ratio = Math.min(8, Math.max(0.2, ratio));
  }
}

/** @param {string} key begins with a moment in UTC: 20241112233000 */
const momentOf = (key) => new Date(key.replace(/^(....)(..)(..)(..)(..)(..).*/, "$1-$2-$3T$4:$5:$6Z"));

/** @param {Date} moment */
const dayOf = (moment) => (isRanked ? "" : dateOf(moment));

export class Part {
  /** @type {Tile[] | null} */
  tiles = null;
  /** @type {Layout | null} */
  layout = null;
  top = 0;
  height = 0;
  used = 0;
  /** @type {Promise<void> | null} */
  loading = null;
  abort = new AbortController();
  isAsked = false; // somebody goes there, seen or not

  /**
   * @param {string} url answers with its tiles
   * @param {number} count about how many
   * @param {Date} oldest begins the hour of the last
   * @param {{isOpen?: boolean, isCut?: boolean, skip?: number}} [kind] isOpen: nobody has counted what follows; isCut:
   *   the next part has what the answer leaves out; skip: how many of the same hours come before
   */
  constructor(url, count, oldest, { isOpen = false, isCut = false, skip = 0 } = {}) {
    this.url = url;
    this.count = count;
    this.oldest = oldest;
    this.floor = isOpen ? "" : oldest.toISOString().replace(/\D/g, "").slice(0, 10);
    this.isOpen = isOpen;
    this.isCut = isCut;
    this.skip = skip;
  }

  get lastDate() {
    return this.tiles?.at(-1)?.date ?? (this.count ? dayOf(this.oldest) : "");
  }
}

export class Parts {
  /** @type {Part[]} */
  all = [];
  /** @type {Map<string, Part>} */
  #partOf = new Map(); // by the ids of loaded tiles
  /** @type {Measure} */
  measure = { width: 0, row: 200, gap: 6 };
  #used = 0;
  /** @type {Change[]} */
  #pushed = []; // while something was on its way, which may say how things were before
  #loading = 0;
  isComplete = false; // whether all are counted

  /** @param {string} url of the page */
  constructor(url) {
    this.url = url;
  }

  get total() {
    return this.isComplete ? this.all.reduce((sum, { count }) => sum + count, 0) : null;
  }

  get height() {
    const last = this.all.at(-1);
    return last ? last.top + last.height : 0;
  }

  /**
   * Begins with the tiles that the page came with; `more` leads to the next.
   * @param {HTMLElement[]} elements
   * @param {string} more
   */
  begin(elements, more) {
    const tiles = elements.map((element) => new Tile(element));
    const last = tiles.at(-1);
    const first = new Part("", tiles.length, last ? momentOf(last.key) : new Date());
    if (last) first.floor = more ? last.key : "";
    this.all = [first];
    this.#fill(first, tiles);
    if (more) this.all.push(new Part(more, CHUNK, first.oldest, { isOpen: true }));
    this.isComplete = !more;
  }

  /**
   * Lays out what the server has counted, behind the tiles that are here already.
   * @param {{parts: [number, number][], complete: boolean}} counted
   */
  count({ parts, complete }) {
    const first = this.all[0];
    if (!first || !parts.length) return;
    let here = first.count;
    let before = 0;
    /** @type {Part[]} */
    const rest = [];
    for (const [hour, count] of parts) {
      const skipped = Math.min(here, count);
      here -= skipped;
      rest.push(...this.#partsOf(hour, before, skipped, count));
      before = hour;
    }
    if (!complete)
      rest.push(new Part(this.#address({ to_hour: before }), CHUNK, new Date(before * HOUR_MS), { isOpen: true }));
    for (const part of this.all.slice(1)) this.#drop(part);
    this.all = [first, ...rest];
    if (!rest.length) first.floor = "";
    this.isComplete = complete;
  }

  /**
   * @param {number} hour
   * @param {number} before
   * @param {number} skipped
   * @param {number} count
   */
  #partsOf(hour, before, skipped, count) {
    const parts = [];
    for (let skip = skipped; skip < count; skip += CHUNK) {
      const isCut = skip + CHUNK < count;
      const address = this.#address({ from_hour: hour, to_hour: before, take: isCut ? CHUNK : MOST });
      parts.push(new Part(address, Math.min(CHUNK, count - skip), new Date(hour * HOUR_MS), { isCut, skip }));
    }
    return parts;
  }

  /**
   * Where a part's tiles are. How many are to be skipped changes with every result, so what follows on tiles that are
   * here is asked for by the last of these.
   * @param {Part} part
   */
  #addressOf(part) {
    if (!part.skip) return part.url;
    const url = new URL(part.url);
    const at = this.all.indexOf(part);
    const last = this.all[at - 1]?.tiles?.at(-1);
    if (last) url.searchParams.set("after", last.key);
    else url.searchParams.set("skip", String(part.skip));
    if (this.all[at + 1]?.tiles) url.searchParams.set("take", String(MOST));
    return url.href;
  }

  /** @param {Record<string, number>} span */
  #address(span) {
    const url = new URL(this.url, location.href);
    for (const [name, value] of Object.entries(span)) if (value) url.searchParams.set(name, String(value));
    return url.href;
  }

  /** Says where each part stands, by its tiles or, before they are loaded, by their number. */
  arrange() {
    const { width, row, gap } = this.measure;
    const perRow = Math.max(1, width / (row * USUAL_RATIO + gap));
    const guess = (/** @type {Part} */ { count }) => Math.ceil(count / perRow) * (row + gap) + (count ? STRIP_PX : 0);
    const guessed = this.all.reduce((sum, part) => sum + (part.layout ? 0 : guess(part)), 0);
    const squeeze = Math.min(1, TALLEST_PX / Math.max(1, guessed));
    let top = 0;
    let date = "";
    for (const part of this.all) {
      if (part.tiles) part.layout ??= layOut(part.tiles, date, this.measure);
      part.top = top;
      part.height = part.layout
        ? part.layout.height
        : part.height && squeeze === 1
          ? part.height
          : guess(part) * squeeze;
      top += part.height;
      date = part.lastDate || date;
    }
  }

  /** @param {Measure} measure */
  resize(measure) {
    this.measure = measure;
    for (const part of this.all) [part.layout, part.height] = [null, 0];
  }

  /** @param {number} y */
  at(y) {
    let [low, high] = [0, this.all.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.all[middle]?.top ?? 0) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * The index of the part that a key belongs to.
   * @param {string} key
   */
  indexOf(key) {
    const index = this.all.findIndex(({ floor }) => key >= floor);
    const first = this.all[index];
    // An hour with many has several: the first that ends below the key, or else the last.
    let at = index;
    while (first && this.all[at + 1]?.floor === first.floor && (this.all[at]?.tiles?.at(-1)?.key ?? "~") > key) at += 1;
    return index < 0 ? this.all.length - 1 : at;
  }

  /**
   * Where a tile is that was loaded.
   * @param {string} id
   */
  find(id) {
    const part = this.#partOf.get(id);
    const index = part?.tiles?.findIndex((tile) => tile.id === id) ?? -1;
    const tile = part?.tiles?.[index];
    return part && tile ? { part, index, tile, at: this.all.indexOf(part) } : null;
  }

  /** @param {Part} part */
  use(part) {
    this.#used += 1;
    part.used = this.#used;
  }

  /**
   * Fetches a part's tiles, unless they are here; false where that was given up.
   * @param {Part} part
   */
  async load(part) {
    this.use(part);
    if (part.tiles) return true;
    part.loading ??= this.#load(part).finally(() => {
      part.loading = null;
    });
    await part.loading;
    return Boolean(part.tiles);
  }

  /** @param {Part} part */
  async #load(part) {
    this.#loading += 1;
    const from = this.#pushed.length;
    part.abort = new AbortController();
    try {
      const answer = await fetch(this.#addressOf(part), {
        headers: { "X-Fragment": "1" },
        credentials: "same-origin",
        redirect: "error",
        signal: part.abort.signal,
      });
      if (!answer.ok) throw new Error(`${part.url} answered ${answer.status}`);
      const template = document.createElement("template");
      template.innerHTML = await answer.text();
      this.#take(part, template.content);
      for (const change of this.#pushed.slice(from)) this.apply(change);
    } finally {
      this.#loading -= 1;
      if (!this.#loading) this.#pushed = [];
    }
  }

  /**
   * @param {Part} part
   * @param {DocumentFragment} page
   */
  #take(part, page) {
    const isNew = (/** @type {HTMLElement} */ element) => !this.#partOf.has(data(element, "id"));
    const tiles = findAll(page, "[data-tile]", HTMLElement).filter(isNew);
    const more = page.querySelector("[data-more]");
    if (more instanceof HTMLAnchorElement && !part.isCut) {
      const following = new Part(more.getAttribute("href") ?? "", CHUNK, part.oldest, { isOpen: true });
      following.floor = part.floor;
      this.all.splice(this.all.indexOf(part) + 1, 0, following);
    } else if (part.isOpen && part === this.all.at(-1)) this.isComplete = true;
    if (more) part.floor = tiles.at(-1)?.dataset.key ?? part.floor;
    this.#fill(
      part,
      tiles.map((element) => new Tile(document.importNode(element, true))),
    );
  }

  /**
   * @param {Part} part
   * @param {Tile[]} tiles
   */
  #fill(part, tiles) {
    part.tiles = tiles;
    part.count = tiles.length;
    part.layout = null;
    for (const { id } of tiles) this.#partOf.set(id, part);
    this.use(part);
  }

  /** @param {Part} part whose tiles can be loaded again */
  #drop(part) {
    part.abort.abort();
    for (const { id } of part.tiles ?? []) this.#partOf.delete(id);
    part.tiles = null;
    part.layout = null; // its height stays as it is
  }

  /** Gives up loading parts that nobody sees any more. @param {Set<Part>} wanted */
  giveUp(wanted) {
    for (const part of this.all) if (part.loading && !part.isAsked && !wanted.has(part)) part.abort.abort();
  }

  /** Forgets the tiles of parts that were used least lately. @param {Set<Part>} seen */
  forget(seen) {
    const loaded = this.all.filter((part) => part.tiles && part.url);
    if (loaded.length <= KEPT) return;
    loaded.sort((one, other) => one.used - other.used);
    for (const part of loaded.slice(0, loaded.length - KEPT)) if (!seen.has(part)) this.#drop(part);
  }

  /** Forgets all that was loaded but what is seen, which is loaded anew. @param {Set<Part>} seen */
  async reload(seen) {
    for (const part of this.all) if (part.url && !seen.has(part)) this.#drop(part);
  }

  /** @param {Change} change that may be newer than what is on its way */
  note(change) {
    if (this.#loading) this.#pushed.push(change);
  }

  /**
   * Puts a tile where its key says, unless that part is not loaded: it comes with that, then.
   * @param {Tile} tile
   */
  insert(tile) {
    const part = this.all[this.indexOf(tile.key)];
    if (!part?.tiles) return;
    const at = part.tiles.findIndex(({ key }) => key < tile.key);
    part.tiles.splice(at < 0 ? part.tiles.length : at, 0, tile);
    this.#changed(part);
    this.#partOf.set(tile.id, part);
  }

  /** @param {string} id */
  remove(id) {
    const found = this.find(id);
    if (!found) return;
    found.part.tiles?.splice(found.index, 1);
    this.#changed(found.part);
    this.#partOf.delete(id);
  }

  /** @param {Part} part */
  #changed(part) {
    part.count = part.tiles?.length ?? part.count;
    part.layout = null;
    const next = this.all[this.all.indexOf(part) + 1];
    if (next) next.layout = null; // its first day may need a label now, or none
  }

  /** How a change is applied is the grid's. @type {(change: Change) => void} */
  apply = () => {};
}
