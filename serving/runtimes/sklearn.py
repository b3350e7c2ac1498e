"""scikit-learn models from skops files: the fallback for what ONNX cannot express faithfully."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

# First, because scikit-learn brings pandas in.
from serving.runtimes.plain_pandas import pd  # isort: skip
import skops.io
from threadpoolctl import threadpool_limits

from serving.artefacts import Manifest
from serving.contract import Batch, Signature
from serving.runtimes.base import Answer, ModelError, choices, numbers
from serving.runtimes.trusted import TRUSTED_TYPES

# Their own labels may differ from their likeliest class.
OWN_LABELS = frozenset({"SVC", "NuSVC"})


class SklearnRuntime:
    """A model, and the form in which it wants its rows."""

    inline = True

    def __init__(self, model: Any, manifest: Manifest, signature: Signature) -> None:
        self._model = model
        self._form = _form(model, signature)
        self._classifier = manifest.kind == "classifier"
        self._classes = _classes(model, manifest)
        self.probable = self._classifier and hasattr(model, "predict_proba")
        self._own_labels = not self.probable or type(_last(model)).__name__ in OWN_LABELS

    def predict(self, batch: Batch) -> Answer:
        rows = self._form(batch)
        if not self._classifier:
            return numbers(self._model.predict(rows), batch.rows)
        labels = self._model.predict(rows) if self._own_labels else None
        probabilities = self._model.predict_proba(rows) if self.probable else None
        return choices(labels, probabilities, self._classes, batch.rows)

    def close(self) -> None:
        self._model = None


def load_sklearn(path: Path, manifest: Manifest, signature: Signature) -> SklearnRuntime:
    """Load a skops file of trusted types only; raises ModelError naming the others."""
    # One thread per call: the packages of a gateway share its cores, and a pool of threads per model would fight.
    threadpool_limits(1)
    try:
        strange = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES))
        if strange:
            raise ModelError(f"The model file holds types that are not trusted here: {', '.join(strange[:5])}.")
        model = skops.io.load(path, trusted=list(TRUSTED_TYPES))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"The model file cannot be loaded ({type(error).__name__}).") from error
    return SklearnRuntime(model, manifest, signature)


def _form(model: Any, signature: Signature) -> Any:
    """Choose how a batch becomes the model's X: a tensor, a table by name, a list of texts or a plain matrix."""
    if signature.tensor:
        return _only
    if hasattr(model, "feature_names_in_"):
        return _frame
    if [field.type for field in signature.inputs] == ["string"]:
        return _only
    return _matrix


def _only(batch: Batch) -> np.ndarray:
    return next(iter(batch.columns.values()))


def _frame(batch: Batch) -> pd.DataFrame:
    return pd.DataFrame(batch.columns, copy=False)


def _matrix(batch: Batch) -> np.ndarray:
    return batch.matrix(None)


def _last(model: Any) -> Any:
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def _classes(model: Any, manifest: Manifest) -> list[Any]:
    if manifest.classes is not None:
        return manifest.classes
    return list(np.asarray(getattr(model, "classes_", [])).tolist())
