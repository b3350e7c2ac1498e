// Code in tabs: <div data-tabs> with <div data-tab="curl">s inside; the choice holds for the whole page and the next one.
(() => {
  const remembered = () => { try { return localStorage.getItem("slipway-tab"); } catch { return null; } };
  const keep = (name) => { try { localStorage.setItem("slipway-tab", name); } catch { /* private mode */ } };

  const choose = (group, tab, focus) => {
    for (const other of group.querySelectorAll("[role=tab]")) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
  };

  const build = (group) => {
    const list = group.querySelector("[data-tab-list]");
    if (!list || list.childElementCount) return;
    const strip = document.createElement("div");
    strip.className = "tabs";
    strip.setAttribute("role", "tablist");
    strip.setAttribute("aria-label", "Language");
    for (const pane of group.querySelectorAll("[data-tab]")) {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.id = `${pane.id}-tab`;
      tab.textContent = pane.dataset.tab;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", pane.id);
      pane.setAttribute("role", "tabpanel");
      pane.setAttribute("aria-labelledby", tab.id);
      strip.append(tab);
    }
    list.append(strip);
    const tabs = [...strip.children];
    choose(group, tabs.find((tab) => tab.textContent === remembered()) ?? tabs[0]);
    strip.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) { choose(group, tab); keep(tab.textContent); }
    });
    strip.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      event.preventDefault();
      const next = tabs[(tabs.indexOf(document.activeElement) + move + tabs.length) % tabs.length];
      choose(group, next, true);
      keep(next.textContent);
    });
  };

  const start = (root) => root.querySelectorAll("[data-tabs]").forEach(build);
  start(document);
  document.addEventListener("htmx:load", (event) => start(event.target.parentElement ?? document));
  document.addEventListener("slipway:content", (event) => start(event.detail));
})();
