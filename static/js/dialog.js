// Dialogs. <a href="/…/rollback/" data-dialog> shows that page's [data-dialog-content] in a dialog; without script it is a page.
// <button data-open="id"> opens a dialog of this page, data-close and data-dialog-cancel close it.
(() => {
  const shared = document.getElementById("dialog");
  const body = document.getElementById("dialog-body");

  const show = async (link) => {
    const answer = await fetch(link.href, { credentials: "same-origin", signal: AbortSignal.timeout(8000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const content = page.querySelector("[data-dialog-content]");
    if (!answer.ok || !content) throw new Error("no dialog in the answer");
    body.replaceChildren(document.importNode(content, true));
    shared.setAttribute("aria-label", content.querySelector("h1, h2")?.textContent ?? "Question");
    htmx.process(body);
    document.dispatchEvent(new CustomEvent("slipway:content", { detail: body }));
    shared.showModal();
    body.querySelector("[autofocus], textarea, input:not([type=hidden]), select, button[type=submit]")?.focus();
  };

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (link && shared && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
      event.preventDefault();
      link.setAttribute("aria-busy", "true");
      try { await show(link); } catch { location.assign(link.href); }
      link.removeAttribute("aria-busy");
      return;
    }
    const opener = event.target.closest("[data-open]");
    if (opener) { document.getElementById(opener.dataset.open)?.showModal(); return; }
    const dialog = event.target.closest("dialog");
    if (!dialog) return;
    const cancel = event.target.closest("[data-close], [data-dialog-cancel]");
    if (cancel) event.preventDefault();
    if (cancel || event.target === dialog) dialog.close();
  });
})();
