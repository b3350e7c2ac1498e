"""Batches for the judge, from the gateways' counts of REST traffic; nobody else builds them.

A window is closed when every live gateway has written all of it. Within a window the counts are parted by the weight
that was in force, which their generation tells: so a change of weight never lies inside a batch, however late a gateway
adopts it. Counts that come after that go to the charts, never into a batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from releases import broker, gateways
from releases.analysis.batch import Arm, Batch, total
from releases.models import Environment, PublishedTable, Release
from serving.exchange import Heartbeat
from serving.metrics import store
from serving.metrics.store import Cell

HOUR, MINUTE = 3600, 60
CONTROL = 0.10  # what the gateways call control where nothing is compared
# One look takes up so many windows at most: a fleet that was down for an hour catches up in a few looks.
MOST_WINDOWS = 120
STABLE, CANDIDATE = ("stable", "control"), ("candidate",)


@dataclass(frozen=True)
class Window:
    """The counts from `at` (epoch) on, parted by the candidate's share; not `whole` when a gateway was lost in it."""

    at: int
    whole: bool
    parts: tuple[tuple[float, float, Arm, Arm], ...]  # share 0 to 1, seconds, stable, candidate


def closed_until(environment: str) -> float | None:
    """Return the moment (epoch) up to which every live gateway has written its counts; None when nobody can know."""
    beats = [beat for beat in gateways.alive() or [] if environment in beat.environments]
    return min((float(beat.watermark) for beat in beats), default=None)


def windows(release: Release, start: int, length: int) -> list[Window]:
    """Return the closed windows from `start` (epoch) on, oldest first; none while nobody can know."""
    name, model = release.environment.name, release.model.name
    closed = closed_until(name)
    if closed is None:
        return []
    end = min(int(closed) // length * length, start + length * MOST_WINDOWS)
    step: Literal[1, 10] = 10 if length % 10 == 0 else 1
    # Somewhat further than is judged, to see who was still there afterwards.
    seen = min(closed, end + MINUTE)
    cells = [cell for cell in store.read(broker.client(), name, start, seen, step, model) if cell.mode == "rest"]
    shares = _shares(release.environment, model, {cell.generation for cell in cells})
    lost = _lost(cells, gateways.alive() or [])
    by_window: dict[int, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_window[cell.at - (cell.at - start) % length].append(cell)
    return [
        Window(at, not any(at <= moment < at + length for moment in lost), _parts(by_window[at], shares, length))
        for at in range(start, end, length)
    ]


def counted(release: Release, start: int, end: int, length: int) -> dict[int, int]:
    """Return how many requests of both arms are counted by now in each window of [start, end).

    Those of a gateway that came up in a window are left out there: it had not said that it lives when that was closed.
    """
    name, model = release.environment.name, release.model.name
    step: Literal[1, 10] = 10 if length % 10 == 0 else 1
    cells = [c for c in store.read(broker.client(), name, start - MINUTE, end, step, model) if c.mode == "rest"]
    shares = _shares(release.environment, model, {cell.generation for cell in cells})
    first: dict[str, int] = {}
    for cell in cells:
        first[cell.boot] = min(first.get(cell.boot, cell.at), cell.at)
    found: dict[int, int] = defaultdict(int)
    for cell in cells:
        at = cell.at - (cell.at - start) % length
        both = cell.arm in (*STABLE, *CANDIDATE) and 0 < shares.get(cell.generation, 0.0) < 1
        if cell.at >= start and both and first[cell.boot] < at:
            found[at] += cell.starts
    return found


def history(environment: str, model: str, digest: str, now: float) -> list[Batch]:
    """Return the hour before as batches of a minute: the live package beside its control, which is itself."""
    start = int(now) // MINUTE * MINUTE - HOUR
    cells = store.read(broker.client(), environment, start, start + HOUR, 10, model)
    arms: dict[int, dict[str, list[Arm]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        if cell.mode == "rest" and cell.package == digest:
            arms[cell.at // MINUTE][cell.arm].append(_arm(cell))
    return [
        Batch(number, MINUTE, CONTROL, total(arms[number]["stable"]), total(arms[number]["control"]))
        for number in sorted(arms)
        if arms[number]["control"]
    ]


def _shares(environment: Environment, model: str, generations: Iterable[int]) -> dict[int, float]:
    """Return the candidate's share by generation, as it was published."""
    found = {}
    tables = PublishedTable.objects.filter(environment=environment, generation__in=list(generations))
    for generation, body in tables.values_list("generation", "body"):
        targets = body["routes"].get(model, {"targets": []})["targets"]
        weights = {target["arm"]: target["weight"] for target in targets}
        both = weights.get("candidate", 0.0) + weights.get("stable", 0.0)
        found[generation] = weights.get("candidate", 0.0) / both if both else 0.0
    return found


def _lost(cells: Iterable[Cell], beats: Iterable[Heartbeat]) -> list[int]:
    """Return the last moments of gateways that are gone: what they had not written by then is missing there."""
    alive, last = {beat.boot for beat in beats}, dict[str, int]()
    for cell in cells:
        if cell.boot not in alive:
            last[cell.boot] = max(last.get(cell.boot, 0), cell.at)
    return list(last.values())


def _parts(cells: list[Cell], shares: Mapping[int, float], length: int) -> tuple[tuple[float, float, Arm, Arm], ...]:
    """Part the cells by share, in the order of the generations; each lasts as its part of the requests."""
    by_share: dict[float, list[Cell]] = defaultdict(list)
    for cell in sorted(cells, key=lambda cell: cell.generation):
        if cell.arm in (*STABLE, *CANDIDATE):
            by_share[shares.get(cell.generation, 0.0)].append(cell)
    starts = {share: sum(cell.starts for cell in found) for share, found in by_share.items()}
    all_starts = max(1, sum(starts.values()))
    return tuple(
        (share, max(0.001, length * starts[share] / all_starts), _of(found, STABLE), _of(found, CANDIDATE))
        for share, found in by_share.items()
    )


def _of(cells: Iterable[Cell], arms: tuple[str, ...]) -> Arm:
    return total(_arm(cell) for cell in cells if cell.arm in arms)


def _arm(cell: Cell) -> Arm:
    return Arm(cell.starts, cell.completions, sum(cell.errors.values()), cell.latency, cell.scores)
