"""What the judge of a release found, as pages show it: the newest verdict, and the evidence over time."""

from __future__ import annotations

from dataclasses import dataclass, field

from releases import judging
from releases.analysis.settings import Settings
from releases.analysis.verdict import Verdict
from releases.models import Judgement, Release

# A chart shows no more than this many batches; of more every second, third, … one.
MOST_POINTS = 240
Point = tuple[float, float, dict[str, float]]


@dataclass(frozen=True)
class Judged:
    """The judge's settings and findings. Points are (epoch seconds, E, E by family), oldest first."""

    settings: Settings
    minutes: int
    length: int
    skipped: int
    began: int
    verdict: Verdict | None
    points: list[Point] = field(default_factory=list)


def judged(release: Release, with_points: bool = False) -> Judged | None:
    """Return what the judge found so far; None where a release was never judged."""
    judgement = Judgement.objects.filter(release=release).defer("state", "history").first()
    if judgement is None:
        return None
    verdict = judging.newest(release)
    return Judged(
        settings=Settings.from_json(judgement.settings),
        minutes=judgement.minutes,
        length=judgement.length,
        skipped=judgement.skipped,
        began=judgement.began,
        verdict=verdict,
        points=_points(release, verdict) if with_points and verdict else [],
    )


def _points(release: Release, verdict: Verdict) -> list[Point]:
    every = verdict.batch // MOST_POINTS + 1
    wanted = [*range(0, verdict.batch, every), verdict.batch]
    rows = release.batches.filter(number__in=wanted).order_by("number")
    return [(at, e, parts or {}) for at, e, parts in rows.values_list("at", "evidence", "verdict__by_family")]
