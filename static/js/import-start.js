// Files that fall on the Library, and the button that brings them in; what does it is loaded when it is wanted.
import { targetOf } from "./dom.js";

const load = () => import("./importing.js");
let isOwn = false; // a picture of the page itself is being dragged: that carries a file too

document.addEventListener("click", (event) => {
  const link = targetOf(event)?.closest("a[data-import]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const menu = link.closest("[popover]");
  if (menu instanceof HTMLElement) menu.hidePopover();
  load().then(({ open }) => open());
});
for (const name of ["dragstart", "dragend"]) {
  document.addEventListener(name, () => {
    isOwn = name === "dragstart";
  });
}
document.addEventListener("dragover", (event) => {
  if (!isOwn && [...(event.dataTransfer?.types ?? [])].includes("Files")) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  if (isOwn || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  // Before anything is awaited: the browser empties them after the event.
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry());
  const files = [...event.dataTransfer.files];
  load().then(({ dropped }) => dropped(entries, files));
});
