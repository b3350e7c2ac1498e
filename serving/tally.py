"""What a comparison of two packages has found so far: counts that add up, samples of bounded size (pure)."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from typing import Any

import msgspec

from serving.metrics.histogram import bucket, merge
from serving.metrics.series import merge_into

# How much of each is kept; what comes later goes under OTHER, or takes the place of a smaller or an older one.
MOST_POINTS, MOST_LARGEST, MOST_VALUES, MOST_FLIPS, MOST_FIELDS = 400, 50, 40, 100, 100
MOST_INPUT = 4096
OTHER = "…"
# What is smaller has no first digit worth naming.
LEAST = 1e-300
Counts = dict[str, list[int]]


class Largest(msgspec.Struct, kw_only=True):
    """One row whose answers are far `apart`: its inputs as they came, without the sensitive ones, and both answers."""

    apart: float
    at: float
    id: str
    inputs: dict[str, Any]
    live: Any
    shadow: Any


class Seen(msgspec.Struct, kw_only=True):
    """The row of one request that counts. `inputs` are those that may be looked at; times are seconds in the model."""

    agrees: bool
    live: float
    shadow: float
    flip: tuple[str, str] | None
    inputs: Mapping[str, Any]
    live_seconds: float
    shadow_seconds: float


class Tally(msgspec.Struct, kw_only=True):
    """The findings of one process, or of several added up.

    A pair is a request that the live package answered: `agreed` of them alike, `failed` where the shadow gave no
    answer, by the reason. `unpaired` are requests that the live package failed on itself, `dropped` those for which
    there was no room. `flips` count from → to, `segments` are [pairs, disagreements] by field and value, `points` are
    (live, shadow) of pairs drawn at random. `error` says why the shadow cannot answer at all.
    """

    at: float = 0.0
    pairs: int = 0
    agreed: int = 0
    unpaired: int = 0
    dropped: int = 0
    failed: dict[str, int] = {}
    flips: dict[str, int] = {}
    segments: dict[str, Counts] = {}
    live_times: dict[int, int] = {}
    shadow_times: dict[int, int] = {}
    points: list[tuple[float, float]] = []
    largest: list[Largest] = []
    ready: bool = False
    error: str = ""

    @property
    def disagreed(self) -> int:
        """Pairs that do not agree; no answer is none that agrees."""
        return self.pairs - self.agreed

    def add(self, seen: Seen, dice: random.Random) -> None:
        """Take in a pair that both have answered."""
        self.pairs += 1
        self.agreed += seen.agrees
        _count(self.live_times, bucket(seen.live_seconds))
        _count(self.shadow_times, bucket(seen.shadow_seconds))
        if seen.flip is not None:
            _count_capped(self.flips, " → ".join(seen.flip), MOST_FLIPS)
        for name, value in list(seen.inputs.items())[:MOST_FIELDS]:
            _segment(self.segments.setdefault(name, {}), segment(value), seen.agrees)
        self._draw((seen.live, seen.shadow), dice)

    def fail(self, why: str) -> None:
        """Take in a pair that the shadow has not answered."""
        self.pairs += 1
        _count_capped(self.failed, why[:60], MOST_FLIPS)

    def keep(self, found: Iterable[Largest]) -> None:
        """Keep the largest differences there were, up to the cap; the same row once."""
        for each in found:
            if not each.inputs or all(each.inputs != other.inputs for other in self.largest):
                self.largest = nlargest(MOST_LARGEST, [*self.largest, each], key=lambda one: one.apart)

    def least(self) -> float:
        """Return how far apart a row must be to be kept."""
        return self.largest[-1].apart if len(self.largest) >= MOST_LARGEST else 0.0

    def _draw(self, point: tuple[float, float], dice: random.Random) -> None:
        """A sample in which every pair that was answered is as likely as any other (Vitter 1985, algorithm R)."""
        if len(self.points) < MOST_POINTS:
            self.points.append(point)
        elif (place := dice.randrange(self.pairs - sum(self.failed.values()))) < MOST_POINTS:
            self.points[place] = point


def added(tallies: Sequence[Tally]) -> Tally:
    """Return all of them as one; counts are exact, samples stay within their caps."""
    total = Tally()
    for tally in tallies:
        total.at = max(total.at, tally.at)
        for name in ("pairs", "agreed", "unpaired", "dropped"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
        merge_into(total.failed, tally.failed)
        merge_into(total.flips, tally.flips)
        for name, counts in tally.segments.items():
            _merge_segment(total.segments.setdefault(name, {}), counts)
        total.keep(tally.largest)
        total.error = total.error or tally.error
    total.ready = any(tally.ready for tally in tallies)
    total.live_times = merge(tally.live_times for tally in tallies)
    total.shadow_times = merge(tally.shadow_times for tally in tallies)
    total.points = _shared(tallies)
    return total


def _shared(tallies: Sequence[Tally]) -> list[tuple[float, float]]:
    """Each process gives as many points as its part of the pairs."""
    pairs = sum(tally.pairs for tally in tallies) or 1
    if sum(len(tally.points) for tally in tallies) <= MOST_POINTS:
        return [point for tally in tallies for point in tally.points]
    return [point for tally in tallies for point in tally.points[: MOST_POINTS * tally.pairs // pairs]]


def segment(value: Any) -> str:
    """Return the segment that a value belongs to: a text or a truth itself, a number by its first digit."""
    if isinstance(value, bool | str):
        return str(value)[:60]
    if not isinstance(value, int | float) or not math.isfinite(value):
        return OTHER
    if abs(value) < LEAST:
        return "0"
    unit = 10.0 ** math.floor(math.log10(abs(value)))
    low = math.floor(value / unit) * unit
    return f"{value:g}" if isinstance(value, int) and abs(value) < 10 else f"{low:.6g} to {low + unit:.6g}"


def _segment(counts: Counts, name: str, agrees: bool) -> None:
    found = counts.setdefault(name if name in counts or len(counts) < MOST_VALUES else OTHER, [0, 0])
    found[0] += 1
    found[1] += not agrees


def _merge_segment(total: Counts, more: Counts) -> None:
    for name, (pairs, unlike) in more.items():
        found = total.setdefault(name if name in total or len(total) < MOST_VALUES else OTHER, [0, 0])
        found[0] += pairs
        found[1] += unlike


def _count(counts: dict[int, int], name: int) -> None:
    counts[name] = counts.get(name, 0) + 1


def _count_capped(counts: dict[str, int], name: str, most: int) -> None:
    name = name if name in counts or len(counts) < most else OTHER
    counts[name] = counts.get(name, 0) + 1


_decoder = msgspec.json.Decoder(Tally)


def dumps(tally: Tally) -> bytes:
    return msgspec.json.encode(tally)


def loads(data: bytes) -> Tally:
    """Read what `dumps` wrote; raises ValueError for anything else."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(f"The tally of a shadow cannot be read: {error}.") from error
