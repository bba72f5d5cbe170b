// The Library and the trash.
import { byId, data, find } from "./dom.js";
import "./import-start.js";
import { changes, refresh, start as startChanges } from "./library-changes.js";
import { start as startDensity } from "./library-density.js";
import { start as startFilters } from "./library-filters.js";
import { isSelecting, start as startSelecting } from "./library-gestures.js";
import { start as startHover } from "./library-hover.js";
import { listOfLibrary, showTile } from "./library-list.js";
import { start as startPlace } from "./library-place.js";
import { start as startScrubber } from "./library-scrubber.js";
import { start as startWalk } from "./library-walk.js";
import { connect } from "./live.js";
import { showOperations, start as startOrganising } from "./organise.js";
import { start as startViewer } from "./viewer.js";

/** @param {Message} message */
function told(message) {
  if (message.gone) return location.reload(); // what the page shows was deleted
  changes(message);
  showOperations(message);
}

const grid = byId("grid", HTMLElement);
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
startChanges();
startScrubber();
startPlace().catch(() => {}); // what is here stays, and each part is asked for again
startWalk();
startSelecting();
startOrganising();
startFilters();
startDensity();
startHover();
startViewer(grid, {
  list: listOfLibrary(),
  addressOf: (tile) => find(tile, "[data-open]", HTMLAnchorElement).href,
  mayOpen: () => !isSelecting(),
  onMissing: () => location.reload(), // its own page shows it
  onClose: showTile,
});
