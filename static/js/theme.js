// Light or dark, before the first paint: what this browser was told, else what the system asks for.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("slipway-theme"); } catch { return null; } };
  const current = () => root.dataset.theme || (system.matches ? "dark" : "light");

  const announce = () => {
    for (const button of document.querySelectorAll("[data-theme-button]")) {
      button.setAttribute("aria-label", current() === "dark" ? "Use the light theme" : "Use the dark theme");
    }
    document.dispatchEvent(new CustomEvent("slipway:theme"));
  };
  const use = (theme) => {
    root.dataset.theme = theme;
    try { localStorage.setItem("slipway-theme", theme); } catch { /* private mode: the choice lasts for this page */ }
    announce();
  };

  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  system.addEventListener("change", announce);
  document.addEventListener("DOMContentLoaded", announce);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-button]")) use(current() === "dark" ? "light" : "dark");
  });
})();
