"""Requests per second by package, stacked, with the events of a release marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from dashboard.charts.lines import Figure, Roles, colour, marks, order, span, stamps

Starts = Mapping[int, Mapping[float, int]]  # package → time → calls in the step that begins there


def figure(
    times: Sequence[float],
    step: int,
    starts: Starts,
    roles: Roles,
    zone: tzinfo,
    events: Sequence[tuple[float, str]] = (),
) -> Figure:
    """Return the stacked areas; a time without a count is drawn as nothing called."""
    x = stamps(times, zone)
    areas = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"Package {package}",
            "x": x,
            "y": [round(starts[package].get(at, 0) / step, 3) for at in times],
            "stackgroup": "calls",
            # A line on every area would run over the areas below it wherever its own is empty.
            "line": {"color": colour(package, roles), "width": 0 if position else 1.5},
            "fillcolor": colour(package, roles, 0.5 if roles.get(package) == "candidate" else 0.2),
            "hovertemplate": "%{y:.1f} req/s",
        }
        for position, package in enumerate(order(starts, roles))
    ]
    layout = {"xaxis": span(times, step, zone), "yaxis": {"rangemode": "tozero"}}
    return {"data": areas, "layout": layout, "unit": "req/s", "events": marks(events, times, step, zone)}


def table(times: Sequence[float], step: int, starts: Starts, zone: tzinfo) -> tuple[list[str], list[list[str]]]:
    """Return the same numbers as columns and rows, newest first."""
    packages = sorted(starts)
    columns = ["Time", *(f"Package {package}, req/s" for package in packages)]
    words = stamps(times, zone)
    rows = [
        [words[i], *(f"{starts[package].get(at, 0) / step:.1f}" for package in packages)] for i, at in enumerate(times)
    ]
    return columns, rows[::-1]
