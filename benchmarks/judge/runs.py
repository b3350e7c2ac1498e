"""Many canaries, judged by the judge itself on every core."""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.judge.traffic import BATCHES, World, batches, history
from releases.analysis.verdict import Judge, Settings


@dataclass(frozen=True)
class Run:
    """How one canary ended: the state, the minute, the candidate's requests, and the highest evidence on the way."""

    state: str
    minute: float
    requests: int
    highest: float


@dataclass(frozen=True)
class Job:
    """One canary to play; a world by its name, because processes cannot hand functions over."""

    world: str
    settings: Settings
    seed: int
    count: int = BATCHES


WORLDS: dict[str, World] = {}


def play(job: Job) -> Run:
    """Play one canary to its verdict, or to its last batch."""
    dice = np.random.default_rng(job.seed)
    world = WORLDS[job.world]
    judge = Judge(job.settings, history(world, dice))
    verdict, highest = None, 0.0
    for batch in batches(world, dice, job.count):
        verdict = judge.observe(batch)
        highest = max(highest, verdict.evidence)
        if verdict.state not in ("continue", "hold"):
            break
    assert verdict
    return Run(verdict.state, verdict.seconds / 60, verdict.requests, highest)


def play_all(world: str, settings: Settings, seeds: Iterable[int], count: int = BATCHES) -> list[Run]:
    """Play one world with many seeds, on every core."""
    jobs = [Job(world, settings, seed, count) for seed in seeds]
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        return pool.map(play, jobs, chunksize=4)


def share(runs: Sequence[Run], *states: str) -> float:
    """Which share ended in one of the states."""
    return sum(run.state in states for run in runs) / len(runs)


def middle(runs: Sequence[Run], what: str) -> float:
    """The median of a figure over the runs that were rolled back; those that were not count as infinity."""
    return statistics.median(getattr(run, what) if run.state == "rollback" else float("inf") for run in runs)
