// The page of one asset: after an action its details say how it stands now.
import "./copy.js";
import { element, find } from "./dom.js";
import { morph } from "./morph.js";
import "./titling.js";

// Reloaded while the viewer showed it, this page has taken the Library's place: Back changes the address alone.
const own = location.pathname;
addEventListener("popstate", () => {
  if (location.pathname !== own) location.reload();
});

document.addEventListener("acted", async () => {
  const answer = await fetch(location.href, { headers: { "X-Fragment": "1" }, credentials: "same-origin" });
  if (answer.ok) morph(find(document, ".details", HTMLElement), element(await answer.text()));
  else location.reload();
});
