"""Rows answered: each by the package that its number picks, and one that fails fails alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from serving.alone import alone, part_of
from serving.batch.checking import Read
from serving.batch.picking import draws, places, sticky
from serving.batch.plan import Outputs, Plan, Wrong
from serving.batch.texts import Made
from serving.contract import Decoder
from serving.routing import Target
from serving.runtimes import Answer, Runtime

# What a model works on at once: more does not make it faster, and takes memory.
SLICE = 4096


@dataclass(frozen=True)
class Loaded:
    """A package that answers here."""

    target: Target
    decoder: Decoder
    runtime: Runtime


class Records(Protocol):
    """Rows of an input, in whatever form it came."""

    rows: int

    def take(self, places: np.ndarray) -> Records: ...

    def read(self, decoder: Decoder) -> Read: ...


Packages = Mapping[str, Loaded]


def answer(plan: Plan, first: int, records: Records, packages: Packages) -> tuple[Made, list[Wrong]]:
    """Answer every row of which the first has the number `first`; wrong ones come back with their own numbers."""
    made, wrong = [], []
    for package, rows in _groups(plan, first, records, packages):
        read = (records if rows is None else records.take(rows)).read(package.decoder)
        answered, refused = ask(plan.outputs, package, read)
        at = np.arange(records.rows) if rows is None else rows
        made.append(_moved(answered, at))
        wrong += [Wrong(first + int(at[each.row]), each.field, each.rule) for each in refused]
    return _merged(made), sorted(wrong, key=lambda each: each.row)


def _groups(plan: Plan, first: int, records: Records, packages: Packages) -> Iterator[tuple[Loaded, np.ndarray | None]]:
    """Yield each package with the rows it answers; None for all of them."""
    if len(plan.targets) == 1:
        yield packages[plan.targets[0].digest], None
        return
    picked = places(plan.targets, _numbers(plan, first, records, packages))
    for at, target in enumerate(plan.targets):
        if len(rows := np.flatnonzero(picked == at)):
            yield packages[target.digest], rows


def _numbers(plan: Plan, first: int, records: Records, packages: Packages) -> np.ndarray:
    if plan.sticky is None:
        return draws(plan, first, records.rows)
    stable = next((target for target in plan.targets if target.arm == "stable"), plan.targets[-1])
    read = records.read(packages[stable.digest].decoder)
    keys: list[bytes | None] = [None] * records.rows
    if plan.sticky in read.batch.columns:
        for place, value in zip(read.good.tolist(), read.batch.columns[plan.sticky].tolist(), strict=True):
            keys[place] = repr([value]).encode()
    return sticky(plan, keys, first)


def ask(outputs: Outputs, package: Loaded, read: Read) -> tuple[Made, list[Wrong]]:
    """Answer what was read with one package; return the answers, and what is wrong with the other rows, by place."""
    kept, parts, wrong = [], [], list(read.wrong)
    for start in range(0, read.batch.rows, SLICE):
        for at, found in alone(package.runtime.predict, part_of(read.batch, start, start + SLICE)):
            if isinstance(found, str):
                wrong.append(Wrong(int(read.good[start + at]), "", found))
                continue
            parts.append(_fitted(outputs, found))
            kept.append(read.good[start + at : start + at + _rows(found)])
    return _joined(package, kept, parts), wrong


def _rows(found: Answer) -> int:
    return len(found.labels or []) if found.values is None else len(found.values)


def _fitted(outputs: Outputs, found: Answer) -> Answer:
    """Return the answer with its numbers as the plan has them: (rows, width), or the plan's classes in its order."""
    if found.values is not None:
        values = found.values.reshape(len(found.values), -1)
        if outputs.classes is not None or values.shape[1] != outputs.width:
            raise ValueError(
                f"A package answers with {values.shape[1]} numbers a row, and the job was made for others."
            )
        return Answer(values=values)
    if outputs.classes is None or not outputs.probable:
        return Answer(labels=found.labels, classes=found.classes)
    names = {name: at for at, name in enumerate(outputs.classes)}
    table = np.full((len(found.labels or []), len(names)), np.nan)
    if found.probabilities is not None:
        table[:, [names[str(name)] for name in found.classes or []]] = found.probabilities
    return Answer(labels=found.labels, probabilities=table, classes=outputs.classes)


def _joined(package: Loaded, kept: list[np.ndarray], parts: list[Answer]) -> Made:
    rows = np.concatenate(kept) if kept else np.empty(0, np.int64)
    return Made(
        rows,
        np.full(len(rows), package.target.package, np.int64),
        _stacked([part.values for part in parts]),
        [label for part in parts for label in part.labels or []] if parts and parts[0].values is None else None,
        _stacked([part.probabilities for part in parts]),
    )


def _stacked(parts: list[np.ndarray | None]) -> np.ndarray | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if found else None


def _moved(made: Made, at: np.ndarray) -> Made:
    return Made(at[made.places], made.packages, made.values, made.labels, made.probabilities)


def _merged(parts: list[Made]) -> Made:
    """Return the answers of all packages in the order of the rows."""
    full = [part for part in parts if len(part.places)]
    if len(full) <= 1:
        return full[0] if full else parts[0]
    rows = np.concatenate([part.places for part in full])
    order = np.argsort(rows)
    labels = [label for part in full for label in part.labels or []]
    values, chances = _stacked([p.values for p in full]), _stacked([p.probabilities for p in full])
    return Made(
        rows[order],
        np.concatenate([part.packages for part in full])[order],
        None if values is None else values[order],
        [labels[place] for place in order.tolist()] if labels else None,
        None if chances is None else chances[order],
    )


def outputs_of(answers: Sequence[Answer]) -> Outputs:
    """Return what packages answer with, from an answer of each; raises ValueError where they do not fit."""
    if len({answer.values is None for answer in answers}) > 1:
        raise ValueError("One of the packages answers with numbers, and another one with classes.")
    if answers[0].values is None:
        names = dict.fromkeys(str(name) for answer in answers for name in answer.classes or [])
        return Outputs(0, list(names), any(answer.probabilities is not None for answer in answers))
    widths = {math.prod(answer.values.shape[1:]) for answer in answers if answer.values is not None}
    if len(widths) > 1:
        raise ValueError("The packages answer with different numbers of values.")
    return Outputs(widths.pop())
