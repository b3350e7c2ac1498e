// Buttons that copy a text: <button data-copy="…">.
(() => {
  const byHand = (text) => {
    const box = document.createElement("textarea");
    box.value = text;
    box.className = "visually-hidden";
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try { await navigator.clipboard.writeText(button.dataset.copy); } catch { byHand(button.dataset.copy); button.focus(); }
    const label = button.dataset.label ?? button.getAttribute("aria-label");
    button.dataset.label = label;
    button.classList.add("is-copied");
    button.setAttribute("aria-label", "Copied");
    clearTimeout(button.copied);
    button.copied = setTimeout(() => {
      button.classList.remove("is-copied");
      button.setAttribute("aria-label", label);
    }, 1600);
  });
})();
