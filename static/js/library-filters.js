// A changed filter asks at once. The form is a plain GET; the control that was used keeps the focus on the next page.
const form = document.getElementById("filters");
const FOCUS = "library-filter";

function ask() {
  // Empty fields stay out of the address.
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  form.requestSubmit();
}

export function start() {
  if (!form) return;
  form.addEventListener("change", ({ target }) => {
    if (target.type === "search") return; // Enter asks
    sessionStorage.setItem(FOCUS, target.name);
    ask();
  });
  form.elements.q.addEventListener("search", () => {
    if (!form.elements.q.value && new URLSearchParams(location.search).get("q")) ask();
  });
  addEventListener("pageshow", () => {
    for (const field of form.elements) field.disabled = false;
  });
  const used = sessionStorage.getItem(FOCUS);
  sessionStorage.removeItem(FOCUS);
  if (used) form.querySelector(`[name="${used}"]:is(select, :checked)`)?.focus();
}
