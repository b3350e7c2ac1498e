"""ONNX models: one thread, one feed per column or one matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime

from serving.contract.batch import Batch
from serving.contract.signature import Signature
from serving.runtimes.base import Answer, ModelError, choices, numbers

DTYPES = {
    "tensor(bool)": np.bool_,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(string)": np.object_,
}
SILENT = 4


class Described(Protocol):
    """What has to be known about the file: the kind of model, its classes, and which of its outputs are which."""

    @property
    def kind(self) -> str: ...

    @property
    def classes(self) -> list[Any] | None: ...

    @property
    def onnx(self) -> dict[str, Any] | None: ...


class OnnxRuntime:
    """A session and what it wants to be fed."""

    inline = True

    def __init__(self, session: Any, manifest: Described, signature: Signature) -> None:
        self._session = session
        self._classes = manifest.classes
        self._classifier = manifest.kind == "classifier"
        self._outputs = _outputs(session, manifest)
        self.probable = len(self._outputs) > 1
        inputs = session.get_inputs()
        self._matrix, self._feeds = _feeds(inputs, [field.name for field in signature.inputs])
        optional = {field.name for field in signature.inputs if not field.required}
        self._gaps = {name for name, source, dtype, _ in self._feeds if dtype is np.object_ and source in optional}

    def predict(self, batch: Batch) -> Answer:
        rows = batch.rows
        found = self._session.run(self._outputs, self._fed(batch))
        if not self._classifier:
            return numbers(found[0], rows)
        return choices(found[0], found[1] if len(found) > 1 else None, self._classes or [], rows)

    def _fed(self, batch: Batch) -> dict[str, np.ndarray]:
        if self._matrix is not None:
            name, dtype = self._matrix
            return {name: batch.matrix(dtype)}
        feeds, columns = {}, batch.columns
        for name, source, dtype, flat in self._feeds:
            values = columns[source]
            if values.ndim == 1 and not flat:
                values = values.reshape(batch.rows, 1)
            feeds[name] = _texts(values) if name in self._gaps else values.astype(dtype, copy=False)
        return feeds

    def close(self) -> None:
        self._session = None


def load_onnx(path: Path, manifest: Described, signature: Signature) -> OnnxRuntime:
    """Open a session of one thread; raises ModelError when the file or its inputs do not fit."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime raises a class of its own for each way in which a file can be wrong.
        raise ModelError(f"The ONNX file cannot be loaded: {str(error)[:200]}") from error
    return OnnxRuntime(session, manifest, signature)


Feed = tuple[str, str, Any, bool]


def _feeds(inputs: Any, names: list[str]) -> tuple[tuple[str, Any] | None, list[Feed]]:
    """Return the one input that takes all columns as a matrix with its type, or how each input is fed.

    Per input of the graph: its name, the column that fills it, its type, and whether it is flat.
    """
    wanted = [item.name for item in inputs]
    if unknown := [item.type for item in inputs if item.type not in DTYPES]:
        raise ModelError(f"The ONNX model wants inputs of the type {unknown[0]}, which is not served.")
    if len(wanted) == 1 and len(names) > 1:
        return (wanted[0], DTYPES[inputs[0].type]), []
    if len(wanted) != len(names):
        raise ModelError(f"The ONNX model has {len(wanted)} inputs, its signature {len(names)}.")
    sources = wanted if set(wanted) == set(names) else names
    pairs = zip(inputs, sources, strict=True)
    return None, [(item.name, source, DTYPES[item.type], len(item.shape) == 1) for item, source in pairs]


def _outputs(session: Any, manifest: Described) -> list[str]:
    """The names to ask for: a regressor's first output; a classifier's label and, where there is one, probabilities."""
    names = [item.name for item in session.get_outputs()]
    if manifest.kind != "classifier":
        return names[:1]
    given = manifest.onnx or {}
    asked = [given.get("label", names[0]), given.get("probabilities", names[1] if len(names) > 1 else None)]
    return [name for name in asked if name]


def _texts(values: np.ndarray) -> np.ndarray:
    """A missing text is empty to ONNX, which knows no null."""
    found = values.astype(object, copy=False)
    return np.where(found == None, "", found)  # noqa: E711 - element by element
