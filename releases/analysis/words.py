"""What the judge found, in words that a release manager can act on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from releases.analysis.effect import ALL, Sums
from releases.analysis.settings import Settings
from serving.metrics.histogram import quantile

if TYPE_CHECKING:
    from releases.analysis.verdict import State, Verdict

SLOW_WORDS = "odds of a slow request"


def reason(state: State, verdict: Verdict, settings: Settings, counted: Sums, ceiling: float) -> str:
    """Return why the verdict is what it is: one sentence of what was found, one of what follows."""
    if state == "invalid":
        return (
            f"Requests are lost or do not go where the weight sends them: evidence {number(verdict.routing)} of "
            f"{number(1 / settings.routing_alpha)} needed. The package is not to blame; find out where they went."
        )
    found = comparison(verdict, counted)
    if state == "rollback":
        return f"{found}; evidence {number(verdict.evidence)} of {number(settings.needed)} needed: rolled back."
    if state == "promote":
        return f"{found}. Certified as safe: {safety(verdict, settings, ceiling)}."
    if state == "hold":
        return f"{found}. Neither a fault nor safety is proven: {missing(verdict, settings, ceiling)}."
    return f"{found}; evidence {number(verdict.evidence)} of {number(settings.needed)} needed."


def comparison(verdict: Verdict, counted: Sums) -> str:
    """Say what most of the evidence is about: "errors: 1 in 180 against 1 in 900, odds 4.9, interval 2.1 to 11"."""
    if not counted.candidate.completions:
        return "No request of the candidate yet"
    if verdict.family == "errors":
        ours = rate(counted.candidate.errors, counted.candidate.completions)
        theirs = rate(counted.stable.errors, counted.stable.completions)
        odds = counted.odds()
        middle = "" if math.isnan(odds) else f", odds {number(odds)}"
        return f"errors: {ours} against {theirs}{middle}{interval(verdict, '')}"
    if verdict.family == "latency":
        return f"latency: {slowest(counted)}{interval(verdict, SLOW_WORDS + ', ')}"
    return f"predictions: they have become {verdict.score or 'no different'}"


def slowest(counted: Sums) -> str:
    """Name the quantile that has grown most."""
    pairs = [(q, quantile(counted.slow, q), quantile(counted.fast, q)) for q in ALL]
    known = [(mine / theirs, q, mine, theirs) for q, mine, theirs in pairs if mine and theirs]
    if not known:
        return "no comparison yet"
    _, q, mine, theirs = max(known)
    return f"p{q * 100:g} {seconds(mine)} against {seconds(theirs)}"


def safety(verdict: Verdict, settings: Settings, ceiling: float) -> str:
    """Say what was certified."""
    found = []
    if "errors" in verdict.safety:
        found.append(f"errors under {number(settings.most_error_odds)} times stable's odds, or under {ceiling:.2%}")
    if "latency" in verdict.safety:
        found.append(f"slow requests under {number(settings.most_slow_odds)} times stable's odds")
    return ", ".join(found)


def missing(verdict: Verdict, settings: Settings, ceiling: float) -> str:
    """Say what keeps it from being promoted, and how far it is."""
    found = []
    if verdict.requests < settings.least_requests:
        found.append(f"{verdict.requests} of {settings.least_requests} requests")
    for name, value in verdict.safety.items():
        if value < settings.needed:
            what = "few errors" if name == "errors" else "no slowdown"
            found.append(f"evidence of {what} is {number(value)} of {number(settings.needed)}")
    if verdict.by_family.get("drift", 0.0) >= settings.needed:
        found.append("the predictions have shifted")
    return ", ".join(found) or "ask again after the next batch"


def interval(verdict: Verdict, what: str) -> str:
    """Return the interval in words, where there is one."""
    if verdict.interval is None or verdict.interval == (0.0, math.inf):
        return ""
    low, high = verdict.interval
    if math.isinf(high):
        return f", {what}interval from {number(low)}"
    return f", {what}interval {number(low)} to {number(high)}"


def rate(events: int, trials: int) -> str:
    """Return "1 in 180", or "none in 900"."""
    if not trials:
        return "no request"
    return f"1 in {number(trials / events)}" if events else f"none in {trials:,}"


def seconds(value: float) -> str:
    """Return a time with three digits and its unit."""
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.2g} µs"


def number(value: float) -> str:
    """Return a number as one would say it: two digits, whole from ten on."""
    if math.isinf(value):
        return "beyond measure"
    if value >= 1e6:
        return "over a million"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
