"""Small models and packages that tests and drills upload: real ones, made in code in milliseconds."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FIXTURES = Path(__file__).parent / "fixtures"
FLIGHT_ETA = FIXTURES / "mlflow" / "flight-eta"
FLIGHTS = FIXTURES / "mlflow" / "flights-1000.csv"


def table(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Three columns and a target that depends on them; the same each time."""
    rng = np.random.default_rng(7)
    x = rng.random((rows, 3)).astype(np.float32).astype(np.float64)
    return x, 3 * x[:, 0] - x[:, 1] + 0.1 * rng.random(rows)


def skops_bytes(model: Any) -> bytes:
    import skops.io

    return bytes(skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED))


def tree() -> Any:
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(max_depth=3, random_state=0).fit(*table())


def forest() -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=3, max_depth=3, random_state=0).fit(*table())


def boosted(**options: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=3, random_state=0, **options).fit(*table())


def edit(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """A skops file with every member passed through `change(name, bytes)`."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return made.getvalue()


def edit_arrays(data: bytes, field: str, change: Callable[[np.ndarray], None]) -> bytes:
    """The same with each array that has `field` changed in place."""

    def one(name: str, member: bytes) -> bytes:
        if not name.endswith(".npy"):
            return member
        array = np.load(io.BytesIO(member), allow_pickle=False)
        if array.dtype.names is None or field not in array.dtype.names:
            return member
        change(array)
        written = io.BytesIO()
        np.save(written, array)
        return written.getvalue()

    return edit(data, one)


def edit_schema(data: bytes, change: Callable[[str], str]) -> bytes:
    """The same with the text of schema.json changed."""
    return edit(data, lambda name, member: change(member.decode()).encode() if name == "schema.json" else member)


def folder(path: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write `files` below `path`."""
    for name, data in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def travel_time() -> bytes:
    """time = distance / speed as ONNX: two columns in, one out, all double."""
    from onnx import TensorProto, checker, helper

    def value(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1])

    node = helper.make_node("Div", ["distance", "speed"], ["time"])
    graph = helper.make_graph([node], "travel-time", [value("distance"), value("speed")], [value("time")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    checker.check_model(model)
    return bytes(model.SerializeToString())


TRAVEL_TIME_LIMITS = {
    "constraints": {
        "distance": {"gt": 0, "unit": "km", "description": "How far"},
        "speed": {"gt": 0, "unit": "km/h", "description": "How fast, on average"},
    }
}


def signature(*columns: tuple[str, str]) -> str:
    """signature.json of named columns with a number as the answer."""
    inputs = [{"type": kind, "name": name, "required": True} for name, kind in columns]
    return json.dumps({"inputs": inputs, "outputs": [{"type": "double", "required": True}]})
