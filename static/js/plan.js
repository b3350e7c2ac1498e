// Two sliders of the promote page write a canary of one share into its steps: "weight in per cent:minutes".
(() => {
  const said = (minutes) => (minutes < 120 ? `${minutes} min` : `${+(minutes / 60).toFixed(1)} h`);
  document.addEventListener("input", (event) => {
    const sliders = event.target.closest("[data-plan]");
    if (!sliders || event.target.type !== "range") return;
    const [weight, minutes] = [...sliders.querySelectorAll("input[type=range]")].map((each) => Number(each.value));
    const [share, time] = sliders.querySelectorAll("output");
    share.textContent = `${weight} %`;
    time.textContent = said(minutes);
    const steps = sliders.closest("form").querySelector("[name=steps]");
    steps.value = `${weight}:${minutes}`;
    steps.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
