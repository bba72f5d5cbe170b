import { start } from "./composer.js";
import { byId, data } from "./dom.js";
import { start as startViewer } from "./lightbox.js";
import { connect } from "./live.js";
import { changes, progress, refresh, results } from "./stacks.js";

const stacks = byId("stacks", HTMLElement);
const live = connect({
  url: data(stacks, "socket"),
  revision: Number(data(stacks, "revision")),
  epoch: data(stacks, "epoch"),
  on: { changes, progress, reload: () => location.reload() },
});

// Without a socket the page asks for itself after each of its own actions; with one it makes sure that it still has one.
function catchUp() {
  if (live.isLive()) live.probe();
  else refresh().catch(() => {});
}
document.addEventListener("acted", catchUp);

// The place in the queue moves with other people's work, of which no message comes.
const QUEUE_MS = 15000;
setInterval(() => {
  const waits = document.querySelector('.stack[data-status="queued"]');
  if (waits && live.isLive() && document.visibilityState === "visible") refresh().catch(() => {});
}, QUEUE_MS);
start({ onMade: (job) => changes({ jobs: [job] }) });
// The address stays the Workspace's: that is what the page asks for again, and where a reload leads.
startViewer(stacks, { tiles: results, addressOf: () => location.href });
