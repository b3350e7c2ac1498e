"""The evidence against a candidate, batch by batch, on a logarithmic scale with the line that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from dashboard.charts.lines import Figure, marks, stamps

# Below this a line would only stretch the scale: it says "nothing" anyway.
FLOOR, CEILING = 1e-3, 1e6
STYLES = {"errors": ("Errors", "token:candidate", "dash"), "latency": ("Latency", "token:candidate", "dot")}
STYLES["drift"] = ("Predictions", "token:control", "dot")

Point = tuple[float, float, Mapping[str, float]]  # epoch seconds, E, E by family


def figure(points: Sequence[Point], needed: float, zone: tzinfo, events: Sequence[tuple[float, str]] = ()) -> Figure:
    """Return E over time, its parts, and what is needed to roll back."""
    times = [at for at, _, _ in points]
    x = stamps(times, zone)
    lines = [_line("Evidence", x, [value for _, value, _ in points], "token:candidate", "solid", 2.5)]
    for name, (label, colour, dash) in STYLES.items():
        if any(name in parts for _, _, parts in points):
            lines.append(_line(label, x, [parts.get(name, FLOOR) for _, _, parts in points], colour, dash, 1.25))
    ends = [x[0], x[-1]] if x else []
    lines.append(_line("Rolled back from here", ends, [needed] * len(ends), "token:bad", "solid", 1.5))
    top = max([needed, *(value for _, value, _ in points)], default=needed)
    layout = {
        "yaxis": {"type": "log", "dtick": 1, "range": [-2, max(2.0, len(f"{_held(top):.0f}"))], "rangemode": "normal"},
        "xaxis": {"type": "date", "hoverformat": "%H:%M:%S"},
    }
    step = int(times[1] - times[0]) if len(times) > 1 else 1
    return {"data": lines, "layout": layout, "unit": "", "events": marks(events, times, step, zone)}


def table(points: Sequence[Point], zone: tzinfo) -> tuple[list[str], list[list[str]]]:
    """Return the same numbers as columns and rows, newest first."""
    names = [name for name in STYLES if any(name in parts for _, _, parts in points)]
    columns = ["Batch of", "Evidence", *(STYLES[name][0] for name in names)]
    words = stamps([at for at, _, _ in points], zone)
    rows = [
        [word, _text(value), *(_text(parts.get(name, 0.0)) for name in names)]
        for word, (_, value, parts) in zip(words, points, strict=True)
    ]
    return columns, rows[::-1]


def _line(name: str, x: list[str], y: list[float], colour: str, dash: str, width: float) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines" if len(x) > 2 else "lines+markers",
        "name": name,
        "x": x,
        "y": [_held(value) for value in y],
        "line": {"color": colour, "dash": dash, "width": width},
        "hovertemplate": "%{y:.3g}",
    }


def _held(value: float) -> float:
    return min(CEILING, max(FLOOR, value))


def _text(value: float) -> str:
    return "over a million" if value >= CEILING else f"{value:.3g}"
