// What is selected in the Library: some ids, or all that match the page's filter but some. It knows no element, so that
// what is selected may be out of sight. `selection` hears "selectionchange" whenever it is another one.
import { byId } from "./dom.js";

class Selection extends EventTarget {
  /** @type {Set<string>} */
  #ids = new Set(); // those selected, or those left out of all

  /** @type {number | null} */
  #total = null; // how many match, where that is known

  #all = false;

  /** Whether all that match are selected, but those that were left out since. */
  get isAll() {
    return this.#all;
  }

  /** How many are selected; null where the number of those that match is not known. */
  get count() {
    if (!this.#all) return this.#ids.size;
    return this.#total === null ? null : Math.max(0, this.#total - this.#ids.size);
  }

  get isEmpty() {
    return this.count === 0;
  }

  /** The ids that are selected one by one; none where all are. */
  get ids() {
    return this.#all ? [] : [...this.#ids];
  }

  /** @param {string} id */
  has(id) {
    return this.#ids.has(id) !== this.#all;
  }

  /**
   * @param {Iterable<string>} ids
   * @param {boolean} on
   */
  set(ids, on) {
    for (const id of ids) {
      if (on !== this.#all) this.#ids.add(id);
      else this.#ids.delete(id);
    }
    this.#tell();
  }

  /** @param {string} id */
  toggle(id) {
    this.set([id], !this.has(id));
  }

  /**
   * Selects all that match, also what is not loaded.
   * @param {number | null} total
   */
  selectAll(total) {
    this.#all = true;
    this.#total = total;
    this.#ids.clear();
    this.#tell();
  }

  clear() {
    this.#all = false;
    this.#ids.clear();
    this.#tell();
  }

  /**
   * Those that are not on the page any more.
   * @param {string[]} ids
   */
  forget(ids) {
    if (this.#all || !ids.some((id) => this.#ids.has(id))) return;
    this.set(ids, false);
  }

  /**
   * Adds the fields that name the selection: `asset` for each id, or `all=1`, the page's filter, and `except` for each
   * that was left out.
   * @param {FormData} form
   */
  addTo(form) {
    form.delete("asset");
    if (!this.#all) {
      for (const id of this.#ids) form.append("asset", id);
      return;
    }
    form.set("all", "1");
    for (const [name, value] of new URLSearchParams(byId("grid", HTMLElement).dataset.filter)) form.append(name, value);
    for (const id of this.#ids) form.append("except", id);
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("selectionchange"));
  }
}

export const selection = new Selection();

/** Whether a click on a tile selects it. */
export const isSelecting = () => "selecting" in byId("grid", HTMLElement).dataset;
