"""A bundle's model on the device: the contract's own check, ONNX Runtime, and the golden rows that prove both."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from serving.contract import explaining
from serving.contract.batch import MOST_ROWS, Batch, Layout
from serving.contract.errors import ContractError
from serving.contract.signature import Signature
from serving.edge.documents import CONTRACT, GOLDEN, MODEL, EdgeError, Manifest
from serving.runtimes.base import ModelError
from serving.runtimes.onnx import load_onnx
from serving.runtimes.rows import predictions

# Of the first golden row, after as many that only warm up.
TIMED = 20


@dataclass(frozen=True)
class Report:
    """What a self-test showed; `problem` is empty where all went well.

    `seconds` is the median time of one row, `memory` the peak of the process in bytes (0 where nobody can know).
    """

    problem: str = ""
    seconds: float = 0.0
    memory: int = 0

    @property
    def passed(self) -> bool:
        return not self.problem


class EdgeModel:
    """A model that answers `{"instances": [row, …]}` as the server's V1 protocol does."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._manifest = manifest
        self.signature = Signature.from_json(json.loads((folder / CONTRACT).read_bytes())).check()
        self._layout = Layout(self.signature.inputs)
        self._golden = json.loads((folder / GOLDEN).read_bytes())
        try:
            self._runtime = load_onnx(folder / MODEL, manifest, self.signature)
        except ModelError as error:
            raise EdgeError(str(error)) from error

    def predict(self, body: bytes) -> list[Any]:
        """Answer a request; raises ContractError with every broken rule, as the server would name it."""
        return predictions(self._runtime.predict(self._read(body)))

    def _read(self, body: bytes) -> Batch:
        explaining.refuse_v1(body, self.signature.inputs, MOST_ROWS)
        instances = json.loads(body)["instances"]
        rows = [self._values(row) for row in instances]
        if self.signature.tensor is None:
            return Batch.laid_out(self._layout, rows)
        only = self.signature.tensor
        return Batch(len(rows), {only.name: np.array([row[0] for row in rows], only.kind.dtype)})

    def _values(self, row: Any) -> list[Any]:
        fields = self.signature.inputs
        if isinstance(row, dict):
            return [row.get(field.name) for field in fields]
        return [row] if self.signature.tensor is not None else [*row, *[None] * (len(fields) - len(row))]

    def self_test(self) -> Report:
        """Answer the golden rows, and refuse the wrong ones; nothing that a model does may raise out of here."""
        try:
            return Report(self._answers() or self._refusals(), self._seconds())
        except Exception as error:  # a model may raise whatever it likes
            return Report(f"The self-test ended with {type(error).__name__}.")

    def _answers(self) -> str:
        rows, wanted = self._golden["rows"], self._golden["predictions"]
        found = self.predict(_body(rows))
        far = apart(found, wanted)
        if far > self._manifest.tolerance:
            return f"The golden rows are answered {far:.1e} away from what was signed."
        return ""

    def _refusals(self) -> str:
        for case in self._golden["refused"]:
            try:
                self.predict(_body([case["row"]]))
            except ContractError as problem:
                if [[each["field"], each["rule"]] for each in problem.details] != case["rules"]:
                    return "A wrong row is refused by other rules than the server's."
            else:
                return "A wrong row is answered."
        return ""

    def _seconds(self) -> float:
        body, times = _body(self._golden["rows"][:1]), []
        for at in range(2 * TIMED):
            start = time.perf_counter()
            self.predict(body)
            if at >= TIMED:
                times.append(time.perf_counter() - start)
        return median(times)


def apart(found: Sequence[Any], wanted: Sequence[Any]) -> float:
    """Return how far answers are apart, as a part of the largest number wanted; another form or label is infinity."""
    if len(found) != len(wanted):
        return math.inf
    ours, theirs = [], []
    for one, other in zip(found, wanted, strict=True):
        if _form(one) != _form(other):
            return math.inf
        ours += _numbers(one)
        theirs += _numbers(other)
    scale = max((abs(number) for number in theirs), default=0.0) or 1.0
    return max((abs(one - other) / scale for one, other in zip(ours, theirs, strict=True)), default=0.0)


def _form(answer: Any) -> Any:
    """All of an answer but its numbers: the label, the names of the classes, and how lists are nested."""
    if isinstance(answer, dict):
        return (answer["label"], tuple(answer.get("probabilities", ())))
    return tuple(map(_form, answer)) if isinstance(answer, list) else None


def _numbers(answer: Any) -> list[float]:
    if isinstance(answer, dict):
        return list(answer.get("probabilities", {}).values())
    return [number for part in answer for number in _numbers(part)] if isinstance(answer, list) else [float(answer)]


def _body(rows: Sequence[Any]) -> bytes:
    return json.dumps({"instances": list(rows)}).encode()
