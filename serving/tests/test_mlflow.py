"""MLflow's scoring protocol at the door: every row of the table of what its own server answers, and of what we do."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from serving.gateway.messages import Reply, Request
from serving.gateway.parquet import READER
from serving.gateway.protocols import mlflow
from serving.metrics import recorder
from serving.routing import Route, RouteTable, Target
from serving.tests.builders import matrix
from serving.tests.forms import pipeline
from serving.tests.inside import Inside

CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
FLOWER = ("sl", "sw", "pl", "pw")
ROW = [5.1, 3.5, 1.4, 0.2]
SUM = 10.2
NAMES = (*FLOWER, "x", "columns", "data", "index", "input")
PARAMS = [
    {"name": "thr", "type": "double", "default": 0.5, "shape": None},
    {"name": "weights", "type": "double", "default": [1.0], "shape": [-1]},
]


def columns(*kinds: tuple[str, str], optional: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    inputs = [{"name": name, "type": kind, "required": name not in optional} for name, kind in kinds]
    return {"inputs": inputs, "outputs": [{"type": "double"}], "params": None, "metadata": {}, **more}


def adding(width: int) -> LinearRegression:
    """A model that adds up its inputs, so that a prediction shows what was read."""
    inputs = np.vstack([np.zeros(width), np.eye(width)])
    return LinearRegression().fit(inputs, inputs.sum(axis=1))


def classifier() -> LogisticRegression:
    inputs = np.random.default_rng(0).random((100, 2))
    return LogisticRegression().fit(inputs, np.where(inputs[:, 0] > 0.5, "late", "early"))


def packages(folder: Path) -> dict[str, Target]:
    """One model for each thing that the table is about."""
    doubles = [(name, "double") for name in FLOWER]
    two = columns(("a", "double"), ("b", "double"))
    classes = {"classes": ["early", "late"]}
    return {
        "flower": pipeline(folder, 1, adding(4), columns(*doubles, params=PARAMS)),
        "optional": pipeline(
            folder,
            2,
            DummyRegressor().fit([[0]], [7.0]),
            columns(*doubles, ("note", "string"), optional=("pw", "note")),
        ),
        **{kind: pipeline(folder, 3 + i, adding(1), columns(("x", kind))) for i, kind in enumerate(KINDS)},
        "text": pipeline(folder, 9, DummyRegressor().fit([[0]], [7.0]), columns(("x", "string"))),
        "tensor": pipeline(folder, 10, adding(3), matrix().to_json()),
        "label": pipeline(folder, 11, classifier(), two, predict_fn="predict", **classes),
        "proba": pipeline(folder, 12, classifier(), two, predict_fn="predict_proba", **classes),
        "endless": pipeline(
            folder, 13, make_pipeline(FunctionTransformer(np.log), adding(1)), columns(("x", "double"), **EXAMPLE)
        ),
    }


KINDS = ("double", "float", "integer", "long", "boolean")
EXAMPLE: dict[str, Any] = {"metadata": {"constraints": {"x": {"ge": 0, "le": 1}}}}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "artefacts").mkdir()
    routes = {name: Route(name, (target,)) for name, target in packages(folder / "artefacts").items()}
    routes["off"] = Route("off", ())
    yield Inside(folder, RouteTable("dev", 1, routes, keyless=True), "flower")
    READER.close()


def post(door: Inside, model: str, body: Any, content_type: str | None = None) -> tuple[int, Any]:
    sent = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {"content_type": content_type} if content_type else {}
    reply = asyncio.run(door.send("POST", f"/dev/mlflow/{model}/invocations", sent, **headers))
    assert dict(reply.headers)["content-type"] == "application/json"
    return reply.status, json.loads(reply.body)


def split(*rows: list[Any], names: tuple[str, ...] = FLOWER, **more: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": list(names), "data": list(rows), **more}}


def record(row: list[Any] = ROW, names: tuple[str, ...] = FLOWER, **more: Any) -> dict[str, Any]:
    return dict(zip(names, row, strict=True)) | more


def get(door: Inside, path: str) -> Reply:
    return asyncio.run(door.send("GET", path))


# --- the table: four named double columns -------------------------------------------------------------------------

ACCEPTED = {
    "dataframe_split with columns": split(ROW),
    "dataframe_split with columns and index": split(ROW, index=["first"]),
    "dataframe_records": {"dataframe_records": [record()]},
    "instances as row objects": {"instances": [record()]},
    "inputs as row objects": {"inputs": [record()]},
    "inputs as an object of columns": {"inputs": {name: [value] for name, value in record().items()}},
    "instances as an object of columns": {"instances": {name: [value] for name, value in record().items()}},
    "inputs as an object of values": {"inputs": record()},
    "columns in another order": split(ROW[::-1], names=FLOWER[::-1]),
    "an extra column": split([*ROW, "x"], names=(*FLOWER, "more")),
    "an extra name in a record": {"dataframe_records": [record(more={"deep": [1]})]},
    "a numeric string": split(["5.1", *ROW[1:]]),
    "an unknown name beside the form": {**split(ROW), "more": 1},
    "params of the right type": {**split(ROW), "params": {"thr": 0.7, "weights": [1, 2.5]}},
    "params with a whole number for a double": {**split(ROW), "params": {"thr": 1}},
    "params null": {**split(ROW), "params": None},
    "a param that is null": {**split(ROW), "params": {"thr": None}},
    "an unknown param": {**split(ROW), "params": {"nobody": 1}},
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_mlflow_reads_is_read(door: Inside, body: Any) -> None:
    assert post(door, "flower", body) == (200, {"predictions": [pytest.approx(SUM)]})


TWICE = b'{"inputs": [], "%s": {"sl": 1, "sw": 1, "pl": 1, "pw": 1}}'
REFUSED = {
    "dataframe_split without columns": (
        {"dataframe_split": {"data": [ROW]}},
        "INVALID_PARAMETER_VALUE",
        "must name its columns",
    ),
    "instances as plain rows": ({"instances": [ROW]}, "INVALID_PARAMETER_VALUE", "rows without names"),
    "inputs as plain rows": ({"inputs": [ROW]}, "INVALID_PARAMETER_VALUE", "rows without names"),
    "a missing required column": (
        split(ROW[1:], names=FLOWER[1:]),
        "INVALID_PARAMETER_VALUE",
        "the model is missing inputs: sl",
    ),
    "a missing name in every record": (
        {"dataframe_records": [{"sl": 1}]},
        "INVALID_PARAMETER_VALUE",
        "missing inputs: sw, pl, pw",
    ),
    "a missing name in one record": (
        {"dataframe_records": [record(), {"sl": 1, "sw": 1, "pl": 1}]},
        "BAD_REQUEST",
        "rows[1].pw: is required",
    ),
    "text in a double column": (split(ROW, ["a", *ROW[1:]]), "BAD_REQUEST", "rows[1].sl: must be a number"),
    "null in a required double column": (split([None, *ROW[1:]]), "BAD_REQUEST", "rows[0].sl: must be a number"),
    "a list in a double column": (split([[1], *ROW[1:]]), "BAD_REQUEST", "rows[0].sl: must be a number"),
    "an empty list of rows": (split(), "BAD_REQUEST", "at least one row"),
    "no records": ({"dataframe_records": []}, "BAD_REQUEST", "at least one row"),
    "no form": ({"rows": []}, "BAD_REQUEST", "exactly one of"),
    "two forms": ({**split(ROW), "inputs": [record()]}, "BAD_REQUEST", "several of them"),
    "a list": ([1], "BAD_REQUEST", "exactly one of"),
    "a number": (5, "BAD_REQUEST", "exactly one of"),
    "a V2 request": (
        {"inputs": [{"name": "sl", "shape": [1], "datatype": "FP64", "data": [1]}]},
        "INVALID_PARAMETER_VALUE",
        "missing inputs",
    ),
    "a param of the wrong type": (
        {**split(ROW), "params": {"thr": "a"}},
        "INVALID_PARAMETER_VALUE",
        "params.thr: must be of the type double",
    ),
    "params that are no object": ({**split(ROW), "params": [1]}, "INVALID_PARAMETER_VALUE", "must be an object"),
    "an unknown name in dataframe_split": (split(ROW, more=1), "BAD_REQUEST", "dataframe_split must be"),
    "an index of another length": (split(ROW, index=[1, 2]), "BAD_REQUEST", "one value for each row"),
    "a row that is too long": (split([*ROW, 1]), "BAD_REQUEST", "rows[0]: holds more values"),
    "a row that is too short": (split(ROW, ROW[:3]), "BAD_REQUEST", "rows[1].pw: is required"),
    "a column twice": (split([*ROW, 1], names=(*FLOWER, "sl")), "INVALID_PARAMETER_VALUE", "given twice: sl"),
    "columns of different lengths": (
        {"inputs": {**{name: [1] for name in FLOWER}, "pw": [1, 2]}},
        "BAD_REQUEST",
        "lists of one length",
    ),
    "objects and lists": ({"inputs": [record(), ROW]}, "BAD_REQUEST", "all objects or all lists"),
    "a name twice": (
        b'{"dataframe_records": [{"sl": 1, "sw": 1, "pl": 1, "pw": 1, "sl": 2}]}',
        "BAD_REQUEST",
        "gives a name twice",
    ),
    "a form twice": (TWICE % b"inputs", "BAD_REQUEST", "gives a name twice"),
    "a form twice, hidden": (TWICE % b"\\u0069nputs", "BAD_REQUEST", "gives a name twice"),
    "no JSON": (b'{"inputs', "BAD_REQUEST", "not valid JSON"),
    "no UTF-8": (b'{"inputs": "\xff"}', "BAD_REQUEST", "not UTF-8"),
    "nothing": (b"", "BAD_REQUEST", "not valid JSON"),
    "infinity": (split([1e999, *ROW[1:]]), "BAD_REQUEST", "rows[0].sl: must be a finite number"),
    "a number beyond any type": (b'{"inputs": {"sl": 1e999, "sw": 1, "pl": 1, "pw": 1}}', "BAD_REQUEST", "finite"),
    "too many rows": (split(*[ROW] * 10_001), "BAD_REQUEST", "10,000 rows at most"),
}


@pytest.mark.parametrize(("body", "code", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_mlflow_refuses_is_refused_in_words(door: Inside, body: Any, code: str, words: str) -> None:
    status, answer = post(door, "flower", body)
    assert (status, answer.keys(), answer["error_code"]) == (400, {"error_code", "message"}, code)
    assert words in answer["message"]


@pytest.mark.parametrize("depth", [500, 100_000])
def test_nesting_without_end_is_refused(door: Inside, depth: int) -> None:
    for text in (b'{"inputs":' + b"[" * depth + b"]" * depth + b"}", b"[" * depth, b'{"inputs":' * depth):
        assert post(door, "flower", text)[0] == 400


@pytest.mark.parametrize("row", [[1, 2, 3], [1, 2, 3, None], [1, 2, 3, float("nan")], [1, 2, 3, 4]])
def test_an_optional_column_may_be_missing_or_null(door: Inside, row: list[Any]) -> None:
    names = FLOWER[: len(row)]
    assert post(door, "optional", split(row, names=names)) == (200, {"predictions": [7.0]})
    assert post(door, "optional", {"dataframe_records": [record(row, names, note=None)]})[0] == 200


# --- the table: one column of each type ---------------------------------------------------------------------------


def one(door: Inside, model: str, value: Any) -> list[tuple[int, Any]]:
    bodies = [split([0], [value], names=("x",)), {"inputs": {"x": [0, value]}}, {"instances": [{"x": 0}, {"x": value}]}]
    if model == "boolean":
        bodies = json.loads(json.dumps(bodies).replace("[0]", "[false]").replace("[0,", "[false,"))
        bodies[2]["instances"][0]["x"] = False
    return [post(door, model, body) for body in bodies]


@pytest.mark.parametrize(
    ("kind", "sent", "read"),
    [
        ("double", 5, 5.0),
        ("double", "5.1", 5.1),
        ("double", " 5 ", 5.0),
        ("double", True, 1.0),
        ("double", 2**64, 2.0**64),
        ("float", "2.5", 2.5),
        ("integer", 1.0, 1),
        ("integer", "7", 7),
        ("integer", True, 1),
        ("integer", 2**31 - 1, 2**31 - 1),
        ("long", 2**62, 2**62),
        ("long", 1e17, 10**17),
        ("boolean", True, 1),
    ],
)
def test_what_loses_nothing_is_read_in_the_columns_type(door: Inside, kind: str, sent: Any, read: float) -> None:
    for status, answer in one(door, kind, sent):
        assert (status, answer["predictions"][1]) == (200, pytest.approx(float(read)))


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("integer", 1.5),
        ("integer", 2**31),
        ("integer", 2**40),
        ("integer", -(2**40)),
        ("integer", 1e300),
        ("long", 1.5),
        ("long", 2**63),
        ("long", 1e300),
        ("float", 1e300),
        ("float", -1e300),
        ("float", "1e300"),
        ("boolean", 1),
        ("boolean", 0.0),
        ("boolean", "true"),
        ("boolean", None),
    ],
)
def test_what_mlflow_would_change_in_silence_is_refused_by_row_and_column(door: Inside, kind: str, sent: Any) -> None:
    for status, answer in one(door, kind, sent):
        assert (status, answer["error_code"]) == (422, "INVALID_PARAMETER_VALUE")
        assert answer["message"].startswith("rows[1].x: ")
        assert kind == "boolean" or str(sent) not in answer["message"]


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("integer", None),
        ("integer", "5.0"),
        ("integer", 2**64),
        ("integer", "a"),
        ("long", 2**64),
        ("long", "1_000"),
        ("double", "1_000"),
        ("double", "nan"),
        ("double", ""),
        ("double", {"a": 1}),
        ("double", 10**400),
    ],
)
def test_what_is_no_value_of_the_column_is_refused(door: Inside, kind: str, sent: Any) -> None:
    for status, answer in one(door, kind, sent):
        assert (status, answer["error_code"]) == (400, "BAD_REQUEST")


def test_what_mlflow_refuses_too_comes_before_what_it_would_change(door: Inside) -> None:
    assert post(door, "integer", split([1.5], ["a"], names=("x",)))[0] == 400


def test_a_model_of_one_column_takes_a_plain_list(door: Inside) -> None:
    assert post(door, "text", {"inputs": ["good", "bad"]}) == (200, {"predictions": [7.0, 7.0]})
    assert post(door, "text", {"instances": [5]})[0] == 200
    assert post(door, "text", {"instances": [None]})[0] == 400


# --- tensors ------------------------------------------------------------------------------------------------------

RAGGED = [[1, 2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inputs": [[1, 2, 3], [4, 5, 6.5]]}, 200),
        ({"instances": [[1, 2, 3], ["4", 5, 6.5]]}, 200),
        (split([1, 2, 3], [4, 5, 6.5], names=("x", "y", "z")), 200),
        ({"dataframe_split": {"data": [[1, 2, 3], [4, 5, 6.5]]}}, 200),
        (split([[1, 2, 3]], [[4, 5, 6.5]], names=("input",)), 200),
        ({"dataframe_records": [{"x": 1, "y": 2, "z": 3}, {"z": 6.5, "y": 5, "x": 4}]}, 200),
        ({"inputs": [[1, 2]]}, 400),
        ({"inputs": [1, 2, 3]}, 400),
        ({"inputs": RAGGED}, 400),
        ({"inputs": [["a", "b", "c"]]}, 400),
        ({"inputs": []}, 400),
        ({"inputs": [[1, None, 3]]}, 400),
        ({"inputs": {"x": [[1, 2, 3]]}}, 400),
        ({"inputs": 5}, 400),
        (split([1, 2], names=("x", "y")), 400),
    ],
)
def test_a_tensor_is_taken_as_rows_or_as_columns_side_by_side(door: Inside, body: Any, status: int) -> None:
    found, answer = post(door, "tensor", body)
    assert found == status
    if status == 200:
        assert answer == {"predictions": [pytest.approx(6), pytest.approx(15.5)]}


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ROWS = st.lists(
    st.lists(VALUES | st.lists(VALUES, max_size=2), max_size=5) | st.dictionaries(st.sampled_from(NAMES), VALUES)
)
FORM_NAMES = st.sampled_from(("dataframe_split", "dataframe_records", "instances", "inputs", "params"))
BODIES = st.dictionaries(FORM_NAMES, ROWS | VALUES | st.dictionaries(st.sampled_from(NAMES), ROWS | VALUES), max_size=2)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(("flower", "optional", "integer", "boolean", "text", "tensor")), BODIES)
def test_any_body_is_answered_or_refused(door: Inside, model: str, body: Any) -> None:
    assert post(door, model, body)[0] in (200, 400, 422)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from((None, CSV)), st.binary(max_size=100))
def test_any_bytes_are_refused(door: Inside, content_type: str | None, body: bytes) -> None:
    assert post(door, "flower", body, content_type)[0] == 400


# --- CSV and Parquet ----------------------------------------------------------------------------------------------


def frame(rows: int = 2) -> pd.DataFrame:
    return pd.DataFrame([ROW] * rows, columns=list(FLOWER))


def parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("change", ["as it is", "other order", "an extra column", "with an index"])
def test_csv_and_parquet_with_the_right_columns_are_read(door: Inside, change: str) -> None:
    table = frame()
    if change == "other order":
        table = table[list(FLOWER[::-1])]
    elif change != "as it is":
        table.insert(0, "more", ["x", "y"])
    csv = table.to_csv(index=change == "with an index")
    for body, kind in ((csv, CSV), (csv, f"{CSV}; charset=utf-8"), (parquet(table), PARQUET)):
        assert post(door, "flower", body, kind) == (200, {"predictions": [pytest.approx(SUM)] * 2})


def test_a_column_that_is_missing_is_named_in_csv_and_in_parquet(door: Inside) -> None:
    table = frame()[list(FLOWER[:3])]
    for body, kind in ((table.to_csv(index=False), CSV), (parquet(table), PARQUET)):
        status, answer = post(door, "flower", body, kind)
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert answer["message"] == "the model is missing inputs: pw"


def test_csv_and_parquet_lose_nothing_either(door: Inside) -> None:
    for column in ([0, 1.5], [0.0, 2.0**40]):
        table = pd.DataFrame({"x": column})
        for body, kind in ((table.to_csv(index=False), CSV), (parquet(table), PARQUET)):
            status, answer = post(door, "integer", body, kind)
            assert (status, answer["message"][:10]) == (422, "rows[1].x:")


def test_a_tensor_comes_in_parquet_and_not_in_csv(door: Inside) -> None:
    table = pd.DataFrame([[1.0, 2.0, 3.5]], columns=["x", "y", "z"])
    assert post(door, "tensor", parquet(table), PARQUET) == (200, {"predictions": [pytest.approx(6.5)]})
    assert post(door, "tensor", parquet(table[["x", "y"]]), PARQUET)[0] == 400
    assert post(door, "tensor", table.to_csv(index=False), CSV)[0] == 400


# --- what a prediction looks like ---------------------------------------------------------------------------------


def test_a_classifier_answers_as_its_predict_fn_says(door: Inside) -> None:
    body = split([0.9, 0.5], [0.1, 0.5], names=("a", "b"))
    assert post(door, "label", body) == (200, {"predictions": ["late", "early"]})
    (row, _) = post(door, "proba", body)[1]["predictions"]
    assert (len(row), sum(row)) == (2, pytest.approx(1))


def test_no_infinity_leaves_as_invalid_json(door: Inside) -> None:
    status, answer = post(door, "endless", split([0.0], names=("x",)))
    assert (status, answer["error_code"]) == (500, "INTERNAL_ERROR")
    assert post(door, "endless", split([1.0], names=("x",))) == (200, {"predictions": [pytest.approx(0)]})


# --- content types ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 200),
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/json;charset=UTF-8", 200),
        ("Application/JSON", 200),
        ("application/json; charset=latin-1", 415),
        ("application/json; version=1", 415),
        ("application/json; charset=utf-8; pandas=1", 415),
        ("text/plain", 415),
        ("text/csv; charset=utf-16", 415),
        ("application/octet-stream", 415),
    ],
)
def test_a_content_type_must_be_one_of_three_in_utf_8(door: Inside, content_type: str | None, status: int) -> None:
    found, answer = post(door, "flower", split(ROW), content_type)
    assert found == status
    assert ("error_code" in answer) == (status == 415)


@pytest.mark.parametrize(
    ("content_type", "size", "inline"),
    [
        (None, 100, True),
        (CSV, mlflow.INLINE, True),
        (None, mlflow.INLINE + 1, False),
        (PARQUET, 100, False),
        (" Application/VND.apache.PARQUET; charset=utf-8", 100, False),
    ],
)
def test_parquet_is_never_read_on_the_event_loop(content_type: str | None, size: int, inline: bool) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert mlflow.inline(Request("POST", "/invocations", headers, b" " * size, 0.0)) is inline


# --- addresses ----------------------------------------------------------------------------------------------------


def test_ping_health_and_version_answer_as_mlflow_does(door: Inside) -> None:
    for path in ("/ping", "/health", "/dev/mlflow/label/ping", "/mlflow/label/health"):
        reply = get(door, path)
        assert (reply.status, reply.body, reply.headers[0]) == (200, b"\n", ("content-type", "application/json"))
    assert (get(door, "/version").status, get(door, "/version").body) == (200, mlflow.MLFLOW.encode())
    assert get(door, "/dev/mlflow/off/ping").status == 503
    assert get(door, "/dev/mlflow/nobody/ping").status == 404


def test_the_root_is_for_the_model_that_the_setting_names(door: Inside) -> None:
    reply = asyncio.run(door.send("POST", "/invocations", json.dumps(split(ROW)).encode()))
    assert (reply.status, json.loads(reply.body)) == (200, {"predictions": [pytest.approx(SUM)]})


def test_without_the_setting_the_root_says_which_one_is_missing(tmp_path: Path) -> None:
    nobody = Inside(tmp_path, RouteTable("dev", 1, {}, keyless=True))
    for method, path in (("POST", "/invocations"), ("GET", "/ping"), ("GET", "/health"), ("GET", "/version")):
        reply = asyncio.run(nobody.send(method, path, b"{}"))
        answer = json.loads(reply.body)
        assert (reply.status, answer.keys()) == (404, {"error_code", "message"})
        assert "MLFLOW_MODEL" in answer["message"]


def test_the_root_can_be_pinged_without_a_key_and_not_asked(tmp_path: Path) -> None:
    (tmp_path / "artefacts").mkdir()
    target = pipeline(tmp_path / "artefacts", 1, adding(1), columns(("x", "double")))
    locked = Inside(tmp_path, RouteTable("dev", 1, {"m": Route("m", (target,))}), "dev/m")
    assert [get(locked, path).status for path in ("/ping", "/version")] == [200, 200]
    assert asyncio.run(locked.send("POST", "/invocations", b"{}")).status == 401
    assert get(locked, "/dev/mlflow/m/ping").status == 401


def test_every_error_has_mlflows_form(door: Inside) -> None:
    found = [
        asyncio.run(door.send("GET", "/dev/mlflow/flower/invocations")),
        asyncio.run(door.send("POST", "/dev/mlflow/nobody/invocations", b"{}")),
        asyncio.run(door.send("POST", "/dev/mlflow/off/invocations", b"{}")),
        asyncio.run(door.send("POST", "/nowhere/mlflow/flower/invocations", b"{}")),
        asyncio.run(door.send("POST", "/dev/mlflow/flower/invocations", b"{}", content_encoding="br")),
    ]
    assert [reply.status for reply in found] == [405, 404, 503, 404, 415]
    assert all(json.loads(reply.body).keys() == {"error_code", "message"} for reply in found)


def test_pins_and_sticky_keys_work_as_at_the_other_doors(door: Inside) -> None:
    path, body = "/dev/mlflow/flower/invocations", json.dumps(split(ROW)).encode()
    reply = asyncio.run(door.send("POST", path, body, x_package="1", x_route_key="me"))
    assert (reply.status, dict(reply.headers)["x-package"]) == (200, "1")
    assert asyncio.run(door.send("POST", path, body, x_package="9")).status == 404


@pytest.mark.parametrize(
    ("row", "outcome"), [([5], recorder.DONE), ([1.5], recorder.REFUSED), (["a"], recorder.REFUSED)]
)
def test_each_request_is_counted_under_this_protocol(door: Inside, row: list[Any], outcome: str) -> None:
    body = json.dumps(split(row, names=("x",))).encode()
    call = asyncio.run(door.send("POST", "/dev/mlflow/integer/invocations", body)).call
    assert call
    assert (call.line.key[0], call.line.key[-1], call.outcome) == ("integer", "mlflow", outcome)
