// "Copy" beside a fresh token, where the browser lets us.
import { byId, data, find, findAll } from "./dom.js";

if (navigator.clipboard) {
  for (const button of findAll(document, "[data-copy]", HTMLButtonElement)) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(byId(data(button, "copy"), HTMLElement).textContent);
      find(button, "span", HTMLElement).textContent = "Copied";
    });
  }
}
