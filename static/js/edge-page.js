// The page that runs a bundle in this browser: verify, test, then answer what is written into the field.
(() => {
  const { Refusal, open } = window.slipwayEdge;
  const page = document.querySelector("[data-edge]");
  if (!page) return;
  const set = JSON.parse(document.getElementById("edge-settings").textContent);
  const line = (id) => page.querySelector(`[data-edge-step="${id}"]`);
  const say = (id, state, words) => {
    line(id).dataset.state = state;
    line(id).querySelector("[data-edge-words]").textContent = words;
  };
  const output = page.querySelector("[data-edge-answer]"), form = page.querySelector("form");
  const duration = (seconds) => (seconds < 0.001 ? `${(seconds * 1e6).toFixed(0)} µs` : `${(seconds * 1e3).toFixed(1)} ms`);

  const begin = async () => {
    let model;
    try {
      model = await open(set);
      say("verify", "good", "Every byte is as it was signed.");
    } catch (error) {
      say("verify", "bad", error.message);
      return;
    }
    try {
      const { rows, refused, far, seconds } = await model.selfTest();
      const near = far === 0 ? "the same to the last digit" : `${far.toExponential(1)} away at most`;
      say("test", "good", `${rows} golden rows answered, ${near}; ${refused} wrong rows refused by the server's rules.`);
      say("time", "good", `${duration(seconds)} a row in this browser.`);
    } catch (error) {
      say("test", "bad", error.message);
      return;
    }
    window.slipwayEdge.model = model;
    form.querySelector("button").disabled = false;
    form.addEventListener("submit", (event) => answer(event, model));
    page.dataset.edge = "ready";
  };
  const answer = async (event, model) => {
    event.preventDefault();
    const start = performance.now();
    try {
      const predictions = await model.predict(form.querySelector("textarea").value);
      output.textContent = JSON.stringify({ predictions }, null, 2);
      output.dataset.state = "good";
    } catch (error) {
      output.textContent = error instanceof Refusal ? JSON.stringify({ error: error.message, details: error.details }, null, 2) : error.message;
      output.dataset.state = "bad";
    }
    page.querySelector("[data-edge-took]").textContent = duration((performance.now() - start) / 1000);
  };
  begin();
})();
