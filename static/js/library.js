// The Library and the trash.
import { byId, data, find } from "./dom.js";
import "./import-start.js";
import { changes, showCount, start as startChanges } from "./library-changes.js";
import { start as startLater } from "./library-later.js";
import { listOfLibrary, showTile } from "./library-list.js";
import { start as startPlace } from "./library-place.js";
import { isSelecting } from "./library-selection.js";
import { start as startWalk } from "./library-walk.js";
import { connect } from "./live.js";
import { start as startViewer } from "./viewer.js";

/** @param {Message} message */
async function showOperations(message) {
  if (!message.operations?.trim() && !document.querySelector(".operations")?.childElementCount) return;
  const organise = await import("./organise.js");
  organise.showOperations(message);
}

/** @param {Message} message */
function told(message) {
  if (message.gone) return location.reload(); // what the page shows was deleted
  changes(message);
  showCount(message.count);
  showOperations(message).catch(() => {}); // the next message says them again
}

/** Whether somebody is at what a reload would lose: words half written, the panel of filters. */
function isFilling() {
  const field = document.activeElement;
  const isWriting = field instanceof HTMLInputElement && field.value !== field.defaultValue;
  return isWriting || document.querySelector("#filters :popover-open") !== null;
}

/** Asks once a second whether a worker has answered, then loads the page again. */
async function lookAgain() {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  if (isFilling() || (await isLooking())) return lookAgain();
  location.reload();
}

async function isLooking() {
  const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
  return !answer?.ok || (await answer.text()).includes("data-looking");
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
  else import("./library-refresh.js").then(({ refresh }) => refresh()).catch(() => {});
});
if (document.querySelector("[data-looking]")) lookAgain();
// Empty fields stay out of the address, however the filters are sent, and however early.
document.getElementById("filters")?.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});
startChanges();
startPlace().catch(() => {}); // what is here stays, and each part is asked for again
startWalk();
startLater();
startViewer(grid, {
  list: listOfLibrary(),
  addressOf: (tile) => find(tile, "[data-open]", HTMLAnchorElement).href,
  mayOpen: () => !isSelecting(),
  onMissing: () => location.reload(), // its own page shows it
  onClose: showTile,
});
