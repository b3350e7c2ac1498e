// One click, one request: a form that was sent shows that it works, and cannot be sent twice.
(() => {
  const release = (form) => {
    form.removeAttribute("aria-busy");
    for (const button of form.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" && !form.hasAttribute("data-guard")) return;
    if (form.getAttribute("aria-busy") === "true") { event.preventDefault(); return; }
    if (event.defaultPrevented && !form.matches("[hx-post], [data-hx-post]")) return;
    form.setAttribute("aria-busy", "true");
    event.submitter?.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.target.closest?.("form");
    if (form) release(form);
  });
  // Back from the next page: the browser shows this one as it was left.
  addEventListener("pageshow", () => document.querySelectorAll("form[aria-busy]").forEach(release));
  // A filter that is a choice is applied as soon as it is made.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-filters]");
    if (form && event.target.matches("select, [type=checkbox]")) form.requestSubmit();
  });
})();
