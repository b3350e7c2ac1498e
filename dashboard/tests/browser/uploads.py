"""What the browser tests upload: the text book's formula as ONNX, right and half as fast, and a pickle in disguise."""

from __future__ import annotations

import json
from pathlib import Path

from dashboard.demo.upload import signature
from releases.tests import hostile

EXAMPLE = [{"distance": 100.0, "speed": 50.0}]
ANSWERS = {1: "2", 2: "4"}  # what the packages answer to the example


def package(folder: Path, number: int) -> Path:
    """Return a zip: time = distance / speed for package 1, twice that for package 2."""
    files = {
        "model.onnx": _graph(number),
        "signature.json": json.dumps(signature("travel-time")).encode(),
        "input_example.json": json.dumps(EXAMPLE).encode(),
    }
    return hostile.zipped(folder / f"travel-time-{number}.zip", files)


def disguised(folder: Path, canary: Path) -> Path:
    """Return a pickle that calls itself skops; to unpickle it makes the canary."""
    path = folder / "model.skops"
    path.write_bytes(hostile.bomb(canary))
    return path


def _graph(factor: int) -> bytes:
    from onnx import TensorProto, checker, helper  # heavy

    def column(name: str):
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1])

    constant = helper.make_tensor("factor", TensorProto.DOUBLE, [1], [float(factor)])
    nodes = [
        helper.make_node("Div", ["distance", "speed"], ["quotient"]),
        helper.make_node("Mul", ["quotient", "factor"], ["time"]),
    ]
    columns = [column("distance"), column("speed")]
    graph = helper.make_graph(nodes, "travel-time", columns, [column("time")], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    checker.check_model(model)
    return model.SerializeToString()
