"""Which package answers a row: the same for the same input, generation and row, whoever asks and when (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from serving.batch.plan import Plan
from serving.gateway.ways import chance
from serving.routing import Target

# splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014): its increment, and the
# factors of its finalizer (Stafford's variant 13).
STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def draws(plan: Plan, first: int, rows: int) -> np.ndarray:
    """Return for each of the rows from number `first` on a number in [0, 1), spread evenly and independently."""
    seed = hashlib.sha256(f"{plan.digest}\0{plan.model}\0{plan.generation}".encode()).digest()
    with np.errstate(over="ignore"):
        found = (np.arange(first, first + rows, dtype=np.uint64) + np.uint64(1)) * np.uint64(STEP)
        found += np.uint64(int.from_bytes(seed[:8], "big"))
        found = (found ^ (found >> np.uint64(30))) * np.uint64(FIRST)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(SECOND)
    found = found ^ (found >> np.uint64(31))
    return (found >> np.uint64(11)).astype(np.float64) / 2**53


def sticky(plan: Plan, keys: Sequence[bytes | None], first: int) -> np.ndarray:
    """Return the number that each row's sticky key gives it, as for REST; a row without one draws."""
    drawn = draws(plan, first, len(keys))
    return np.array([drawn[i] if key is None else chance(plan.model, key) for i, key in enumerate(keys)])


def places(targets: Sequence[Target], numbers: np.ndarray) -> np.ndarray:
    """Return for each number whose share of [0, 1) holds it, as a place in `targets`."""
    edges = np.cumsum([target.weight for target in targets])
    return np.minimum(np.searchsorted(edges / edges[-1], numbers, side="right"), len(targets) - 1)
