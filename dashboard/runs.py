"""A run in words: its figures, cases, progress, and what its charts draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from dashboard import figures
from dashboard.charts import measuring
from testing.models import Case, Run
from testing.suites import SUITES

MANY = {"ms": 1000.0, "s": 1.0}
ALWAYS = 4


def label(kind: str) -> str:
    return SUITES[kind].label if kind in SUITES else kind.capitalize()


def row(run: Run) -> dict[str, Any]:
    """Return a run as lists show it."""
    return {"run": run, "label": label(run.kind), "by": who(run), "took": figures.took(run.seconds)}


def who(run: Run) -> str:
    """Return who or what started it."""
    return run.started_by.get_username() if run.started_by else (run.cause or "Slipway")


def strip(run: Run) -> list[dict[str, Any]]:
    """Return the measured values as figures, each with the limit that it was held against."""
    return [_figure(each) for each in run.figures]


def _figure(each: dict[str, Any]) -> dict[str, Any]:
    unit, limit = each["unit"], each["limit"]
    note = "" if limit is None else f"limit {value(limit, unit)}"
    tone = {} if each["holds"] else {"tone": "bad"}
    return {
        "label": measuring.titled(each["name"]),
        "value": value(each["value"], unit),
        "note": note,
        **tone,
    }


def value(number: float, unit: str) -> str:
    """Return a measured value with its unit, in the digits that mean something."""
    if unit == "ms":
        return figures.duration(number / 1000)
    if unit == "s":
        return figures.took(number) if number >= 1 else figures.duration(number)
    if unit == "%":
        return figures.percent(number / 100)
    shown = figures.count(round(number)) if number == round(number) or number >= 1000 else figures.rounded(number)
    return f"{shown}{figures.SPACE}{unit}" if unit else shown


def progress(run: Run, done: int) -> dict[str, Any]:
    """Return what `components/progress.html` shows of an open run."""
    if run.state == Run.State.QUEUED:
        return {"label": "Waits for a worker", "value": None}
    return {"label": run.at_work or "Begins", "value": done or None, "max": max(run.expected, done + 1)}


def steps(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Return the cases as rows of a table."""
    return [
        {
            "name": case.name,
            "outcome": case.outcome,
            "took": figures.took(case.seconds),
            "words": case.message or case.evidence,
        }
        for case in cases
    ]


def counts(cases: Sequence[Case]) -> str:
    """Return how many cases ended how, most important first."""
    order = (Case.Outcome.FAILED, Case.Outcome.ERRORED, Case.Outcome.PASSED, Case.Outcome.ABSENT)
    numbers = [(outcome, sum(case.outcome == outcome for case in cases)) for outcome in order]
    return ", ".join(f"{number} {outcome}" for outcome, number in numbers if number)


def charts(run: Run) -> list[dict[str, Any]]:
    """Return the charts that this kind of run has, each as `components/chart.html` wants it."""
    found = []
    if run.charts.get("arms"):
        found += [measuring.distribution(run.charts), measuring.seconds(run.charts), measuring.rates(run.charts)]
    if run.charts.get("steps"):
        found += measuring.knee(run.charts)
    return found


def elapsed(run: Run) -> str:
    """Return how long an open run has been at work."""
    return figures.took((timezone.now() - run.started_at).total_seconds()) if run.started_at else ""
