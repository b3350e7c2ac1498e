// Draws Plotly figures from the JSON beside them, in the theme's colours. A colour in a figure is a name of a token:
// "token:candidate" or "token:candidate/0.2". Also in the figure: limits [{value, label}], events [{at, label}], unit, labels (false: none).
(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  let colours = new Map();

  const resolve = (name, opacity = 1) => {
    const key = `${name}/${opacity}`;
    if (colours.has(key)) return colours.get(key);
    probe.className = "";
    canvas.clearRect(0, 0, 1, 1);
    probe.style.color = `var(--${name})`;
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    colours.set(key, `rgba(${r},${g},${b},${opacity})`);
    return colours.get(key);
  };
  const painted = (value) => {
    if (typeof value === "string" && value.startsWith("token:")) return resolve(...value.slice(6).split("/"));
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(v)]));
    return value;
  };
  const merged = (base, over) => {
    const out = { ...base };
    for (const [key, value] of Object.entries(over ?? {})) {
      const both = value && typeof value === "object" && !Array.isArray(value) && out[key] && typeof out[key] === "object";
      out[key] = both ? merged(out[key], value) : value;
    }
    return out;
  };

  const axis = () => ({
    gridcolor: resolve("chart-grid"), linecolor: resolve("line-strong"), tickcolor: resolve("line-strong"), zeroline: false,
    tickfont: { color: resolve("ink-3"), size: 11 }, title: { font: { color: resolve("ink-3"), size: 11 } }, fixedrange: true, automargin: true,
  });
  const base = () => ({
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: resolve("ink-2") },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 16, t: 14, b: 8 }, showlegend: false,
    hovermode: "x unified", dragmode: false, bargap: 0.15,
    hoverlabel: { bgcolor: resolve("raised"), bordercolor: resolve("line-strong"), font: { color: resolve("ink"), size: 12 }, namelength: -1 },
    xaxis: { ...axis(), showgrid: false, showline: true, ticks: "outside", ticklen: 4, tickangle: 0, tickformatstops: [{ dtickrange: [null, 59999], value: "%H:%M:%S" }, { dtickrange: [60000, 43199999], value: "%H:%M" }, { dtickrange: [43200000, null], value: "%e %b" }] },
    yaxis: { ...axis(), rangemode: "tozero", nticks: 5 },
  });

  const limitShapes = (figure) => (figure.limits ?? []).map((limit) => ({
    type: "line", xref: "paper", x0: 0, x1: 1, yref: "y", y0: limit.value, y1: limit.value, line: { color: resolve("limit"), width: 1.25 },
  }));
  const eventShapes = (figure) => (figure.events ?? []).map((event) => ({
    type: "line", xref: "x", x0: event.at, x1: event.at, yref: "paper", y0: 0, y1: 1, line: { color: resolve("chart-event"), width: 1, dash: "dot" },
  }));
  const eventNotes = (figure) => (figure.events ?? []).map((event) => ({
    text: event.label, xref: "x", x: event.at, yref: "paper", y: 1, yanchor: "bottom", xanchor: "center", showarrow: false, font: { size: 10.5, color: resolve("ink-3") },
  }));

  const lastPoint = (trace) => {
    for (let i = (trace.y?.length ?? 0) - 1; i >= 0; i -= 1) if (trace.y[i] !== null && trace.y[i] !== undefined) return trace.y[i];
    return null;
  };
  const ends = (figure) => {
    if (figure.labels === false) return [];
    const lines = (figure.data ?? []).filter((t) => (t.type ?? "scatter") === "scatter" && t.name && (t.mode ?? "lines").includes("lines"));
    let below = 0; // stacked areas are labelled in the middle of their band
    const height = (t) => { const last = lastPoint(t); if (!t.stackgroup || last === null) return last; below += last; return below - last / 2; };
    const labels = lines.map((t) => ({ y: height(t), text: t.name, color: painted(t.line?.color) ?? resolve("ink-2") }));
    const limits = (figure.limits ?? []).map((l) => ({ y: l.value, text: l.label, color: resolve("limit") }));
    return [...labels, ...limits].filter((label) => label.y !== null && label.text);
  };
  // Labels at the line ends, pushed apart so that none lies on another.
  const endNotes = (plot, figure) => {
    const scale = plot._fullLayout?.yaxis;
    if (!scale) return [];
    const placed = ends(figure).map((end) => ({ ...end, at: scale.d2p(end.y) })).sort((a, b) => a.at - b.at);
    const gap = 14;
    placed.forEach((end, i) => { end.put = i ? Math.max(end.at, placed[i - 1].put + gap) : end.at; });
    const over = placed.length ? placed.at(-1).put - scale._length : 0;
    if (over > 0) for (let i = placed.length - 1, floor = scale._length; i >= 0; i -= 1, floor -= gap) placed[i].put = Math.min(placed[i].put, floor);
    return placed.map((end) => ({
      text: end.text, xref: "paper", x: 1, xanchor: "left", xshift: 6, yref: "paper", y: 1, yanchor: "middle", yshift: -end.put, showarrow: false, font: { size: 11, color: end.color },
    }));
  };
  const room = (figure) => {
    const longest = Math.max(0, ...ends(figure).map((end) => end.text.length));
    return longest ? 16 + longest * 6.3 : 16;
  };

  const draw = async (holder) => {
    const plot = holder.querySelector(".chart-plot[id]");
    const source = document.getElementById(`${holder.id}-figure`);
    if (!plot || !source || typeof Plotly === "undefined") return;
    const figure = JSON.parse(source.textContent);
    const layout = { ...merged(base(), painted(figure.layout ?? {})), width: plot.clientWidth, height: plot.clientHeight };
    layout.xaxis.nticks ??= Math.max(3, Math.min(8, Math.floor((plot.clientWidth - 140) / 80)));
    layout.margin.r = figure.layout?.margin?.r ?? room(figure);
    if (figure.events?.length) layout.margin.t = Math.max(layout.margin.t, 24);
    if (figure.unit) layout.yaxis.ticksuffix ??= `\u00a0${figure.unit}`;
    layout.shapes = [...(layout.shapes ?? []), ...limitShapes(figure), ...eventShapes(figure)];
    const notes = [...(layout.annotations ?? []), ...eventNotes(figure)];
    layout.annotations = notes;
    layout.transition = still.matches ? undefined : layout.transition;
    const data = painted(figure.data ?? []).map((trace) => (trace.line || trace.type === "bar" ? trace : { ...trace, line: { width: 2 } }));
    await Plotly.react(plot, data, layout, { displayModeBar: false, responsive: false, staticPlot: false });
    await Plotly.relayout(plot, { annotations: [...notes, ...endNotes(plot, figure)] });
    plot.dataset.drawn = source.textContent.length;
    watch(holder, plot);
  };

  const sizes = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const width = Math.round(contentRect.width);
      if (target.drawnWidth && Math.abs(target.drawnWidth - width) > 2 && width) draw(target.closest("[data-chart]"));
      target.drawnWidth = width;
    }
  });
  const watch = (holder, plot) => { if (!plot.watched) { plot.watched = true; sizes.observe(plot); } };

  const drawAll = (root) => {
    const holders = root.matches?.("[data-chart]") ? [root] : root.querySelectorAll("[data-chart]");
    for (const holder of holders) draw(holder).catch((error) => console.error(error));
  };
  drawAll(document);
  document.addEventListener("slipway:theme", () => { colours = new Map(); drawAll(document); });
  document.addEventListener("htmx:load", (event) => { if (event.target !== document.body) drawAll(event.target.closest(".live") ?? event.target); });
})();
