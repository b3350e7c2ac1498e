"""A call of many rows in which a row that the model fails on fails alone (D24)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from serving.contract import Batch
from serving.runtimes import Answer

Ask = Callable[[Batch], Answer]


def alone(ask: Ask, batch: Batch) -> Iterator[tuple[int, Answer | str]]:
    """Yield from which row on, and the answers; for a row that the model fails on alone, why, in words."""
    try:
        yield 0, ask(batch)
    except Exception as failure:
        # A model may raise anything, and one row that it fails on must not take the others with it.
        if batch.rows == 1:
            yield 0, f"the model failed on this row ({type(failure).__name__})"
            return
        half = batch.rows // 2
        for start, part in ((0, part_of(batch, 0, half)), (half, part_of(batch, half, batch.rows))):
            for at, found in alone(ask, part):
                yield start + at, found


def part_of(batch: Batch, start: int, stop: int) -> Batch:
    """Return the rows from `start` to before `stop`."""
    if start == 0 and stop >= batch.rows:
        return batch
    return Batch(min(stop, batch.rows) - start, {name: values[start:stop] for name, values in batch.columns.items()})
