"""Real serving forms for the tests: small ONNX graphs whose answer says which package gave it, and skops pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from serving.artefacts import folder_of, write_serving_form
from serving.routing import Target
from serving.tests.builders import digest, flight

INPUTS = {"distance": TensorProto.INT64, "hour": TensorProto.DOUBLE, "origin": TensorProto.STRING}
ROW = {"distance": 529, "hour": 6.5, "origin": "JFK"}


def constant(path: Path, value: float) -> Path:
    """Write a graph over the flight columns that answers `value` for every row."""
    nodes = [
        helper.make_node("Cast", ["distance"], ["d"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["d", "zero"], ["z"]),
        helper.make_node("Add", ["z", "value"], ["minutes"]),
    ]
    inputs = [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in INPUTS.items()]
    output = helper.make_tensor_value_info("minutes", TensorProto.DOUBLE, [None, 1])
    held = [
        helper.make_tensor(name, TensorProto.DOUBLE, [], [number]) for name, number in (("zero", 0.0), ("value", value))
    ]
    graph = helper.make_graph(nodes, "constant", inputs, [output], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), str(path))
    return path


def package(artefacts: Path, number: int, arm: str = "stable", weight: float = 100.0, **more: Any) -> Target:
    """Write the serving form of a package that answers its own number, and return a target for it."""
    name = digest(f"p{number}")
    model = constant(artefacts.parent / f"{number}.onnx", float(number))
    form = write_serving_form(
        artefacts,
        package=name,
        runtime="onnx",
        kind="regressor",
        model=model,
        signature=flight().to_json(),
        example=[ROW],
    )
    return Target(number, name, form, folder_of(artefacts, form).as_uri(), "onnx", arm, weight, **more)  # type: ignore[arg-type]


def pipeline(artefacts: Path, number: int, model: Any, signature: dict[str, Any], **more: Any) -> Target:
    """Write the serving form of a fitted scikit-learn model, and return a target for it."""
    import skops.io

    path = artefacts.parent / f"{number}.skops"
    skops.io.dump(model, path)
    name = digest(f"p{number}")
    kind = "classifier" if hasattr(model, "classes_") else "regressor"
    form = write_serving_form(
        artefacts, package=name, runtime="sklearn", kind=kind, model=path, signature=signature, **more
    )
    return Target(number, name, form, folder_of(artefacts, form).as_uri(), "sklearn", "stable", 100.0)
