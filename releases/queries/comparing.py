"""What a comparison of two packages has found, as pages and REST show it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User

from releases import shadows
from releases.agreement import Finding, Rule
from releases.models import Release
from releases.rights import CAPTURE, may
from serving.metrics.histogram import quantile
from serving.tally import OTHER, Tally

MOST_SEGMENTS, LEAST_PAIRS = 12, 20


@dataclass
class Segment:
    """Requests in which a field has one value: how many pairs, and how many of them disagree."""

    field: str
    value: str
    pairs: int
    disagreed: int
    rate: float


@dataclass(frozen=True)
class Comparison:
    """`seconds`: time in the model, {live, shadow} × {p50, p99}, None where nothing was measured."""

    rule: Rule
    tally: Tally
    finding: Finding
    segments: list[Segment]
    seconds: dict[str, dict[str, float | None]]


def of(release: Release) -> Comparison | None:
    """Return what a shadow has found so far; None for any other release."""
    if release.strategy != "shadow":
        return None
    tally = shadows.found(release)
    return made(shadows.rule(release), tally, shadows.finding_of(release, tally))


def made(rule: Rule, tally: Tally, finding: Finding) -> Comparison:
    """Return a comparison, whatever it was taken from, with its times and its worst segments."""
    times = {"live": tally.live_times, "shadow": tally.shadow_times}
    seconds = {
        name: {"p50": quantile(histogram, 0.5), "p99": quantile(histogram, 0.99)} for name, histogram in times.items()
    }
    return Comparison(rule, tally, finding, segments(tally), seconds)


def segments(tally: Tally) -> list[Segment]:
    """Return where they disagree most: segments that are large enough, and worse than all pairs together."""
    whole = tally.disagreed / tally.pairs if tally.pairs else 0.0
    found = [
        Segment(field, value, pairs, unlike, unlike / pairs)
        for field, counts in tally.segments.items()
        for value, (pairs, unlike) in counts.items()
        if value != OTHER and pairs >= LEAST_PAIRS and unlike / pairs > whole
    ]
    return sorted(found, key=lambda each: -each.rate)[:MOST_SEGMENTS]


def may_see_inputs(person: User | AnonymousUser | None) -> bool:
    """Inputs are callers' data: whoever may keep requests may look at them."""
    return may(person, CAPTURE)
