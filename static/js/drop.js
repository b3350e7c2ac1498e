// A file field that takes a dropped file and says what was chosen.
(() => {
  const size = (bytes) => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const say = (zone) => {
    const file = zone.querySelector("input[type=file]").files[0];
    zone.querySelector("[data-drop-chosen]").textContent = file ? `${file.name}, ${size(file.size)}` : "";
  };

  document.addEventListener("dragover", (event) => {
    const zone = event.target.closest?.("[data-drop]");
    if (!zone) return;
    event.preventDefault();
    zone.classList.add("is-over");
  });
  document.addEventListener("dragleave", (event) => event.target.closest?.("[data-drop]")?.classList.remove("is-over"));
  document.addEventListener("drop", (event) => {
    const zone = event.target.closest?.("[data-drop]");
    if (!zone) return;
    event.preventDefault();
    zone.classList.remove("is-over");
    if (event.dataTransfer.files.length) zone.querySelector("input[type=file]").files = event.dataTransfer.files;
    say(zone);
  });
  document.addEventListener("change", (event) => {
    const zone = event.target.closest?.("[data-drop]");
    if (zone) say(zone);
  });
})();
