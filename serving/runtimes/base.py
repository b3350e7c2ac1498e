"""What every runtime offers: a batch in, an answer out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from serving.contract.batch import Batch

T = TypeVar("T")


class ModelError(Exception):
    """A model that cannot be loaded, or an answer that is none."""


class ModelFailed(Exception):
    """What a model in a process of its own has raised; `str()` is the name of its class."""


class ModelDied(Exception):
    """The process of a model ended, or had to be ended, while it was loading or answering."""


class Answer:
    """A regressor fills `values`, (rows,) or (rows, outputs); a classifier `labels`, perhaps `probabilities`.

    `probabilities` has the shape (rows, classes), in the order of `classes`. A part of an answer is one too: it looks
    at the whole, and cuts out its rows when it is asked for them.
    """

    __slots__ = ("_labels", "_made", "_probabilities", "_rows", "_values", "classes")

    def __init__(
        self,
        values: np.ndarray | None = None,
        labels: list[Any] | None = None,
        probabilities: np.ndarray | None = None,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self._values, self._labels, self._probabilities, self.classes = values, labels, probabilities, classes
        self._rows = slice(None)
        self._made: dict[Any, list[Any]] = {}

    @property
    def values(self) -> np.ndarray | None:
        return None if self._values is None else self._values[self._rows]

    @property
    def labels(self) -> list[Any] | None:
        return None if self._labels is None else self._labels[self._rows]

    @property
    def probabilities(self) -> np.ndarray | None:
        return None if self._probabilities is None else self._probabilities[self._rows]

    def once(self, make: Callable[[Answer], list[T]]) -> list[T]:
        """Return these rows of `make(whole)`, which has an item for each: made once for all who share a call."""
        found = self._made.get(make)
        if found is None:
            found = self._made[make] = make(self.part(None, None))
        return found[self._rows]

    def plain(self) -> list[Any]:
        """Return each row's values, or probabilities, as Python's own numbers."""
        return self.once(_plain)

    def part(self, start: int | None, stop: int | None) -> Answer:
        """Return the answer to the rows from `start` to before `stop` of the whole."""
        part: Answer = Answer.__new__(Answer)
        part._values, part._labels, part._probabilities = self._values, self._labels, self._probabilities
        part.classes, part._made, part._rows = self.classes, self._made, slice(start, stop)
        return part


def _plain(answer: Answer) -> list[Any]:
    numbers = answer.values if answer.values is not None else answer.probabilities
    return [] if numbers is None else list(numbers.tolist())


class Runtime(Protocol):
    """A loaded model. `probable`: whether it answers with probabilities too.

    `inline`: whether it computes in the caller's own process, and so may be asked on the event loop when it is quick.
    """

    probable: bool
    inline: bool

    def predict(self, batch: Batch) -> Answer:
        """Answer every row, in order; raises what the model raises, and ModelError for an answer of a wrong form."""
        ...

    def close(self) -> None:
        """Let go of the model's memory; no call comes after this one."""
        ...


def numbers(values: Any, rows: int) -> Answer:
    """Return a regressor's answer from whatever array the model gave; raises ModelError."""
    found = np.asarray(values, np.float64)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found.ravel()
    if found.ndim not in (1, 2) or found.shape[0] != rows:
        raise ModelError("The model's answer does not have one value per row.")
    if not _finite(found):
        raise ModelError("The model's answer holds a value that is not a finite number.")
    return Answer(values=found)


def _finite(found: np.ndarray) -> bool:
    """A sum of squares is the quickest way to see it; only where that overflows every number is looked at."""
    return math.isfinite(np.vdot(found, found)) or bool(np.isfinite(found).all())


def choices(labels: Any, probabilities: Any, classes: Sequence[Any], rows: int) -> Answer:
    """Return a classifier's answer; without labels each row gets its likeliest class. Raises ModelError."""
    if probabilities is None:
        return Answer(labels=_labelled(np.asarray(labels).ravel().tolist(), rows), classes=classes)
    found = np.asarray(probabilities, np.float64)
    if found.shape != (rows, len(classes)) or not _finite(found):
        raise ModelError("The model's probabilities are not one finite number per row and class.")
    chosen = [classes[i] for i in found.argmax(axis=1)] if labels is None else np.asarray(labels).ravel().tolist()
    return Answer(labels=_labelled(chosen, rows), probabilities=found, classes=classes)


def _labelled(labels: list[Any], rows: int) -> list[Any]:
    if len(labels) != rows:
        raise ModelError("The model's answer does not have one label per row.")
    if rows and type(labels[0]) is float and not all(map(math.isfinite, labels)):
        raise ModelError("The model's answer holds a label that is not a finite number.")
    return labels
