"""Requests a minute by hour of the week, with the quiet window."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.charts.lines import Figure

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = 7 * 24


def figure(rates: Sequence[float | None], quiet: Sequence[int]) -> Figure:
    """Return a bar for each hour that is known; `quiet` are the places of the window's hours."""
    names = [_name(place) for place in range(HOURS)]
    bars = [
        _bars(
            "Requests a minute", names, [None if place in quiet else rate for place, rate in enumerate(rates)], "stable"
        ),
        _bars(
            "Quiet window", names, [rate if place in quiet else None for place, rate in enumerate(rates)], "candidate"
        ),
    ]
    layout = {
        "barmode": "overlay",
        "bargap": 0.15,
        "xaxis": {"type": "category", "tickvals": names[12::24], "ticktext": list(DAYS)},
        "yaxis": {"rangemode": "tozero"},
    }
    return {"data": bars, "layout": layout, "unit": "req/min", "events": []}


def table(rates: Sequence[float | None]) -> tuple[list[str], list[list[str]]]:
    """Return the same numbers: a row for each hour of the day, a column for each day."""
    rows = [[f"{hour:02d}:00", *(_text(rates[day * 24 + hour]) for day in range(7))] for hour in range(24)]
    return ["Hour", *DAYS], rows


def _name(place: int) -> str:
    return f"{DAYS[place // 24]} {place % 24:02d}:00"


def _bars(name: str, names: list[str], values: list[float | None], colour: str) -> Figure:
    return {
        "type": "bar",
        "name": name,
        "x": names,
        # An hour in which nobody calls is known, and must be seen.
        "y": [value if value is None else round(value, 2) for value in values],
        "marker": {"color": f"token:{colour}"},
        "hovertemplate": "%{x} %{y:.1f} req/min<extra></extra>",
    }


def _text(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:.1f}"
