// The Library and the trash.
import { connect } from "./live.js";
import { changes, hasMore, more, refresh, start as startGrid, tiles } from "./library-grid.js";
import { start as startFilters } from "./library-filters.js";
import { isPicking, start as startPicking } from "./library-pick.js";
import { start as startViewer } from "./lightbox.js";

const grid = document.getElementById("grid");
const { socket, revision } = grid.dataset;
const live = connect({
  url: socket,
  revision: Number(revision),
  on: { changes, reload: () => location.reload() },
});
document.addEventListener("acted", () => {
  if (!live.isLive()) refresh().catch(() => {});
});
startGrid();
startFilters();
startPicking();
startViewer(grid, {
  tiles,
  more,
  hasMore,
  addressOf: (tile) => tile.querySelector("[data-open]").href,
  mayOpen: () => !isPicking(),
  onMissing: () => location.reload(), // its own page shows it
});
