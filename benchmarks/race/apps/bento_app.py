"""BentoML: one service, its endpoint on a batch of rows; batching as its documents recommend it, or off."""

from __future__ import annotations

import os
from pathlib import Path

import bentoml
import joblib
import numpy as np

BATCHING = os.environ["BATCHING"] == "1"


@bentoml.service(traffic={"timeout": 60}, workers=1)
class Model:
    def __init__(self) -> None:
        self.model = joblib.load(Path(os.environ["MODEL_FOLDER"]) / "model.joblib")

    @bentoml.api(batchable=BATCHING, max_batch_size=32, max_latency_ms=2000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict(rows)
