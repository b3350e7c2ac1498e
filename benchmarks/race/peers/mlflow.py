"""`mlflow models serve` with its uvicorn scoring server, asked by `dataframe_split`."""

from __future__ import annotations

import subprocess
from typing import Any

from benchmarks.race.peer import Peer, Place
from benchmarks.race.servers import Ask, Row

SAVE = """
import sys, json, joblib, mlflow.sklearn, pandas as pd
from pathlib import Path
folder, target = map(Path, sys.argv[1:])
rows = pd.DataFrame(json.loads((folder / "rows.json").read_text())["rows"][:5])
model = joblib.load(folder / "model.joblib")
signature = mlflow.models.infer_signature(rows, model.predict(rows.to_numpy()))
mlflow.sklearn.save_model(model, target, signature=signature, serialization_format="cloudpickle")
"""


def _command(place: Place) -> list[str]:
    target = place.folder / "model"
    if not target.exists():
        words = [place.program("python"), "-c", SAVE, str(place.model.folder), str(target)]
        subprocess.run(words, check=True, cwd=place.folder, capture_output=True)
    words = ["models", "serve", "-m", str(target), "-p", str(place.port), "--env-manager", "local", "-w", "1"]
    return [place.program("mlflow"), *words]


def _body(row: Row) -> dict[str, Any]:
    return {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}


PEERS = (
    Peer(
        name="mlflow",
        requirements=("mlflow==3.17.2", "scikit-learn==1.9.1"),
        command=_command,
        ask=lambda place: Ask("/invocations", _body, lambda answer: answer["predictions"][0]),
        environment=lambda place: {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"},
    ),
)
