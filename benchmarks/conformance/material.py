"""The iris model that every server serves, and what scikit-learn itself says to the rows that are asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# Rows whose label stays when their numbers are cut to whole ones or sent in half precision.
CHOSEN = (0, 50, 100, 149)
SIGNATURE = {
    "inputs": [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}],
    "outputs": [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}],
}


@dataclass(frozen=True)
class Iris:
    """A fitted model and its answers."""

    model: Any
    rows: list[list[float]]
    labels: list[int]
    chances: list[list[float]]

    def dump(self, path: Path) -> Path:
        """Write it as the servers of others read it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(self.model, path)
        return path


def iris() -> Iris:
    data = load_iris()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(data.data, data.target)
    rows = data.data[list(CHOSEN)]
    return Iris(model, rows.tolist(), model.predict(rows).tolist(), model.predict_proba(rows).tolist())
