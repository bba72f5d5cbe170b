// Asking for the page again, for when no socket says what changed.
import { byId, data, findAll } from "./dom.js";
import { put, showCount, showState, take } from "./library-changes.js";
import { parts, rearrange } from "./library-grid.js";

const grid = byId("grid", HTMLElement);

/** The page as it is now, for when there is no socket to say what changed. */
export async function refresh() {
  const url = data(grid, "pages");
  const answer = await fetch(url, { credentials: "same-origin", redirect: "error" });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (page.body.dataset.user !== document.body.dataset.user) return location.reload();
  const fresh = findAll(page, "[data-tile]", HTMLElement);
  if (grid.dataset.ranked !== undefined && !fresh.length) return; // found by content: there is no answer now
  const here = new Set(fresh.map((tile) => data(tile, "id")));
  const last = fresh.at(-1);
  const floor = page.querySelector("[data-more]") && last ? data(last, "key") : "";
  const gone = parts.all.flatMap((part) => part.tiles ?? []).filter(({ id, key }) => key >= floor && !here.has(id));
  rearrange(() => {
    for (const { id } of gone) take(id);
    for (const tile of fresh) put(document.importNode(tile, true));
  });
  showState();
  showCount(page.getElementById("count")?.textContent);
}
