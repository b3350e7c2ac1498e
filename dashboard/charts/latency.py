"""Latency percentiles by package, from merged histograms; a gap where nothing was called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from dashboard.charts.lines import Figure, Roles, colour, marks, order, span, stamps

Quantiles = Mapping[int, Mapping[float, tuple[float | None, ...]]]  # package → time → seconds at each of PERCENTILES
PERCENTILES = ((0.5, "p50", "solid"), (0.95, "p95", "dash"), (0.99, "p99", "dot"))


def figure(
    times: Sequence[float],
    step: int,
    quantiles: Quantiles,
    roles: Roles,
    zone: tzinfo,
    events: Sequence[tuple[float, str]] = (),
) -> Figure:
    """Return three lines per package, in milliseconds."""
    x = stamps(times, zone)
    lines = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"Package {package} {name}",
            "x": x,
            "y": [_milliseconds(quantiles[package].get(at), index) for at in times],
            "line": {"color": colour(package, roles), "dash": dash, "width": 2 if name == "p50" else 1.5},
            "connectgaps": False,
            "hovertemplate": "%{y:.2f} ms",
        }
        for package in order(quantiles, roles)
        for index, (_, name, dash) in enumerate(PERCENTILES)
    ]
    layout = {"xaxis": span(times, step, zone), "yaxis": {"rangemode": "tozero"}}
    return {"data": lines, "layout": layout, "unit": "ms", "events": marks(events, times, step, zone)}


def table(times: Sequence[float], quantiles: Quantiles, zone: tzinfo) -> tuple[list[str], list[list[str]]]:
    """Return the same numbers as columns and rows, newest first."""
    packages = sorted(quantiles)
    columns = ["Time", *(f"Package {package} {name}, ms" for package in packages for _, name, _ in PERCENTILES)]
    words = stamps(times, zone)
    rows = [
        [words[i], *(_text(quantiles[p].get(at), n) for p in packages for n in range(len(PERCENTILES)))]
        for i, at in enumerate(times)
    ]
    return columns, rows[::-1]


def _milliseconds(values: tuple[float | None, ...] | None, index: int) -> float | None:
    seconds = values[index] if values else None
    return None if seconds is None else round(seconds * 1000, 4)


def _text(values: tuple[float | None, ...] | None, index: int) -> str:
    number = _milliseconds(values, index)
    return "–" if number is None else f"{number:.2f}"
