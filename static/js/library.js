// The Library and the trash.
import { connect } from "./live.js";
import { changes, refresh, start as startGrid } from "./library-grid.js";
import { start as startFilters } from "./library-filters.js";
import { start as startPicking } from "./library-pick.js";
import { start as startViewer } from "./lightbox.js";

const { socket, revision } = document.getElementById("grid").dataset;
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
startViewer();
