"""travel-time: the text book's smallest service, time = distance / speed, as an ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dashboard.demo.upload import Example, lay_out

EXAMPLE = Example(["distance", "speed"], [[100.0, 50.0], [350.0, 110.0], [0.8, 4.5], [42.195, 12.0]])
OPSET, IR = 21, 10


def write(folder: Path) -> Path:
    """Write the upload folder and return it."""
    training = {"recipe": "time = distance / speed", "trained_on": "nothing: a formula"}
    lay_out("travel-time", folder, EXAMPLE, ["numpy", "onnxruntime"], training)
    (folder / "model.onnx").write_bytes(graph())
    return folder


def graph() -> bytes:
    """Return the ONNX model: `distance` and `speed`, double [n, 1] each, to `time`, double [n, 1]."""
    from onnx import TensorProto, checker, helper  # heavy

    def column(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1])

    divide = helper.make_node("Div", ["distance", "speed"], ["time"])
    body = helper.make_graph([divide], "travel-time", [column("distance"), column("speed")], [column("time")])
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
