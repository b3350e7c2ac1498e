"""FastAPI and onnxruntime as an expert writes them: checked input, one session of one thread, called inline."""

from __future__ import annotations

import numpy as np
import onnxruntime
from fastapi import FastAPI
from rows import FOLDER, Instances, Predictions, said


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
    labels, shares = MODEL.run(NAMES, {"X": np.array(rows, np.float32)})
    return said(labels.tolist(), shares.tolist())
