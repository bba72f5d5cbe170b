// The pages of collections, tags and projects: asked for again whenever something of the owner's has changed.
import { byId, data, element } from "./dom.js";
import { connect } from "./live.js";
import { morph } from "./morph.js";
import { showOperations } from "./organise.js";

const QUIET_MS = 800; // a chunk of an operation comes every moment
const list = byId("groupings", HTMLElement);
/** @type {number | undefined} */
let timer;

async function refresh() {
  const answer = await fetch(location.href, { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
  if (answer.ok) morph(byId("groupings", HTMLElement), element(await answer.text()));
}

function refreshSoon() {
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(() => {}), QUIET_MS);
}

const live = connect({
  url: data(list, "socket"),
  revision: Number(data(list, "revision")),
  epoch: data(list, "epoch"),
  on: {
    changes: (message) => {
      showOperations(message);
      refreshSoon();
    },
    reload: () => location.reload(),
  },
});
document.addEventListener("acted", () => {
  if (live.isLive()) live.probe();
  else refreshSoon();
});
