// Short words after an action that did not load a page: the server answers with HX-Trigger: {"toast": {"text": "…", "tone": "good"}}.
(() => {
  const place = document.getElementById("toasts");
  const say = (text, tone = "good") => {
    const toast = document.createElement("div");
    toast.className = `notice tone-${tone}`;
    toast.textContent = text;
    place.append(toast);
    setTimeout(() => toast.remove(), tone === "bad" ? 12000 : 6000);
  };

  document.addEventListener("toast", (event) => say(event.detail.text, event.detail.tone));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    say(status === 403 ? "Your role does not allow this." : status === 409 ? "This has changed meanwhile. Look at the page again." : "That did not work. Nothing was changed, or the page will show what was.", "bad");
  });
  document.addEventListener("htmx:sendError", () => say("Slipway cannot be reached. Nothing was sent.", "bad"));
})();
