"""Every way to ask a gateway for predictions, from a table: each sends the rows and returns what came back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pandas as pd

TEXT = "BYTES"
LENGTH = "Inference-Header-Content-Length"
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"


@dataclass
class Answers:
    """A regressor's values (rows,), or a classifier's labels and probabilities (rows, classes), what was answered."""

    values: np.ndarray | None = None
    labels: list[Any] | None = None
    probabilities: np.ndarray | None = None


@dataclass
class Asked:
    """One model on one gateway. `url` ends before the protocol; the rows are numbers alone when `matrix`."""

    client: httpx.Client
    url: str
    model: str
    rows: pd.DataFrame
    classes: list[str] | None = None

    @property
    def matrix(self) -> bool:
        return not any(kind == TEXT for kind in datatypes(self.rows).values())

    def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        reply = self.client.post(f"{self.url}/{path}", content=body, headers=named)
        assert reply.status_code == 200, (path, reply.status_code, reply.text[:300])
        return reply


def datatypes(rows: pd.DataFrame) -> dict[str, str]:
    return {name: {"f": "FP64", "i": "INT64"}.get(rows[name].dtype.kind, TEXT) for name in rows.columns}


# --- V1 -----------------------------------------------------------------------------------------------------------


def v1_objects(asked: Asked) -> Answers:
    return _v1(asked, asked.rows.to_dict("records"))


def v1_rows(asked: Asked) -> Answers:
    return _v1(asked, asked.rows.astype(object).to_numpy().tolist())


def _v1(asked: Asked, instances: list[Any]) -> Answers:
    found = asked.post(f"v1/models/{asked.model}:predict", json.dumps({"instances": instances}).encode()).json()
    predictions = found["predictions"]
    if asked.classes is None:
        return Answers(np.array(predictions, float))
    probabilities = [[row["probabilities"][name] for name in asked.classes] for row in predictions]
    return Answers(labels=[row["label"] for row in predictions], probabilities=np.array(probabilities))


# --- V2 -----------------------------------------------------------------------------------------------------------


def v2_columns(asked: Asked) -> Answers:
    return _v2(asked, [{**said, "data": values.tolist()} for said, values in _columns(asked)])


def v2_matrix(asked: Asked) -> Answers:
    return _v2(asked, [{**said, "data": values.tolist()} for said, values in _matrix(asked)])


def v2_binary(asked: Asked) -> Answers:
    return _v2_binary(asked, _columns(asked))


def v2_binary_matrix(asked: Asked) -> Answers:
    return _v2_binary(asked, _matrix(asked))


Tensors = Iterator[tuple[dict[str, Any], np.ndarray]]


def _columns(asked: Asked) -> Tensors:
    for name, kind in datatypes(asked.rows).items():
        values = asked.rows[name].to_numpy()
        yield {"name": name, "datatype": kind, "shape": list(values.shape)}, values


def _matrix(asked: Asked) -> Tensors:
    values = asked.rows.to_numpy()
    kind = "INT64" if values.dtype.kind == "i" else "FP64"
    yield {"name": "input", "datatype": kind, "shape": list(values.shape)}, values


def _v2(asked: Asked, inputs: list[dict[str, Any]]) -> Answers:
    found = asked.post(f"v2/models/{asked.model}/infer", json.dumps({"inputs": inputs}).encode()).json()
    return _outputs({item["name"]: np.array(item["data"]).reshape(item["shape"]) for item in found["outputs"]})


def _v2_binary(asked: Asked, tensors: Tensors) -> Answers:
    pairs = [(said, _raw(values)) for said, values in tensors]
    inputs = [{**said, "parameters": {"binary_data_size": len(raw)}} for said, raw in pairs]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    body = head + b"".join(raw for _, raw in pairs)
    path = f"v2/models/{asked.model}/infer"
    reply = asked.post(path, body, **{LENGTH: str(len(head)), "content_type": "application/octet-stream"})
    length = int(reply.headers[LENGTH])
    return _outputs(dict(_read(json.loads(reply.content[:length])["outputs"], reply.content[length:])))


def _raw(values: np.ndarray) -> bytes:
    if values.dtype.kind in "fi":
        return bytes(values.astype(values.dtype.newbyteorder("<")).tobytes())
    texts = [str(value).encode() for value in values]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _read(outputs: list[dict[str, Any]], raw: bytes) -> Iterator[tuple[str, np.ndarray]]:
    for item in outputs:
        size = item["parameters"]["binary_data_size"]
        part, raw = raw[:size], raw[size:]
        if item["datatype"] == TEXT:
            yield item["name"], np.array(list(_texts(part)), object)
        else:
            yield item["name"], np.frombuffer(part, "<f8").reshape(item["shape"])


def _texts(raw: bytes) -> Iterator[str]:
    while raw:
        size = int.from_bytes(raw[:4], "little")
        yield raw[4 : 4 + size].decode()
        raw = raw[4 + size :]


def _outputs(found: dict[str, np.ndarray]) -> Answers:
    if "label" in found:
        return Answers(labels=found["label"].tolist(), probabilities=found["probabilities"])
    (values,) = found.values()
    return Answers(values.astype(float))


# --- MLflow -------------------------------------------------------------------------------------------------------


def mlflow_split(asked: Asked) -> Answers:
    return _mlflow(asked, {"dataframe_split": asked.rows.to_dict("split")})


def mlflow_records(asked: Asked) -> Answers:
    return _mlflow(asked, {"dataframe_records": asked.rows.to_dict("records")})


def mlflow_instances(asked: Asked) -> Answers:
    return _mlflow(asked, {"instances": asked.rows.to_dict("records")})


def mlflow_inputs(asked: Asked) -> Answers:
    return _mlflow(asked, {"inputs": asked.rows.to_dict("list")})


def mlflow_csv(asked: Asked) -> Answers:
    return _mlflow(asked, asked.rows.to_csv(index=False).encode(), CSV)


def mlflow_parquet(asked: Asked) -> Answers:
    body = io.BytesIO()
    asked.rows.to_parquet(body)
    return _mlflow(asked, body.getvalue(), PARQUET)


def _mlflow(asked: Asked, body: Any, kind: str = "application/json") -> Answers:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    predictions = asked.post(f"mlflow/{asked.model}/invocations", sent, content_type=kind).json()["predictions"]
    if asked.classes is None:
        return Answers(np.array(predictions, float))
    return (
        Answers(probabilities=np.array(predictions))
        if isinstance(predictions[0], list)
        else Answers(labels=predictions)
    )


ASK: dict[str, Callable[[Asked], Answers]] = {
    "V1 objects": v1_objects,
    "V1 rows": v1_rows,
    "V2 columns": v2_columns,
    "V2 binary": v2_binary,
    "V2 matrix": v2_matrix,
    "V2 binary matrix": v2_binary_matrix,
    "MLflow split": mlflow_split,
    "MLflow records": mlflow_records,
    "MLflow instances": mlflow_instances,
    "MLflow inputs": mlflow_inputs,
    "MLflow CSV": mlflow_csv,
    "MLflow Parquet": mlflow_parquet,
}
MATRIX = frozenset({"V2 matrix", "V2 binary matrix"})
