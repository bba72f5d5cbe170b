// Justified rows: where each tile of a part of the grid stands, from the sizes alone.
// A day that fills a row has rows of its own, each as wide as the grid; smaller days share one.

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {{date: string, first: number, x: number, y: number, width: number}} Label
 * @typedef {{height: number, boxes: Box[], labels: Label[]}} Layout
 * @typedef {{width: number, row: number, gap: number}} Measure
 * @typedef {{date: string, first: number, ratios: number[], sum: number, label: boolean}} Group
 */

export const STRIP_PX = 40; // above a row in which a day begins
const DAYS_PX = 24; // between days that share a row
const LABEL_PX = 130;
const TALLEST = 1.45; // of a row, to its usual height

/**
 * @param {{ratio: number, date: string}[]} tiles
 * @param {string} before the date of what comes before these, which needs no label again
 * @param {Measure} measure
 * @returns {Layout}
 */
export function layOut(tiles, before, measure) {
  /** @type {Layout} */
  const layout = { height: 0, boxes: [], labels: [] };
  /** @type {Group[]} */
  let shared = [];
  const flush = () => {
    if (shared.length) share(shared, layout, measure);
    shared = [];
  };
  for (const group of groupsOf(tiles, before)) {
    if (widthOf(group, measure) > measure.width / TALLEST) {
      flush();
      fill(group, layout, measure);
      continue;
    }
    if (sharedWidth([...shared, group], measure) > measure.width) flush();
    shared.push(group);
  }
  flush();
  return layout;
}

/**
 * @param {{ratio: number, date: string}[]} tiles
 * @param {string} before
 */
function groupsOf(tiles, before) {
  /** @type {Group[]} */
  const groups = [];
  for (const [index, { ratio, date }] of tiles.entries()) {
    let group = groups.at(-1);
    if (group?.date !== date) {
      group = { date, first: index, ratios: [], sum: 0, label: index > 0 || date !== before };
      groups.push(group);
    }
    group.ratios.push(ratio);
    group.sum += ratio;
  }
  return groups;
}

/**
 * At the usual height.
 * @param {Group} group
 * @param {Measure} measure
 */
function widthOf({ sum, ratios, label }, { row, gap }) {
  return Math.max(label ? LABEL_PX : 0, sum * row + (ratios.length - 1) * gap);
}

/**
 * @param {Group[]} groups
 * @param {Measure} measure
 */
function sharedWidth(groups, measure) {
  return groups.reduce((sum, group) => sum + widthOf(group, measure), (groups.length - 1) * DAYS_PX);
}

/**
 * Days in one row, as high as lets them fill it, if that is not too high.
 * @param {Group[]} groups
 * @param {Layout} layout
 * @param {Measure} measure
 */
function share(groups, layout, measure) {
  const { width, row, gap } = measure;
  const gaps = groups.reduce((sum, { ratios }) => sum + (ratios.length - 1) * gap, (groups.length - 1) * DAYS_PX);
  const fitting = (width - gaps) / groups.reduce((sum, { sum: ratios }) => sum + ratios, 0);
  const fits = fitting <= row * TALLEST && groups.every((group) => !group.label || group.sum * fitting >= LABEL_PX);
  const height = fits ? fitting : Math.min(row, fitting);
  const strip = groups.some(({ label }) => label) ? STRIP_PX : 0;
  let x = 0;
  for (const group of groups) {
    const taken = place(group.ratios, x, layout.height + strip, height, gap, layout);
    const room = Math.max(taken, group.label ? LABEL_PX : 0);
    if (group.label) layout.labels.push({ ...group, x, y: layout.height, width: Math.min(room, width - x) });
    x += room + DAYS_PX;
  }
  layout.height += strip + height + gap;
}

/**
 * One day in rows of nearly equal height, all of them full.
 * @param {Group} group
 * @param {Layout} layout
 * @param {Measure} measure
 */
function fill({ date, first, ratios, sum, label }, layout, { width, row, gap }) {
  if (label) {
    layout.labels.push({ date, first, x: 0, y: layout.height, width });
    layout.height += STRIP_PX;
  }
  let rows = Math.min(ratios.length, Math.max(1, Math.round((sum * row + (ratios.length - 1) * gap) / width)));
  let [from, left] = [0, sum];
  while (from < ratios.length) {
    const ideal = left / rows;
    let [to, taken] = [from, 0];
    do taken += ratios[to++] ?? 0;
    while (rows > 1 && to < ratios.length && taken + (ratios[to] ?? 0) / 2 < ideal);
    if (rows === 1) [to, taken] = [ratios.length, left];
    const height = Math.min(row * TALLEST, (width - gap * (to - from - 1)) / taken);
    place(ratios.slice(from, to), 0, layout.height, height, gap, layout);
    layout.height += height + gap;
    [from, left, rows] = [to, left - taken, Math.max(1, rows - 1)];
  }
}

/**
 * Puts tiles beside one another; the width that they take.
 * @param {number[]} ratios
 * @param {number} x
 * @param {number} y
 * @param {number} height
 * @param {number} gap
 * @param {Layout} layout
 */
function place(ratios, x, y, height, gap, layout) {
  let at = x;
  for (const ratio of ratios) {
    layout.boxes.push({ x: at, y, width: ratio * height, height });
    at += ratio * height + gap;
  }
  return at - gap - x;
}
