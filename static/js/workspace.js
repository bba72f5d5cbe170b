import { start } from "./composer.js";
import { showMade, start as startDesk } from "./desk.js";
import { byId, data } from "./dom.js";
import { atFirstClick } from "./later.js";
import { connect } from "./live.js";
import { start as startNews } from "./news.js";
import { catchUp, changes, progress, results } from "./stacks.js";

const stacks = byId("stacks", HTMLElement);
const live = connect({
  url: data(stacks, "socket"),
  revision: Number(data(stacks, "revision")),
  epoch: data(stacks, "epoch"),
  on: { changes, progress, reload: () => location.reload() },
});

// Without a socket the page asks for itself after each of its own actions; with one it makes sure that it still has one.
function afterwards() {
  if (live.isLive()) live.probe();
  else catchUp().catch(() => {});
}
document.addEventListener("acted", afterwards);
start({
  onMade: (news) => {
    changes(news);
    showMade(news.jobs ?? []);
    afterwards();
  },
});
startNews(stacks);
startDesk();
// What kept its place until the form was as the script makes it.
byId("more", HTMLElement).removeAttribute("data-folded");
byId("chips", HTMLElement).removeAttribute("data-expected");

/** @type {Promise<void> | undefined} */
let viewer;
function startViewer() {
  // The address stays the Workspace's: that is where a reload leads.
  const page = { tiles: results, addressOf: () => location.href };
  viewer ??= import("./lightbox.js").then(({ start }) => start(stacks, page));
  return viewer;
}
atFirstClick(stacks, "[data-open]", startViewer);
const openLast = () => history.state?.viewer && startViewer();
addEventListener("popstate", openLast);
openLast();
atFirstClick(document, "[data-menu]", () => import("./menus.js"));
