"""The families of evidence: errors, latency with its six scores, and the drift of the predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from releases.analysis.batch import Arm, Batch, minutes, total
from releases.analysis.bins import LATENCY, SLOW, TENTHS, Bins, cut, slow_edge, slower
from releases.analysis.dispersion import dispersion
from releases.analysis.evidence import ODDS, TILTS, Evidence, log_sum
from releases.analysis.odds import Odds
from releases.analysis.settings import Settings
from releases.analysis.tilt import Floats, Ints, log_e

OF_ERRORS = np.array((0.0, 1.0))
# With fewer latencies of stable than this nobody can say what is usual.
REFERENCE_LEAST = 200
NO_TOP = 1 << 62


@dataclass
class Family:
    """One score function and what it has found; `scores` are those of its bins, shape (bins,)."""

    name: str
    weight: float
    scores: Floats
    tilts: Floats
    dispersion: float
    evidence: Evidence
    odds: Odds | None = None

    def add(self, candidate: Ints, stable: Ints, needed: float) -> None:
        """Take in one batch, as counts by bin."""
        found = np.asarray(log_e(candidate, stable, self.scores, self._all_tilts)) / self.dispersion
        self.evidence.add(found[: self.tilts.size])
        if self.odds:
            self.odds.add(found[self.tilts.size :], needed)

    @cached_property
    def _all_tilts(self) -> Floats:
        return np.concatenate((self.tilts, self.odds.tilts())) if self.odds else self.tilts

    def log(self) -> float:
        """Return the log of its part of the evidence."""
        return math.log(self.weight) + self.evidence.log()

    def to_json(self) -> dict[str, Any]:
        odds = self.odds.to_json() if self.odds else None
        return {"name": self.name, "dispersion": self.dispersion, "evidence": self.evidence.to_json(), "odds": odds}

    def restore(self, data: dict[str, Any]) -> None:
        """Take over what `to_json` of the same family said."""
        self.dispersion, self.evidence = data["dispersion"], Evidence.from_json(data["evidence"])
        self.odds = Odds.from_json(data["odds"]) if data["odds"] else None


@dataclass
class Metric:
    """What is compared, by one or more families that share its part of alpha; without families it knows nothing.

    reference: for latency and drift the histogram of stable that the bins are cut from.
    """

    name: str
    share: float
    settings: Settings
    bins: Bins | None = None
    reference: dict[int, int] = field(default_factory=dict)
    families: list[Family] = field(default_factory=list)

    def log(self) -> float:
        """Return the log of its part of the evidence: share times average; 1 stands for what was not learnt."""
        left = self.share - sum(family.weight for family in self.families)
        rest = [math.log(left)] if left > 1e-12 else []
        return log_sum(rest + [family.log() for family in self.families])

    def counts(self, batch: Batch) -> tuple[Ints, Ints]:
        """Return the batch as (candidate, stable) counts by bin."""
        if self.bins is None:
            return _good_and_bad(batch.candidate), _good_and_bad(batch.stable)
        if self.name == "drift":
            return self.bins.count(batch.candidate.scores), self.bins.count(batch.stable.scores)
        late = slower(batch.stable.latency, self.settings.tolerance)
        return self.bins.count(batch.candidate.latency), self.bins.count(late)

    def restart(self, due: int) -> None:
        """Note the start times that have come."""
        for family in self.families:
            family.evidence.restart(due)

    def add(self, batch: Batch) -> None:
        """Take in one batch."""
        if self.families:
            counts = self.counts(batch)
            for family in self.families:
                family.add(*counts, self.settings.needed)

    def top(self) -> Family | None:
        """Return the family that has found most."""
        return max(self.families, key=Family.log) if len(self.families) > 1 else next(iter(self.families), None)

    @property
    def odds(self) -> Odds | None:
        """Return what is known of the odds ratio: of an error, or of a slow request."""
        return next((family.odds for family in self.families if family.odds), None)

    def to_json(self) -> dict[str, Any]:
        reference = {str(number): count for number, count in self.reference.items()}
        return {"reference": reference, "families": [family.to_json() for family in self.families]}


def errors(settings: Settings, history: Sequence[Batch]) -> Metric:
    """Return the metric of errors: two bins, good and bad."""
    metric = Metric("errors", settings.share("errors"), settings)
    pairs = [(_good_and_bad(candidate), _good_and_bad(stable)) for stable, candidate in minutes(history)]
    factor = dispersion(pairs, OF_ERRORS, settings.unknown_dispersion)
    evidence = Evidence.of(len(ODDS), settings.restarts)
    odds = Odds.of(settings.most_error_odds)
    metric.families = [Family("errors", metric.share, OF_ERRORS, np.log(ODDS), factor, evidence, odds)]
    return metric


def latency(settings: Settings, history: Sequence[Batch], reference: dict[int, int] | None = None) -> Metric:
    """Return the metric of latency; without enough of a reference it has no families yet.

    The dispersion is measured on the bins of the plain reference: there, both arms ran the same package.
    """
    metric = Metric("latency", settings.share("latency"), settings)
    both = total(arm for batch in history for arm in (batch.stable, batch.candidate))
    metric.reference = dict(both.latency) if reference is None else reference
    if sum(metric.reference.values()) < REFERENCE_LEAST:
        return metric
    moved = slower(metric.reference, settings.tolerance)
    metric.bins, plain = cut(moved, LATENCY), cut(metric.reference, LATENCY)
    pairs = [(plain.count(candidate.latency), plain.count(stable.latency)) for stable, candidate in minutes(history)]
    factors = {
        name: dispersion(pairs, scores, settings.unknown_dispersion)
        for name, scores in _latency_scores(plain, metric.reference).items()
    }
    for name, scores in _latency_scores(metric.bins, moved).items():
        tilts = np.array(TILTS) / (2 if name == "savage" else 1)
        odds = Odds.of(settings.most_slow_odds) if name == "q95" else None
        evidence = Evidence.of(tilts.size, settings.restarts)
        factor = factors.get(name, settings.unknown_dispersion)
        metric.families.append(Family(name, metric.share / 6, scores, tilts, factor, evidence, odds))
    return metric


def drift(settings: Settings, history: Sequence[Batch], reference: dict[int, int] | None = None) -> Metric:
    """Return the metric of the predictions: higher, lower, wider or narrower than stable's (F11 of docs/judge.md)."""
    metric = Metric("drift", settings.share("drift"), settings)
    both = total(arm for batch in history for arm in (batch.stable, batch.candidate))
    metric.reference = dict(both.scores) if reference is None else reference
    if sum(metric.reference.values()) < REFERENCE_LEAST or not metric.share:
        return metric
    metric.bins = bins = cut(metric.reference, TENTHS, NO_TOP)
    pairs = [(bins.count(candidate.scores), bins.count(stable.scores)) for stable, candidate in minutes(history)]
    tilts = np.array(TILTS)
    for name, scores, signed in (
        ("higher", bins.rising(), tilts),
        ("lower", bins.rising(), -tilts),
        ("wider", bins.spread(), tilts),
        ("narrower", bins.spread(), -tilts),
    ):
        factor = dispersion(pairs, scores, settings.unknown_dispersion)
        evidence = Evidence.of(tilts.size, settings.restarts)
        metric.families.append(Family(name, metric.share / 4, scores, signed, factor, evidence))
    return metric


def _latency_scores(bins: Bins, reference: dict[int, int]) -> dict[str, Floats]:
    found = {"wilcoxon": bins.rising(), "savage": bins.savage()}
    for q in SLOW:
        if (edge := slow_edge(reference, q)) is not None:
            found[f"q{q * 100:g}"] = bins.above(edge)
    return found


def _good_and_bad(arm: Arm) -> Ints:
    return np.array((arm.completions - arm.errors, arm.errors), dtype=np.int64)


def restored(metric: Metric, data: dict[str, Any]) -> Metric:
    """Return the metric as `to_json` saw it; bins follow from the reference, what was found is taken over."""
    reference = {int(number): count for number, count in data["reference"].items()}
    if metric.name == "errors":
        found = metric
    elif data["families"]:
        found = (latency if metric.name == "latency" else drift)(metric.settings, (), reference)
    else:
        found = Metric(metric.name, metric.share, metric.settings, reference=reference)
    for family, saved in zip(found.families, data["families"], strict=True):
        family.restore(saved)
    return found
