"""FastAPI and scikit-learn as the tutorials write them, with checked input; one call gives label and probabilities."""

from __future__ import annotations

import joblib
import numpy as np
from fastapi import FastAPI
from rows import FOLDER, Instances, Predictions, said

MODEL = joblib.load(FOLDER / "model.joblib")
app = FastAPI()


@app.post("/predict")
async def predict(asked: Instances) -> Predictions:
    shares = MODEL.predict_proba(np.array([list(row.__dict__.values()) for row in asked.instances]))
    return said(MODEL.classes_[shares.argmax(axis=1)].tolist(), shares.tolist())
