"""Targets without chance: golden values, brute force over every small batch, merging, the time of a batch, replay."""

from __future__ import annotations

import itertools
import json
import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.judge.report import Row
from benchmarks.judge.traffic import BUSY, batches, history
from releases.analysis.batch import Arm, Batch, total
from releases.analysis.tilt import log_e
from releases.analysis.verdict import Judge, Settings

GOLDEN = (
    ((47, 3), (933, 17), (0, 1), math.log(3), 1.41900403),
    ((50, 0), (930, 20), (0, 1), math.log(2), -0.96768638),
    ((10, 20, 15, 5), (200, 300, 180, 20), (0.125, 0.375, 0.75, 0.98), 1.2, 2.29764052),
    ((10, 20, 15, 5), (200, 300, 180, 20), (0.125, 0.375, 0.75, 0.98), -1.2, -6.57196315),
    ((0, 10), (990, 0), (0, 1), math.log(20), 28.32469206),
    ((480, 20), (480, 20), (0, 1), math.log(2), -2.26854008),
    ((1, 2, 1), (3, 1, 2), (0, 0.5, 1), 1.2, -0.08798603),
)
SCORES = np.array((0.0, 0.4, 1.0))
TILTS = np.array((-1.2, 0.15, 0.8, 3.5))
MOST = 12


def golden(_: bool) -> Iterator[Row]:
    """T6: the golden values, and every batch of up to 12 requests in three bins against full enumeration."""
    worst = max(abs(float(log_e(c, b, scores, lam)) - value) for c, b, scores, lam, value in GOLDEN)
    yield Row("T6", "golden values of F1, F2: largest difference", f"{worst:.1e}", "under 1e-6", worst < 1e-6)
    far, count = 0.0, 0
    for pooled in _pooled():
        for drawn in range(1, sum(pooled)):
            for sample, mean in _enumerated(pooled, drawn):
                found = log_e(sample, np.array(pooled) - sample, SCORES, TILTS)
                far = max(far, float(np.abs(found - (TILTS * (SCORES @ sample) - mean)).max()))
                count += 1
    yield Row("T6", f"brute force, {count:,} batches of up to 12 requests", f"{far:.1e}", "under 1e-9", far < 1e-9)


def merging(_: bool) -> Iterator[Row]:
    """T7: a batch split over gateways in any way and put together in any order gives the same to the last bit."""
    dice = np.random.default_rng(7)
    judges = (Judge(Settings(), past := history(BUSY, dice)), Judge(Settings(), past))
    same = 0
    for batch in batches(BUSY, dice, 60):
        mixed = replace(batch, stable=_mixed(batch.stable, dice), candidate=_mixed(batch.candidate, dice))
        same += judges[0].observe(batch) == judges[1].observe(mixed)
    yield Row("T7", "batches split over 1 to 5 gateways, in any order: bit-equal", f"{same} of 60", "all", same == 60)


def speed(_: bool) -> Iterator[Row]:
    """T8: one batch of 12,000 requests, errors and latency, all seven families; and the size of what is kept."""
    dice = np.random.default_rng(8)
    world = type(BUSY)(1200, 0.05)
    judge, times = Judge(Settings(tolerance=0), history(world, dice)), []
    for batch in batches(world, dice):
        start = time.perf_counter()
        judge.observe(batch)
        times.append(time.perf_counter() - start)
    took, size = statistics.median(times) * 1000, len(judge.to_json())
    yield Row("T8", "one batch of 12,000 requests, seven families", f"{took:.1f} ms", "at most 20 ms", took <= 20)
    yield Row("T8", "state of a release after an hour", f"{size / 1000:.0f} kB", "under 100 kB", size < 100_000)


def total_failure(_: bool) -> Iterator[Row]:
    """T9: every request of the candidate fails; with history and without."""
    for label, known in (("with an hour of history", True), ("without history", False)):
        dice = np.random.default_rng(9)
        judge = Judge(Settings(), history(BUSY, dice) if known else ())
        requests, seen = 0, 0
        for number in range(50):
            seen = number + 1
            requests += 10
            stable = Arm(190, 190, 2, {580: 190})
            verdict = judge.observe(Batch(number, 10, 0.05, stable, Arm(10, 10, 10, {580: 10})))
            if verdict.state == "rollback":
                break
        good = verdict.state == "rollback" and seen <= 2 and requests <= 30
        words = f"{verdict.state}, {seen} batches, {requests} requests"
        yield Row("T9", f"every request fails, {label}", words, "2 batches, 30 requests", good)


def replaying(quick: bool) -> Iterator[Row]:
    """T11: stored batches, judged again from JSON, with the judge saved and restored after each: the same verdicts."""
    equal, runs = 0, 5 if quick else 40
    for seed in range(runs):
        dice = np.random.default_rng(1100 + seed)
        past, run = history(BUSY, dice), list(batches(type(BUSY)(20, 0.1, 0.01, 0.02), dice, 120))
        first, again = Judge(Settings(), past), Judge(Settings(), [_stored(each) for each in past])
        matches = True
        for batch in run:
            one = first.observe(batch)
            two = again.observe(_stored(batch))
            again = Judge.from_json(again.to_json())
            close = math.isclose(one.evidence, two.evidence, rel_tol=1e-9)
            matches &= close and (one.state, one.batch) == (two.state, two.batch)
        equal += matches
    yield Row("T11", "replayed from JSON: verdict, batch and E to 1e-9", f"{equal} of {runs}", "all", equal == runs)


def _stored(batch: Batch) -> Batch:
    return Batch.from_json(json.dumps(batch.to_json()))


def _pooled() -> Iterator[tuple[int, ...]]:
    for pooled in itertools.product(range(MOST + 1), repeat=3):
        if 2 <= sum(pooled) <= MOST:
            yield pooled


def _enumerated(pooled: tuple[int, ...], drawn: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every sample of `drawn` requests by its counts, with log of the mean over all of them."""
    samples = [
        np.array(sample) for sample in itertools.product(*(range(m + 1) for m in pooled)) if sum(sample) == drawn
    ]
    ways = [math.prod(math.comb(m, k) for m, k in zip(pooled, sample, strict=True)) for sample in samples]
    total_of = sum(way * np.exp(TILTS * (SCORES @ sample)) for way, sample in zip(ways, samples, strict=True))
    for sample in samples:
        yield sample, np.log(total_of / math.comb(sum(pooled), drawn))


def _mixed(arm: Arm, dice: np.random.Generator) -> Arm:
    """The same counts, dealt out to gateways and added up again in another order."""
    gateways = int(dice.integers(1, 6))
    parts = [_part(arm, gateway, gateways) for gateway in range(gateways)]
    return total(parts[place] for place in dice.permutation(gateways))


def _part(arm: Arm, gateway: int, gateways: int) -> Arm:
    def mine(count: int) -> int:
        return count // gateways + (gateway < count % gateways)

    # Each count is split on its own; completions last, so that they cover what belongs to them.
    latency = {number: share for number, count in arm.latency.items() if (share := mine(count))}
    errors = mine(arm.errors)
    rest = arm.completions - sum(arm.latency.values())
    timed = sum(latency.values())
    return Arm(mine(arm.starts), timed + mine(rest), min(errors, timed), latency)
