"""ONNX models: one thread, one feed per column or one matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from serving.artefacts import Manifest
from serving.contract import Batch, Signature
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


class OnnxRuntime:
    """A session and what it wants to be fed."""

    def __init__(self, session: Any, manifest: Manifest, signature: Signature) -> None:
        self._session = session
        self._classes = manifest.classes
        self._classifier = manifest.kind == "classifier"
        self._outputs = _outputs(session, manifest)
        self.probable = len(self._outputs) > 1
        inputs = session.get_inputs()
        self._feeds = _feeds(inputs, [field.name for field in signature.inputs], manifest)
        optional = {field.name for field in signature.inputs if not field.required}
        self._gaps = {name for name, sources, dtype, _ in self._feeds if dtype is np.object_ and optional & {*sources}}

    def predict(self, batch: Batch) -> Answer:
        columns, rows = batch.columns, batch.rows
        feeds = {}
        for name, sources, dtype, flat in self._feeds:
            values = columns[sources[0]] if len(sources) == 1 else np.column_stack([columns[name] for name in sources])
            if values.ndim == 1 and not flat:
                values = values.reshape(rows, 1)
            feeds[name] = _texts(values) if name in self._gaps else values.astype(dtype, copy=False)
        found = self._session.run(self._outputs, feeds)
        if not self._classifier:
            return numbers(found[0], rows)
        return choices(found[0], found[1] if len(found) > 1 else None, self._classes or [], rows)

    def close(self) -> None:
        self._session = None


def load_onnx(path: Path, manifest: Manifest, signature: Signature) -> OnnxRuntime:
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


def _feeds(inputs: Any, names: list[str], manifest: Manifest) -> list[tuple[str, list[str], Any, bool]]:
    """Return, per input of the graph: its name, the columns that fill it, its type, and whether it is flat."""
    wanted = [item.name for item in inputs]
    if unknown := [item.type for item in inputs if item.type not in DTYPES]:
        raise ModelError(f"The ONNX model wants inputs of the type {unknown[0]}, which is not served.")
    if len(wanted) == 1 and len(names) > 1:
        sources = [names]
    elif set(wanted) == set(names):
        sources = [[name] for name in wanted]
    elif len(wanted) == len(names):
        sources = [[name] for name in names]
    else:
        raise ModelError(f"The ONNX model has {len(wanted)} inputs, its signature {len(names)}.")
    pairs = zip(inputs, sources, strict=True)
    return [(item.name, source, DTYPES[item.type], len(item.shape) == 1) for item, source in pairs]


def _outputs(session: Any, manifest: Manifest) -> list[str]:
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
