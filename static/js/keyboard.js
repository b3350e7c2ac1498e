// Keys: "/" searches, "g" and a letter goes to a page (the navigation's data-key), "t" turns the theme, "?" lists the keys.
(() => {
  let waiting = 0;
  const search = document.getElementById("search");
  const isTyping = (target) => target.isContentEditable || target.matches?.("input, select, textarea");
  const plain = {
    "/": () => { search?.focus(); search?.select(); },
    "?": () => document.getElementById("key-help")?.showModal(),
    t: () => document.querySelector("[data-theme-button]")?.click(),
    g: () => { waiting = Date.now(); },
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target === search) search.blur();
    if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const second = Date.now() - waiting < 1200;
    const link = second && document.querySelector(`[data-key="g ${CSS.escape(event.key)}"]`);
    waiting = 0;
    if (link) { event.preventDefault(); link.click(); return; }
    if (plain[event.key]) { event.preventDefault(); plain[event.key](); }
  });
})();
