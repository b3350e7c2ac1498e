"""KServe's Python server around scikit-learn, asked by V2."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import joblib
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Sklearn(Model):
    def __init__(self) -> None:
        super().__init__("m")
        self.model = joblib.load(Path(os.environ["MODEL_FOLDER"]) / "model.joblib")
        self.ready = True

    async def predict(self, payload: InferRequest, headers: Any = None, response_headers: Any = None) -> InferResponse:
        labels = self.model.predict(payload.inputs[0].as_numpy())
        output = InferOutput("label", list(labels.shape), "INT64", data=labels.tolist())
        return InferResponse(payload.id or "1", self.name, [output])


if __name__ == "__main__":
    server = ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1, access_log_format=None)
    server.start([Sklearn()])
