"""The request and the answer of Slipway's V1 in pydantic: names, types and ranges checked, unknown fields refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

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


def said(labels: list[int], shares: list[list[float]]) -> Predictions:
    """Return the answer to labels with the probabilities of both classes."""
    return Predictions(
        predictions=[
            Prediction(label=label, probabilities={"0": row[0], "1": row[1]})
            for label, row in zip(labels, shares, strict=True)
        ]
    )
