"""MLServer with its scikit-learn runtime, with and without batching; in one process, since its pool is slower."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.race.peer import Peer, Place
from benchmarks.race.servers import Ask, Row, free_port

# 1.7.1 does not start with uvloop 0.22 and newer.
NEEDS = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop==0.21.0", "scikit-learn==1.9.1")
BATCHING = {"max_batch_size": 32, "max_batch_time": 0.001}


def _command(place: Place, batching: dict[str, Any]) -> list[str]:
    settings = {
        "http_port": place.port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "host": "127.0.0.1",
        "parallel_workers": 0,
        "debug": False,
    }
    model = {
        "name": "m",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(place.model.folder / "model.joblib")},
        **batching,
    }
    (place.folder / "settings.json").write_text(json.dumps(settings))
    (place.folder / "model-settings.json").write_text(json.dumps(model))
    return [place.program("mlserver"), "start", str(place.folder)]


def tensor(row: Row) -> dict[str, Any]:
    """Return a row as one matrix, the cheapest form of the Open Inference Protocol to read."""
    values = list(row.values())
    return {"inputs": [{"name": "x", "shape": [1, len(values)], "datatype": "FP64", "data": values}]}


def _ask(place: Place) -> Ask:
    return Ask(path="/v2/models/m/infer", body=tensor, label=lambda answer: answer["outputs"][0]["data"][0])


PEERS = (
    Peer(name="mlserver", requirements=NEEDS, command=lambda place: _command(place, {}), ask=_ask),
    Peer(name="mlserver-batch", requirements=NEEDS, command=lambda place: _command(place, BATCHING), ask=_ask),
)
