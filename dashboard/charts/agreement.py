"""The answers of two packages to the same rows, one against the other; on the line they are the same."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.charts.lines import Figure

Point = tuple[float, float]
# Of the rows of the table, which stands for the chart where nobody sees one.
MOST_ROWS = 50


def figure(points: Sequence[Point], live: str, shadow: str) -> Figure:
    """Return a scatter; `live` and `shadow` name the packages."""
    ends = [min(min(point) for point in points), max(max(point) for point in points)] if points else []
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "Pairs",
        "x": [point[0] for point in points],
        "y": [point[1] for point in points],
        "marker": {"color": "token:candidate", "size": 5, "opacity": 0.6},
        "hovertemplate": f"{live} %{{x:.4g}}, {shadow} %{{y:.4g}}<extra></extra>",
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "The same answer",
        "x": ends,
        "y": ends,
        "line": {"color": "token:stable", "width": 1.5, "dash": "dash"},
        "hoverinfo": "skip",
    }
    layout = {
        "xaxis": {"type": "linear", "title": {"text": live}},
        "yaxis": {"title": {"text": shadow}, "rangemode": "normal"},
        "hovermode": "closest",
    }
    return {"data": [line, dots], "layout": layout, "unit": "", "events": []}


def table(points: Sequence[Point], live: str, shadow: str) -> tuple[list[str], list[list[str]]]:
    """Return the pairs that are farthest apart as columns and rows."""
    farthest = sorted(points, key=lambda point: -abs(point[0] - point[1]))[:MOST_ROWS]
    return [live, shadow], [[f"{a:.5g}", f"{b:.5g}"] for a, b in farthest]
