"""One chunk answered by two packages, and how they differ: every row a pair, by the rule of every comparison (D13)."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from serving.batch.answering import Loaded, Records, ask
from serving.batch.checking import Read
from serving.batch.plan import Chunk, Outputs, Plan, Wrong
from serving.batch.texts import Made
from serving.comparison import Compared, Rule, compare
from serving.runtimes import Answer
from serving.runtimes.rows import predictions
from serving.tally import MOST_INPUT, MOST_LARGEST, Largest, Seen, Tally


@dataclass(frozen=True)
class _Side:
    """What one package makes of a chunk; `seconds` are those of one row in the model."""

    read: Read
    made: Made
    wrong: list[Wrong]
    seconds: float

    def answer(self, outputs: Outputs, at: np.ndarray) -> Answer:
        """Return some of the answers; a class that the package does not know has no probability."""
        if self.made.values is not None:
            values = self.made.values[at]
            return Answer(values=values[:, 0] if outputs.width == 1 else values)
        labels = [(self.made.labels or [])[place] for place in at.tolist()]
        chances = self.made.probabilities
        return Answer(
            labels=labels,
            probabilities=None if chances is None else np.nan_to_num(chances[at]),
            classes=outputs.classes,
        )


def compared(
    plan: Plan, chunk: Chunk, records: Records, live: Loaded, other: Loaded, rule: Rule
) -> tuple[Tally, list[Wrong]]:
    """Return how the other package's answers differ from the live one's, and the rows that the live one refuses.

    The same chunk gives the same findings: the sample of points is drawn by the input and the chunk. Times are not.
    """
    dice = random.Random(f"{plan.digest} {chunk.number}")  # noqa: S311 - a sample, no secret
    ours, theirs = _side(plan, live, records), _side(plan, other, records)
    found = Tally(ready=True, unpaired=records.rows - len(ours.made.places))
    both, mine, his = np.intersect1d(ours.made.places, theirs.made.places, return_indices=True)
    answers = ours.answer(plan.outputs, mine), theirs.answer(plan.outputs, his)
    if len(both):
        outcome = compare(*answers, rule)
        inputs = _Inputs(live, ours.read, both)
        for row in range(len(both)):
            found.add(_seen(outcome, row, inputs.of(row), ours.seconds, theirs.seconds), dice)
        found.keep(_largest(outcome, inputs, both + chunk.first, answers))
    why = {each.row: each.rule for each in theirs.wrong if not each.field}
    for place in np.setdiff1d(ours.made.places, both).tolist():
        found.fail(why.get(place, "refused the request"))
    return found, [Wrong(chunk.first + each.row, each.field, each.rule) for each in ours.wrong]


def _side(plan: Plan, package: Loaded, records: Records) -> _Side:
    read = records.read(package.decoder)
    began = time.perf_counter()
    made, wrong = ask(plan.outputs, package, read)
    return _Side(read, made, wrong, (time.perf_counter() - began) / max(1, read.batch.rows))


class _Inputs:
    """The fields of the rows that both have answered; those that are marked sensitive never leave the process."""

    def __init__(self, package: Loaded, read: Read, places: np.ndarray) -> None:
        at = np.searchsorted(read.good, places)
        names = [field.name for field in package.decoder.fields if not field.sensitive]
        self._columns = {name: read.batch.columns[name][at].tolist() for name in names}

    def of(self, row: int) -> dict[str, Any]:
        return {name: values[row] for name, values in self._columns.items()}


def _seen(outcome: Compared, row: int, inputs: dict[str, Any], live_seconds: float, seconds: float) -> Seen:
    return Seen(
        agrees=bool(outcome.agrees[row]),
        live=float(outcome.live[row]),
        shadow=float(outcome.shadow[row]),
        flip=outcome.flips[row],
        inputs={name: value for name, value in inputs.items() if not isinstance(value, list)},
        live_seconds=live_seconds,
        shadow_seconds=seconds,
    )


def _largest(
    outcome: Compared, inputs: _Inputs, numbers: np.ndarray, answers: tuple[Answer, Answer]
) -> Iterator[Largest]:
    """Yield the rows that differ most, as many as a tally keeps."""
    for row in np.argsort(-outcome.apart, kind="stable")[:MOST_LARGEST].tolist():
        if outcome.agrees[row]:
            continue
        kept = inputs.of(row)
        if len(msgspec.json.encode(kept)) > MOST_INPUT:
            kept = {}
        live, shadow = (predictions(answer)[row] for answer in answers)
        name = f"row {numbers[row]}"
        yield Largest(apart=float(outcome.apart[row]), at=0.0, id=name, inputs=kept, live=live, shadow=shadow)
