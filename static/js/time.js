// Keeps "3 min ago" true while the page stands open; the same words as dashboard/figures.py.
(() => {
  const SPACE = "\u00a0";
  const distance = (seconds) => {
    if (seconds < 60) return `${seconds}${SPACE}s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)}${SPACE}min`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)}${SPACE}h`;
    const days = Math.floor(seconds / 86400);
    return `${days}${SPACE}${days === 1 ? "day" : "days"}`;
  };

  const refresh = () => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("time[data-ago]")) {
      const seconds = (Date.now() - Date.parse(element.dateTime)) / 1000;
      const whole = Math.trunc(Math.abs(seconds));
      if (whole >= 30 * 86400) continue;
      const words = whole < 5 ? "just now" : seconds > 0 ? `${distance(whole)} ago` : `in ${distance(whole)}`;
      if (element.textContent !== words) element.textContent = words;
    }
  };

  setInterval(refresh, 5000);
  document.addEventListener("visibilitychange", refresh);
})();
