"""From measured series to the charts and tables of a page: which package is drawn in which role."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from django.utils import timezone

from dashboard import figures
from dashboard.charts import latency, traffic
from dashboard.charts.lines import Roles
from releases.models import Package
from releases.queries.refusals import Refusals
from releases.queries.traffic import Series, Tally

AWAY = "The figures cannot be read just now: Redis does not answer. Predictions go on."
NOTHING = "No calls in this time."
MOST_REASONS = 12
REASONS = {
    "request": "A request that cannot be read",
    "key": "No key, or an unknown, expired or revoked one",
    "right": "A key without the right",
    "unknown": "No such address, model or package",
    "method": "A wrong verb",
    "slow": "A body that did not come in time",
    "size": "A body over the limit",
    "form": "A body in another format",
    "rate": "Over the rate limit",
    "concurrency": "Too many calls at once",
    "off": "The model is switched off",
    "lost": "The model cannot be loaded",
    "loading": "The gateway is still loading",
    "unavailable": "The gateway could not take it",
    "internal": "The gateway failed",
}
ENOUGH, FELT = 200, 0.001  # calls; seconds


def charts(series: Series, roles: Roles, events: Sequence[tuple[float, str]] = ()) -> dict[str, dict[str, Any]]:
    """Return what `components/chart.html` wants for the traffic and the latency chart."""
    zone = timezone.get_current_timezone()
    empty = AWAY if not series.known else NOTHING if series.is_empty else ""
    return {
        "traffic": _traffic(series, roles, events, zone, empty),
        "latency": _latency(series, roles, events, zone, empty),
    }


def compared(series: Series, new: Package | None, old: Package | None) -> list[dict[str, Any]]:
    """Return error rate and p99 of the new package over the drawn time, each against the old one, as figures."""
    if new is None or not series.known:
        return []
    mine, other = series.total(new.number), series.total(old.number) if old else Tally()
    against = f"package {old.number}" if old and other.completions else ""
    pairs = [
        ("Errors", figures.percent(mine.error_rate), figures.percent(other.error_rate), {}),
        ("p99", figures.duration(mine.quantile(0.99)), figures.duration(other.quantile(0.99)), _tone(mine, other)),
    ]
    return [
        {
            "label": f"{label}, package {new.number}",
            "value": value,
            "note": f"{against}: {before}" if against else "",
            **tone,
        }
        for label, value, before, tone in pairs
        if mine.completions
    ]


def spent(series: Series, packages: Sequence[Package], away: Refusals | None) -> list[dict[str, Any]]:
    """Return as figures where the time of a call goes, package by package, and how many calls were turned away."""
    found = []
    for package in packages:
        tally = series.total(package.number)
        if tally.completions:
            waits, takes = (figures.duration(tally.mean(each)) for each in (tally.queued, tally.computed))
            note = f"of {figures.duration(tally.mean(tally.duration))} a call; waits {waits} for the model"
            found.append({"label": f"Model time, package {package.number}", "value": takes, "note": note})
    if found and away is not None:
        reasons = ", ".join(f"{each.status} {each.kind} {number:,}" for each, number in away.most_common(3))
        found.append({"label": "Turned away", "value": figures.count(away.total()), "note": reasons})
    return found


def turned_away(away: Refusals | None) -> list[dict[str, Any]]:
    """Return rows of who was turned away and why, most first."""
    return [
        {"status": each.status, "why": REASONS.get(each.kind, each.kind), "model": each.model, "calls": number}
        for each, number in (away or Refusals()).most_common(MOST_REASONS)
    ]


def _tone(mine: Tally, other: Tally) -> dict[str, str]:
    """Say faster or slower only where both were measured enough, and the difference is one that people feel."""
    p99, before = mine.quantile(0.99), other.quantile(0.99)
    if min(mine.completions, other.completions) < ENOUGH or p99 is None or before is None:
        return {}
    return {"tone": "warn"} if p99 > 1.5 * before and p99 - before > FELT else {}


def _traffic(
    series: Series, roles: Roles, events: Sequence[tuple[float, str]], zone: tzinfo, empty: str
) -> dict[str, Any]:
    starts = {p: {at: tally.starts for at, tally in points.items()} for p, points in series.packages.items()}
    columns, rows = traffic.table(series.times, series.step, starts, zone)
    figure = traffic.figure(series.times, series.step, starts, roles, zone, events)
    summary = f"Requests per second by package: {_who(starts)}"
    return {"figure": figure, "columns": columns, "rows": [] if empty else rows, "empty": empty, "summary": summary}


def _latency(
    series: Series, roles: Roles, events: Sequence[tuple[float, str]], zone: tzinfo, empty: str
) -> dict[str, Any]:
    wanted = [q for q, _, _ in latency.PERCENTILES]
    quantiles = {
        p: {at: tuple(tally.quantile(q) for q in wanted) for at, tally in points.items()}
        for p, points in series.packages.items()
    }
    columns, rows = latency.table(series.times, quantiles, zone)
    figure = latency.figure(series.times, series.step, quantiles, roles, zone, events)
    summary = f"Latency percentiles p50, p95 and p99 by package: {_who(quantiles)}"
    return {"figure": figure, "columns": columns, "rows": [] if empty else rows, "empty": empty, "summary": summary}


def _who(packages: dict[int, Any]) -> str:
    return ", ".join(f"package {number}" for number in packages) or "none"
