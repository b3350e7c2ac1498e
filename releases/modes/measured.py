"""What the packages of a model did here: latency of calls, rows a second of batches, lag of streams, and quality."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from releases.models import BatchJob, Environment, MLModel, Package
from releases.modes.batch.reading import progress
from releases.modes.choosing import Advice, Measured, Need, advise
from releases.modes.edge import bundles
from releases.modes.stream import reading as streams
from releases.queries import traffic
from releases.queries.traffic import Tally, total

DAYS, MOST_JOBS = timedelta(days=7), 20


@dataclass(frozen=True)
class Seen:
    """One package as it was measured, with the figures of quality that its maker told; `fits` the latency or not."""

    package: Package
    calls: int
    p50: float | None
    p99: float | None
    rows_a_second: float | None
    quality: dict[str, Any]
    fits: bool | None


@dataclass(frozen=True)
class Choice:
    """The advice for the package that is live last in the order, and every package beside it, quickest first."""

    need: Need
    live: Package | None
    advice: Advice
    packages: list[Seen]


def choose(model: MLModel, need: Need) -> Choice:
    """Return the simplest mode that serves the need, by what was measured of this model on this machine."""
    tallies, rates = _tallies(model), _rates(model)
    packages = list(model.packages.defer("signature", "manifest", "example", "answers").order_by("-number"))
    seen = [
        _seen(package, tallies.get(package.number, Tally()), rates.get(package.number), need) for package in packages
    ]
    live = _live(model)
    mine = next((each for each in seen if live and each.package.pk == live.pk), None)
    lag = max((each.lag for each in streams.every(model=model.name).streams), default=None)
    measured = Measured()
    if mine:
        measured = Measured(mine.p50, mine.p99, mine.rows_a_second, lag, bundles.why_not(mine.package))
    found = sorted(seen, key=lambda each: (each.p99 is None, each.p99 or 0.0, -each.package.number))
    return Choice(need, live, advise(need, measured), found)


def _seen(package: Package, tally: Tally, rate: float | None, need: Need) -> Seen:
    p50, p99 = tally.quantile(0.5), tally.quantile(0.99)
    told = {name: value for name, value in package.provenance.items() if type(value) in (int, float)}
    fits = None if p99 is None else p99 <= need.seconds
    return Seen(package, tally.completions, p50, p99, rate, told, fits)


def _tallies(model: MLModel) -> dict[int, Tally]:
    """Return the calls of the last days and minutes by package, over all environments."""
    now = timezone.now()
    found: dict[int, list[Tally]] = {}
    for name in Environment.objects.values_list("name", flat=True):
        for series in (traffic.series(name, model.name, now - DAYS, now), traffic.lately(name, model.name)):
            for number in series.packages:
                found.setdefault(number, []).append(series.total(number))
    return {number: total(tallies) for number, tallies in found.items()}


def _rates(model: MLModel) -> dict[int, float]:
    """Return the rows a second of each package's newest batch that it answered alone."""
    found: dict[int, float] = {}
    jobs = BatchJob.objects.filter(model=model, state=BatchJob.State.DONE, against=None).defer("tally", "plan")
    for job in jobs.order_by("-id")[:MOST_JOBS]:
        rate = progress(job).rate
        if len(job.packages) == 1 and rate:
            found.setdefault(int(next(iter(job.packages))), rate)
    return found


def _live(model: MLModel) -> Package | None:
    routes = (
        model.routes.exclude(stable=None).select_related("stable", "environment").order_by("-environment__position")
    )
    first = routes.first()
    return first.stable if first else None
