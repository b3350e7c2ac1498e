"""What a canary would find, and when, by the traffic that the model has had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import redis
from django.db.models import Sum
from django.utils import timezone

from releases import health
from releases.analysis import planner
from releases.analysis.planner import Fault, Promise, Step
from releases.analysis.settings import Settings
from releases.analysis.verdict import Judge
from releases.errors import Refused
from releases.models import Count, Environment, MLModel, Route
from releases.strategies import canary

DAY = timedelta(days=1)
# Where no error was seen, a fault begins from one in a thousand.
LEAST_BASE, MOST_BASE = 0.001, 0.3
# How many times as many errors: what the sentences are about.
RISES = (2.0, 3.0, 10.0)


@dataclass(frozen=True)
class Outlook:
    """What a plan promises. `rate` is requests a second, `base` the error rate of what is live (0 to 1)."""

    steps: tuple[tuple[float, float], ...]
    rate: float
    base: float
    promises: tuple[tuple[Fault, Promise], ...] = ()
    sentences: tuple[str, ...] = ()
    least: float | None = None
    warning: str = ""
    dispersion: float = field(default=1.0, repr=False)


def outlook(model: MLModel, environment: Environment, steps: Sequence[tuple[float, float]] | None = None) -> Outlook:
    """Play a canary's steps through by the traffic of the last day; raises Refused for steps that make no sense."""
    try:
        wanted = canary.checked(list(steps or canary.STEPS))
    except (TypeError, ValueError) as error:
        raise Refused(str(error), "steps") from error
    rate, base = _traffic(model, environment)
    blank = Outlook(wanted, rate, base)
    if not rate:
        return replace(blank, warning="No traffic in the last day: the canary can find nothing, and stays on hold.")
    plan = [Step(weight / 100, seconds) for weight, seconds in wanted]
    dispersion = _dispersion(model, environment)
    settings = Settings(tolerance=model.tolerance)
    faults = [Fault(base, min(0.9, base * rise)) for rise in RISES]
    promises = [(fault, planner.promise(rate, plan, fault, settings, dispersion)) for fault in faults]
    least = planner.least(rate, plan, base, settings, dispersion)
    return replace(
        blank,
        promises=tuple(promises),
        sentences=tuple(planner.sentence(rate, plan, *each) for each in promises),
        least=least,
        warning="" if least else "The traffic is too little for this plan: it finds no fault at all in this time.",
        dispersion=dispersion,
    )


def promised(model: MLModel, environment: Environment, steps: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return what a canary promises by the traffic of the last day, to be held against what comes true.

    Three times as many errors is the fault that it is about; empty where nobody called.
    """
    rate, base = _traffic(model, environment)
    if not rate:
        return {}
    plan = [Step(weight / 100, seconds) for weight, seconds in steps]
    fault = Fault(base, min(MOST_BASE * 3, base * 3.0))
    settings = Settings(tolerance=model.tolerance)
    found = planner.promise(rate, plan, fault, settings, _dispersion(model, environment))
    return {"words": planner.sentence(rate, plan, fault, found), "seconds": found.seconds}


def parsed(text: str) -> tuple[tuple[float, float], ...]:
    """Read steps as people write them, weight in per cent and minutes: "1:5, 5:10"; raises Refused."""
    try:
        pairs = [part.split(":") for part in text.split(",")]
        found = [(float(weight.strip().rstrip("% ")), float(minutes) * 60) for weight, minutes in pairs]
        return canary.checked(found)
    except (TypeError, ValueError) as error:
        named = str(error) if "step" in str(error).lower() or "weight" in str(error).lower() else ""
        words = named or 'Write each step as weight in per cent and minutes, such as "5:10, 25:30".'
        raise Refused(words, "steps") from error


def written(steps: Sequence[Sequence[float]]) -> str:
    """Write steps as `parsed` reads them."""
    return ", ".join(f"{weight:g}:{seconds / 60:g}" for weight, seconds in steps)


def _traffic(model: MLModel, environment: Environment) -> tuple[float, float]:
    """Return requests a second and errors per answer over the last day, or over as much of it as there is."""
    since = timezone.now() - DAY
    rows = Count.objects.filter(seconds=Count.MINUTE, environment=environment.name, model=model.name, at__gte=since)
    rows = rows.exclude(package="").exclude(arm="pinned")
    found = rows.aggregate(starts=Sum("starts"), completions=Sum("completions"))
    first = rows.order_by("at").values_list("at", flat=True).first()
    if not first or not found["starts"]:
        return 0.0, LEAST_BASE
    seconds = max(60.0, (timezone.now() - first).total_seconds())
    errors = sum(sum(each.values()) for each in rows.exclude(errors={}).values_list("errors", flat=True))
    rate = errors / found["completions"] if found["completions"] else 0.0
    return found["starts"] / seconds, min(MOST_BASE, max(LEAST_BASE, rate))


def _dispersion(model: MLModel, environment: Environment) -> float:
    """Return how noisy an arm was in the last hour, as the judge would measure it now."""
    route = Route.objects.filter(model=model, environment=environment).select_related("stable").first()
    if route is None or route.stable is None:
        return 1.0
    try:
        past = health.history(environment.name, model.name, route.stable.digest, timezone.now().timestamp())
    except redis.RedisError:
        return 1.0
    return Judge(Settings(), past).metrics[0].families[0].dispersion
