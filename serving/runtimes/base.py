"""What every runtime offers: a batch in, an answer out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from serving.contract import Batch


class ModelError(Exception):
    """A model that cannot be loaded, or an answer that is none."""


class ModelFailed(Exception):
    """What a model in a process of its own has raised; `str()` is the name of its class."""


class ModelDied(Exception):
    """The process of a model ended, or had to be ended, while it was loading or answering."""


@dataclass(slots=True)
class Answer:
    """A regressor fills `values`, (rows,) or (rows, outputs); a classifier `labels`, perhaps `probabilities`.

    `probabilities` has the shape (rows, classes), in the order of `classes`.
    """

    values: np.ndarray | None = None
    labels: list[Any] | None = None
    probabilities: np.ndarray | None = None
    classes: Sequence[Any] | None = None
    _plain: list[Any] | None = None

    def plain(self) -> list[Any]:
        """Return each row's values, or probabilities, as Python's own numbers: made once for all who share a call."""
        if self._plain is None:
            numbers = self.values if self.values is not None else self.probabilities
            self._plain = [] if numbers is None else numbers.tolist()
        return self._plain

    def part(self, start: int, stop: int) -> Answer:
        """Return the answer to the rows from `start` to before `stop`."""
        return Answer(
            None if self.values is None else self.values[start:stop],
            None if self.labels is None else self.labels[start:stop],
            None if self.probabilities is None else self.probabilities[start:stop],
            self.classes,
            self.plain()[start:stop],
        )


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
        return _labelled(Answer(labels=np.asarray(labels).ravel().tolist(), classes=classes), rows)
    found = np.asarray(probabilities, np.float64)
    if found.shape != (rows, len(classes)) or not _finite(found):
        raise ModelError("The model's probabilities are not one finite number per row and class.")
    chosen = [classes[i] for i in found.argmax(axis=1)] if labels is None else np.asarray(labels).ravel().tolist()
    return _labelled(Answer(labels=chosen, probabilities=found, classes=classes), rows)


def _labelled(answer: Answer, rows: int) -> Answer:
    if answer.labels is None or len(answer.labels) != rows:
        raise ModelError("The model's answer does not have one label per row.")
    if rows and type(answer.labels[0]) is float and not all(map(math.isfinite, answer.labels)):
        raise ModelError("The model's answer holds a label that is not a finite number.")
    return answer
