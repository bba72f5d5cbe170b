// The Library and the trash.
import { byId, data, find } from "./dom.js";
import { changes, refresh, start as startChanges } from "./library-changes.js";
import { start as startDensity } from "./library-density.js";
import { start as startFilters } from "./library-filters.js";
import { isSelecting, start as startSelecting } from "./library-gestures.js";
import { hasMore, more, tiles } from "./library-grid.js";
import { start as startHover } from "./library-hover.js";
import { start as startPlace } from "./library-place.js";
import { start as startScrubber } from "./library-scrubber.js";
import { start as startWalk } from "./library-walk.js";
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
startChanges();
startScrubber();
startPlace().catch(() => {}); // what is here stays, and each part is asked for again
startWalk();
startSelecting();
startFilters();
startDensity();
startHover();
startViewer(grid, {
  tiles,
  more,
  hasMore,
  addressOf: (tile) => find(tile, "[data-open]", HTMLAnchorElement).href,
  mayOpen: () => !isSelecting(),
  onMissing: () => location.reload(), // its own page shows it
});
