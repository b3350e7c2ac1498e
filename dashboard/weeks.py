"""The week of a model as pages show it: the chart by hour, and the quiet window."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dashboard.charts import week
from releases.queries.quiet import HOURS, Quiet, Week


def shown(found: Week, quiet: Quiet | None) -> dict[str, Any]:
    """Return what `components/chart.html` wants; an empty chart says why."""
    if not found.hours:
        return {"empty": "Nothing was counted here yet, so nobody knows when it is quiet."}
    columns, rows = week.table(found.rates)
    said = f"; quietest {quiet.words}" if quiet else ""
    return {
        "figure": week.figure(found.rates, _places(quiet)),
        "summary": f"Requests a minute by hour of the week, from {found.hours} hours{said}",
        "columns": columns,
        "rows": rows,
    }


def _places(quiet: Quiet | None) -> list[int]:
    if quiet is None:
        return []
    length = round((quiet.ends - quiet.begins).total_seconds() / 3600)
    return [(_place(quiet.begins) + step) % HOURS for step in range(length)]


def _place(at: datetime) -> int:
    return at.weekday() * 24 + at.hour
