// The Library and the trash.
import { byId, data, find } from "./dom.js";
import "./import-start.js";
import { start as startFilters } from "./library-filters.js";
import { changes, more, refresh, start as startGrid, tiles } from "./library-grid.js";
import { listOfResult } from "./library-list.js";
import { isSelecting, start as startSelecting } from "./library-selection.js";
import { connect } from "./live.js";
import { showOperations, start as startOrganising } from "./organise.js";
import { start as startViewer } from "./viewer.js";

/** @param {Message} message */
function told(message) {
  if (message.gone) return location.reload(); // what the page shows was deleted
  list.changes(message);
  changes(message);
  showOperations(message);
}

const grid = byId("grid", HTMLElement);
const list = listOfResult({
  tiles,
  more,
  isFirst: !("later" in grid.dataset),
  url: data(byId("lightbox", HTMLElement), "neighbours"),
});
const live = connect({
  url: data(grid, "socket"),
  revision: Number(data(grid, "revision")),
  epoch: data(grid, "epoch"),
  on: { changes: told, reload: () => location.reload() },
});
document.addEventListener("acted", () => {
  if (live.isLive()) live.probe();
  else refresh().catch(() => {});
});
startGrid();
startFilters();
startSelecting();
startOrganising();
grid.addEventListener("tiles-changed", list.settle); // before the viewer asks it
startViewer(grid, {
  list,
  addressOf: (tile) => find(tile, "[data-open]", HTMLAnchorElement).href,
  mayOpen: () => !isSelecting(),
  onMissing: () => location.reload(), // its own page shows it
});
