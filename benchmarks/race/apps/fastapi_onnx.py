"""FastAPI and onnxruntime as an expert writes them: checked input, one session of one thread, called inline.

The same JSON in and out as Slipway's V1: names, types and ranges are checked, unknown fields are refused.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, create_model

FOLDER = Path(os.environ["MODEL_FOLDER"])


def row_model() -> type[BaseModel]:
    """Return the type of a row with the ranges of the signature."""
    told = json.loads((FOLDER / "upload" / "signature.json").read_text())
    limits = told["metadata"]["constraints"]
    fields: dict[str, Any] = {item["name"]: (float, Field(**limits[item["name"]])) for item in told["inputs"]}
    return create_model("Row", __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)


Row = row_model()


class Instances(BaseModel):
    model_config = ConfigDict(extra="forbid")
    instances: list[Row] = Field(min_length=1, max_length=10_000)  # type: ignore[valid-type]


class Prediction(BaseModel):
    label: int
    probabilities: dict[str, float]


class Predictions(BaseModel):
    predictions: list[Prediction]


def session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(FOLDER / "model.onnx", options, providers=["CPUExecutionProvider"])


MODEL = session()
NAMES = [item.name for item in MODEL.get_outputs()]
app = FastAPI()


@app.post("/predict")
async def predict(asked: Instances) -> Predictions:
    rows = [list(row.__dict__.values()) for row in asked.instances]
    labels, probabilities = MODEL.run(NAMES, {"X": np.array(rows, np.float32)})
    pairs = zip(labels.tolist(), probabilities.tolist(), strict=True)
    return Predictions(
        predictions=[Prediction(label=label, probabilities={"0": shares[0], "1": shares[1]}) for label, shares in pairs]
    )
