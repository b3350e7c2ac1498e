"""Charts of a run: the latency distribution, latency and rate over its seconds, the knee, a figure over packages."""

from __future__ import annotations

import itertools
from typing import Any

from serving.metrics.histogram import quantile

Chart = dict[str, Any]
COLOURS = ("token:candidate", "token:stable")
PERCENTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999)


def distribution(data: dict[str, Any]) -> Chart:
    """Percentiles of the latency against their limits, the live package beside."""
    limits = {0.5: data["limits"].get("p50"), 0.99: data["limits"].get("p99")}
    names = [f"p{q * 100:g}" for q in PERCENTILES]
    lines, columns, rows = [], ["Percentile"], [[name] for name in names]
    for colour, arm in zip(COLOURS, data["arms"], strict=False):
        values = [_quantile(arm["latency"], q) for q in PERCENTILES]
        lines.append(_line(arm["name"], names, values, colour) | {"mode": "lines+markers"})
        columns.append(f"{arm['name']}, ms")
        for row, shown in zip(rows, values, strict=True):
            row.append(_text(shown))
    points = [(f"p{q * 100:g}", limit) for q, limit in limits.items() if limit]
    mark = {"symbol": "line-ew-open", "size": 28, "line": {"width": 2}, "color": "token:bad"}
    limit_line = {"type": "scatter", "mode": "markers", "name": "Limit", "marker": mark, "hovertemplate": "%{y:.4g} ms"}
    lines.append(limit_line | {"x": [name for name, _ in points], "y": [limit for _, limit in points]})
    layout = {"yaxis": {"type": "log", "dtick": 1}, "xaxis": {"type": "category"}}
    return _chart(
        "percentiles", "Latency percentiles", "Latency by percentile against the limits", lines, layout, columns, rows
    )


def seconds(data: dict[str, Any]) -> Chart:
    """Median and p99 over the seconds of the run."""
    lines, columns = [], ["Second"]
    for colour, arm in zip(COLOURS, data["arms"], strict=False):
        x = [point["at"] for point in arm["line"]]
        for name, dash in (("p50", "solid"), ("p99", "dot")):
            line = _line(f"{arm['name']} {name}", x, [point[name] for point in arm["line"]], colour)
            lines.append(line | {"line": {"color": colour, "dash": dash, "width": 1.5}})
            columns.append(f"{arm['name']} {name}, ms")
    rows = _rows(data, lambda point: [_text(point["p50"]), _text(point["p99"])])
    layout = {"yaxis": {"rangemode": "tozero"}, "xaxis": {"ticksuffix": " s"}}
    return _chart("over-time", "Latency over time", "Latency second by second", lines, layout, columns, rows)


def rates(data: dict[str, Any]) -> Chart:
    """Requests and failures over the seconds of the run."""
    lines, columns = [], ["Second"]
    for colour, arm in zip(COLOURS, data["arms"], strict=False):
        x = [point["at"] for point in arm["line"]]
        for name, field, tone in ((arm["name"], "asked", colour), (f"{arm['name']} failed", "failed", "token:bad")):
            lines.append(
                _line(name, x, [point[field] for point in arm["line"]], tone) | {"hovertemplate": "%{y} a second"}
            )
            columns.append(name)
    rows = _rows(data, lambda point: [str(point["asked"]), str(point["failed"])])
    layout = {"yaxis": {"rangemode": "tozero"}, "xaxis": {"ticksuffix": " s"}}
    summary = "Requests and failures second by second"
    return _chart("rate", "Requests and failures", summary, lines, layout, columns, rows, unit="req/s")


def knee(data: dict[str, Any]) -> list[Chart]:
    """p99 and throughput of each rate that was tried; what broke is marked."""
    steps = sorted(data["steps"], key=lambda step: step["rate"])
    x = [round(step["rate"], 1) for step in steps]
    marks = ["token:bad" if step["broke"] else "token:candidate" for step in steps]
    dots = {"mode": "lines+markers", "marker": {"color": marks, "size": 8}}
    limit = _line("Limit", [x[0], x[-1]], [data["limit"]] * 2, "token:bad")
    late = [_line("p99", x, [step["p99"] for step in steps], "token:candidate") | dots, limit]
    answers = [_line("Good answers", x, [round(step["throughput"], 1) for step in steps], "token:candidate") | dots]
    answers[0]["hovertemplate"] = "%{y:.4g} a second"
    layout = {"xaxis": {"ticksuffix": " req/s", "nticks": 5}, "yaxis": {"rangemode": "tozero"}}
    columns = ["Rate", "Good answers a second", "p99, ms", "Failed", "What broke"]
    rows = [
        [f"{s['rate']:.4g}", f"{s['throughput']:.4g}", _text(s["p99"]), f"{s['failed']:.2%}", s["broke"] or "–"]
        for s in steps
    ]
    words = "of each rate that was tried; red is what broke a limit"
    return [
        _chart("knee", "The knee: p99 by rate", f"p99 {words}", late, layout, columns, rows),
        _chart("answers", "Good answers by rate", f"Good answers {words}", answers, layout, columns, rows, unit="/s"),
    ]


def history(name: str, unit: str, points: list[tuple[int, float]]) -> Chart:
    """One figure over the last packages."""
    x = [f"Package {number}" for number, _ in points]
    lines = [_line(name, x, [value for _, value in points], "token:candidate") | {"mode": "lines+markers"}]
    lines[0]["hovertemplate"] = f"%{{y:.4g}} {unit}"
    rows = [[label, f"{value:.4g}"] for label, (_, value) in zip(x, points, strict=True)]
    layout = {"yaxis": {"rangemode": "tozero"}, "xaxis": {"type": "category"}}
    columns = ["Package", f"{name}, {unit}" if unit else name]
    key = "history-" + "".join(char if char.isalnum() else "-" for char in name)
    return _chart(key, titled(name), f"{name} over the last packages", lines, layout, columns, rows, unit=unit)


def titled(name: str) -> str:
    """Return the name of a figure as a title; p99 is written so everywhere."""
    return name if name[:2] in ("p5", "p9") else name[:1].upper() + name[1:]


def _chart(
    key: str,
    title: str,
    summary: str,
    lines: list[Chart],
    layout: Chart,
    columns: list[str],
    rows: list[list[str]],
    unit: str = "ms",
) -> Chart:
    figure = {"data": lines, "layout": layout, "unit": unit, "events": []}
    return {"id": key, "title": title, "summary": summary, "figure": figure, "columns": columns, "rows": rows}


def _line(name: str, x: list[Any], y: list[Any], colour: str) -> Chart:
    line, few = {"color": colour, "width": 2}, len(x) < 4
    shared = {
        "type": "scatter",
        "mode": "lines+markers" if few else "lines",
        "connectgaps": False,
        "hovertemplate": "%{y:.4g} ms",
    }
    return {**shared, "name": f"P{name[1:]}" if name.startswith("package") else name, "x": x, "y": y, "line": line}


def _rows(data: dict[str, Any], cells: Any) -> list[list[str]]:
    lines = [arm["line"] for arm in data["arms"]]
    return [
        [str(int(next(point["at"] for point in points if point)))]
        + [text for point in points for text in (cells(point) if point else ["–", "–"])]
        for points in itertools.zip_longest(*lines)
    ]


def _quantile(latency: dict[str, int], q: float) -> float | None:
    """Milliseconds; the keys are texts, because JSON knows no others."""
    found = quantile({int(number): count for number, count in latency.items()}, q)
    return None if found is None else round(found * 1000, 4)


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
