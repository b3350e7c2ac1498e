"""FastAPI by hand: with onnxruntime as an expert writes it, and with scikit-learn as its documents show it."""

from __future__ import annotations

from benchmarks.race.ours import instances
from benchmarks.race.peer import Peer, Place
from benchmarks.race.servers import Ask

NEEDS = ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", "pydantic==2.14.3", "numpy==2.4.6")


def _uvicorn(app: str, place: Place) -> list[str]:
    words = ["--port", str(place.port), "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    return [place.program("uvicorn"), f"{app}:app", *words]


def _ask(place: Place) -> Ask:
    return Ask(
        path="/predict",
        body=instances,
        label=lambda answer: answer["predictions"][0]["label"],
        probabilities=lambda answer: list(answer["predictions"][0]["probabilities"].values()),
    )


PEERS = (
    Peer(
        name="fastapi-onnx",
        requirements=(*NEEDS, "onnxruntime==1.32.0"),
        command=lambda place: _uvicorn("fastapi_onnx", place),
        ask=_ask,
        framework=False,
    ),
    Peer(
        name="fastapi-sklearn",
        requirements=(*NEEDS, "scikit-learn==1.9.1"),
        command=lambda place: _uvicorn("fastapi_sklearn", place),
        ask=_ask,
        framework=False,
    ),
)
