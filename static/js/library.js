// The Library and the trash.
import { byId, data, find } from "./dom.js";
import { start as startFilters } from "./library-filters.js";
import { isSelecting, start as startSelecting } from "./library-gestures.js";
import { changes, hasMore, more, refresh, start as startGrid, tiles } from "./library-grid.js";
import { start as startViewer } from "./lightbox.js";
import { connect } from "./live.js";

const grid = byId("grid", HTMLElement);
const live = connect({
  url: data(grid, "socket"),
  revision: Number(data(grid, "revision")),
  epoch: data(grid, "epoch"),
  on: { changes, reload: () => location.reload() },
});
document.addEventListener("acted", () => {
  if (live.isLive()) live.probe();
  else refresh().catch(() => {});
});
startGrid();
startFilters();
startSelecting();
startViewer(grid, {
  tiles,
  more,
  hasMore,
  addressOf: (tile) => find(tile, "[data-open]", HTMLAnchorElement).href,
  mayOpen: () => !isSelecting(),
  onMissing: () => location.reload(), // its own page shows it
});
