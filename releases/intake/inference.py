"""What a model's inputs are when nobody wrote it down: asked of the model and of the example."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from releases.intake import example
from releases.intake.loading import objects
from releases.intake.report import Refused

STEP = "load"
ADVICE = (
    "Add a signature.json, or an input_example.json whose rows name the inputs, "
    "or say the inputs (name and type) in the form."
)
CATEGORIES_MOST = 200


def inputs(model: Any, raw: Any) -> list[dict[str, Any]]:
    """The inputs in MLflow's grammar; raises Refused that says what is missing."""
    rows = example.names_and_rows(raw)
    named = getattr(model, "feature_names_in_", None)
    if named is not None:
        return _named(model, [str(name) for name in named], rows or [])
    if rows:
        return [_column(name, [row.get(name) for row in rows]) for name in rows[0]]
    count = getattr(model, "n_features_in_", None)
    if count is None:
        raise Refused(STEP, f"The model does not say what its inputs are. {ADVICE}")
    return [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, int(count)]}}]


def _named(model: Any, names: list[str], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = categories(model)
    if rows and (missing := [name for name in names if name not in rows[0]]):
        raise Refused(STEP, f"The example lacks inputs that the model was fitted on: {', '.join(missing[:10])}.")
    return [_column(name, [row.get(name) for row in rows]) if rows else _guess(name, known.get(name)) for name in names]


def _guess(name: str, known: list[Any] | None) -> dict[str, Any]:
    words = known is not None and all(isinstance(value, str) for value in known)
    return {"type": "string" if words else "double", "name": name, "required": True}


def _column(name: str, values: list[Any]) -> dict[str, Any]:
    kinds = {type(value) for value in values if value is not None}
    named = next((word for types, word in _KINDS if kinds and kinds <= types), None)
    if named is None:
        raise Refused(STEP, f"The example does not show what type {name} has. {ADVICE}")
    optional = any(value is None for value in values) and named in ("double", "string")
    return {"type": named, "name": name, "required": not optional}


_KINDS: list[tuple[set[type], str]] = [
    ({bool}, "boolean"),
    ({int}, "long"),
    ({int, float}, "double"),
    ({str}, "string"),
]


def outputs(kind: str, classes: list[Any] | None) -> list[dict[str, Any]]:
    """The outputs of a regressor or a classifier in MLflow's grammar."""
    if kind == "regressor":
        return [{"type": "double", "required": True}]
    words = any(isinstance(label, str) for label in classes or [])
    return [{"type": "string" if words else "long", "name": "label", "required": True}]


def categories(model: Any) -> dict[str, list[Any]]:
    """Input name → the categories that an encoder at the front of the model learnt for it (at most 200)."""
    found: dict[str, list[Any]] = {}
    for names, encoder in _encoders(model):
        for name, values in zip(names, encoder.categories_, strict=False):
            found.setdefault(str(name), [_plain(value) for value in np.asarray(values).tolist()[:CATEGORIES_MOST]])
    return found


def _encoders(model: Any) -> Iterator[tuple[list[Any], Any]]:
    for item in objects(model):
        for part in getattr(item, "transformers_", None) or []:
            name, transformer, columns = part
            first = transformer.steps[0][1] if hasattr(transformer, "steps") else transformer
            if name != "remainder" and hasattr(first, "categories_") and isinstance(columns, (list, np.ndarray)):
                yield list(columns), first
        if hasattr(item, "categories_") and hasattr(item, "feature_names_in_"):
            yield list(item.feature_names_in_), item


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
