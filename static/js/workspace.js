import { fillForm, start } from "./composer.js";
import { byId, data } from "./dom.js";
import { atFirstClick, atFirstTouch } from "./later.js";
import { connect } from "./live.js";
import { start as startNews } from "./news.js";
import { catchUp, changes, progress, results } from "./stacks.js";
import { start as startViewer } from "./viewer.js";
import { listOf } from "./viewer-list.js";

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
startNews(stacks);
// Where the composer stands matters once somebody uses it or scrolls.
for (const sign of ["focusin", "pointerdown", "scroll"])
  addEventListener(sign, () => import("./desk.js"), { once: true });
// The address stays the Workspace's: that is where a reload leads.
startViewer(stacks, { list: listOf(results), addressOf: () => location.href });
atFirstClick(document, "[data-menu]", () => import("./menus.js"));
atFirstClick(document, "a[data-recall], a[data-recall-file], a[data-reference-image]", async () =>
  (await import("./recall.js")).listen(fillForm),
);
atFirstTouch(stacks, ".grip", () => import("./reorder.js"));
await start({
  onMade: (news) => {
    changes(news);
    import("./made.js").then(({ showMade }) => showMade(news.jobs ?? []));
    afterwards();
  },
});
// What kept its place until the form was as the script makes it.
byId("more", HTMLElement).removeAttribute("data-folded");
byId("chips", HTMLElement).removeAttribute("data-expected");
