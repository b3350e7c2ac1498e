"""A model's signature: MLflow's grammar for inputs and outputs, and our limits for their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.random import Generator

from serving.contract import drawing, schema
from serving.contract.fields import BOUNDS, CONSTRAINTS, TENSOR_TYPES, Field, problems

UNNAMED = "input"


class SignatureError(ValueError):
    """A signature that cannot be served; the text says every reason."""


@dataclass(frozen=True)
class Signature:
    """The inputs of a model with their limits, and its outputs as MLflow writes them."""

    inputs: tuple[Field, ...]
    outputs: tuple[Mapping[str, Any], ...] = ()
    params: tuple[Mapping[str, Any], ...] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Signature:
        """Read `signature.json`; raises SignatureError when its form is wrong (`check` looks at its sense)."""
        try:
            metadata = dict(data.get("metadata") or {})
            limits = dict(metadata.pop("constraints", None) or {})
            inputs = tuple(_field(spec, limits.pop(spec.get("name") or UNNAMED, {})) for spec in data["inputs"])
            outputs, params = tuple(data.get("outputs") or ()), data.get("params")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise SignatureError(f"The signature cannot be read: {_words(error)}.") from error
        if limits:
            raise SignatureError(f"Limits are given for inputs that do not exist: {', '.join(sorted(limits))}.")
        return cls(inputs, outputs, None if params is None else tuple(params), metadata)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `from_json` reads."""
        limits = {item.name: found for item in self.inputs if (found := _limits(item))}
        return {
            "inputs": [_spec(item) for item in self.inputs],
            "outputs": [dict(item) for item in self.outputs],
            "params": None if self.params is None else [dict(item) for item in self.params],
            "metadata": {**self.metadata, "constraints": limits},
        }

    def check(self) -> Signature:
        """Return the signature when it can be served; raises SignatureError with every reason otherwise."""
        if self._problems:
            raise SignatureError(f"The signature cannot be served: {'; '.join(self._problems)}.")
        return self

    @cached_property
    def _problems(self) -> list[str]:
        found = [problem for item in self.inputs for problem in problems(item)]
        names = [item.name for item in self.inputs]
        if not names:
            found.append("there are no inputs")
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            found.append(f"two inputs have the same name: {', '.join(doubled)}")
        if len(names) > 1 and any(item.shape is not None for item in self.inputs):
            found.append("a tensor can only be the one input")
        return found

    @cached_property
    def tensor(self) -> Field | None:
        """The one tensor that is the whole input, or None when there are named columns."""
        return self.inputs[0] if self.inputs and self.inputs[0].shape is not None else None

    def draw(self, rng: Generator, n: int, like: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
        """Return n valid rows; text without a list of values is taken from the rows of `like`, where there are any."""
        return drawing.rows(self.inputs, rng, n, like)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a V1 request."""
        return schema.request(self.inputs)


def _field(spec: Mapping[str, Any], limits: Mapping[str, Any]) -> Field:
    name, given = str(spec.get("name") or ""), dict(limits)
    if unknown := sorted(set(given) - CONSTRAINTS):
        raise ValueError(f"{name or UNNAMED} has unknown limits ({', '.join(unknown)})")
    if isinstance(given.get("values"), str) or not isinstance(given.get("values", []), Sequence):
        raise ValueError(f"{name or UNNAMED}: values must be a list")
    if "values" in given:
        given["values"] = tuple(given["values"])
    if spec["type"] == "tensor":
        return _tensor(name, spec["tensor-spec"], given)
    if not name:
        raise ValueError("every column needs a name")
    return Field(name, str(spec["type"]), bool(spec.get("required", True)), **given)


def _tensor(name: str, spec: Mapping[str, Any], limits: Mapping[str, Any]) -> Field:
    dtype = str(spec["dtype"])
    shape = tuple(int(size) for size in spec["shape"])
    if not shape or shape[0] != -1:
        raise ValueError("the first dimension of a tensor must be -1, the number of rows")
    return Field(name or UNNAMED, TENSOR_TYPES.get(dtype, dtype), shape=shape[1:], named=bool(name), **limits)


def _spec(item: Field) -> dict[str, Any]:
    if item.shape is None:
        return {"type": item.type, "name": item.name, "required": item.required}
    dtype = next((dtype for dtype, name in TENSOR_TYPES.items() if name == item.type), item.type)
    spec: dict[str, Any] = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, *item.shape]}}
    return {"name": item.name, **spec} if item.named else spec


def _limits(item: Field) -> dict[str, Any]:
    found = {key: getattr(item, key) for key in BOUNDS if getattr(item, key) is not None}
    found |= {key: value for key in ("unit", "description", "sensitive") if (value := getattr(item, key))}
    return found if item.values is None else {**found, "values": list(item.values)}


def _words(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
