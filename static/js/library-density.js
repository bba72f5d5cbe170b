// How large the tiles are: three steps, kept in a cookie, so that the page comes with them.
import { byId, findAll } from "./dom.js";
import { resize } from "./library-grid.js";

const grid = byId("grid", HTMLElement);
const YEAR_S = 365 * 24 * 60 * 60;

export function start() {
  const control = document.querySelector("[data-density-control]");
  if (!(control instanceof HTMLElement)) return;
  const steps = findAll(control, "input", HTMLInputElement);
  control.addEventListener("change", (event) => {
    event.stopPropagation(); // it stands in the form of the filters
    const density = steps.find((step) => step.checked)?.value ?? "medium";
    grid.dataset.density = density;
    const secure = location.protocol === "https:" ? "; secure" : "";
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser
    document.cookie = `density=${density}; path=/; max-age=${YEAR_S}; samesite=lax${secure}`;
    resize();
  });
}
