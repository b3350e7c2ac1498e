// Fragments that refresh themselves: <div data-live="address" data-every="3" id="…">.
// A hidden tab does not ask. Focus, scroll, open details and menus survive. Three failures in a row: "Stale since 14:02".
(() => {
  const known = new WeakMap();
  const FAILURES = 3;
  const TOKEN = /name="csrfmiddlewaretoken" value="[^"]*"/g; // differs each time, means nothing

  const record = (element) => {
    if (!known.has(element)) known.set(element, { failures: 0, last: null, good: new Date(), timer: 0, busy: false });
    return known.get(element);
  };
  const isInUse = (element) => {
    const active = document.activeElement;
    const typing = element.contains(active) && active.matches("input, select, textarea");
    const selected = getSelection();
    const marking = selected && !selected.isCollapsed && element.contains(selected.anchorNode);
    return typing || marking || element.querySelector("dialog[open], :popover-open, [aria-expanded='true'], form[aria-busy='true']") !== null;
  };

  const mark = (element, state) => {
    const stale = state.failures >= FAILURES;
    element.classList.toggle("is-stale", stale);
    const before = element.previousElementSibling;
    const shown = before?.matches(".stale-mark") ? before : null;
    if (!stale) { shown?.remove(); return; }
    if (shown) return;
    const words = document.createElement("p");
    words.className = "stale-mark";
    words.setAttribute("role", "status");
    words.textContent = `Stale since ${state.good.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })}. Trying again.`;
    element.before(words);
  };

  const path = (element, root) => {
    const steps = [];
    for (let node = element; node && node !== root; node = node.parentElement) steps.unshift([...node.parentElement.children].indexOf(node));
    return steps;
  };
  const follow = (root, steps) => steps.reduce((node, index) => node?.children[index], root);

  const remember = (element) => ({
    open: [...element.querySelectorAll("details")].filter((d) => d.open).map((d) => d.id || path(d, element)),
    scroll: [...element.querySelectorAll(".table-frame, pre, [data-keep-scroll]")].map((e) => [e.scrollLeft, e.scrollTop]),
    tabs: [...element.querySelectorAll("[data-tabs] [aria-selected='true']")].map((t) => [t.getAttribute("aria-controls")]),
    focus: element.contains(document.activeElement) ? document.activeElement.id || path(document.activeElement, element) : null,
  });
  const find = (element, key) => (typeof key === "string" ? document.getElementById(key) : follow(element, key));
  const restore = (element, kept) => {
    for (const key of kept.open) { const found = find(element, key); if (found?.matches?.("details")) found.open = true; }
    [...element.querySelectorAll(".table-frame, pre, [data-keep-scroll]")].forEach((e, i) => {
      if (kept.scroll[i]) [e.scrollLeft, e.scrollTop] = kept.scroll[i];
    });
    for (const [id] of kept.tabs) element.querySelector(`[aria-controls="${id}"]`)?.click();
    if (kept.focus) find(element, kept.focus)?.focus?.({ preventScroll: true });
  };

  const fetchOnce = async (element, state) => {
    const answer = await fetch(element.dataset.live, {
      headers: { "HX-Request": "true", "HX-Target": element.id, "HX-Current-URL": location.href },
      credentials: "same-origin",
      redirect: "manual",
      signal: AbortSignal.timeout(8000),
    });
    if (answer.status === 204) return true;
    if (answer.status !== 200 && answer.status !== 286) throw new Error(String(answer.status));
    const html = await answer.text();
    const same = html.replace(TOKEN, "");
    if (same !== state.last && !isInUse(element)) {
      const kept = remember(element);
      htmx.swap(element, html, { swapStyle: "innerHTML", swapDelay: 0, settleDelay: 0 });
      state.last = same;
      restore(element, kept);
    }
    return answer.status !== 286;
  };

  const refresh = async (element) => {
    const state = record(element);
    if (state.busy || !element.isConnected) return;
    clearTimeout(state.timer);
    state.busy = true;
    let again = true;
    try {
      if (!document.hidden) {
        again = await fetchOnce(element, state);
        state.failures = 0;
        state.good = new Date();
      }
    } catch { state.failures += 1; }
    state.busy = false;
    if (element.isConnected) mark(element, state);
    if (again && element.isConnected) plan(element, state);
  };
  const plan = (element, state) => {
    const every = Number(element.dataset.every || 3) * 1000;
    const wait = every * Math.min(2 ** Math.max(0, state.failures - FAILURES), 8);
    clearTimeout(state.timer);
    state.timer = setTimeout(() => refresh(element), wait);
  };

  const start = (root) => {
    const found = [...(root.matches?.("[data-live]") ? [root] : []), ...root.querySelectorAll("[data-live]")];
    for (const element of found) if (!known.has(element)) plan(element, record(element));
  };

  start(document.body);
  document.addEventListener("htmx:load", (event) => start(event.target));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.querySelectorAll("[data-live]").forEach(refresh);
  });
  // After an action the page shows the effect at once: the server may answer with HX-Trigger: refresh.
  document.addEventListener("refresh", () => document.querySelectorAll("[data-live]").forEach(refresh));
})();
