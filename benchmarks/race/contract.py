"""The goals of the gateway, each with how its figure is taken from the results."""

from __future__ import annotations

from benchmarks.race.models import FOREST, LOGISTIC
from benchmarks.race.table import Goal, Seen, over

OURS, OURS_GRANIAN, OURS_SKLEARN = "slipway", "slipway-granian", "slipway-sklearn"
HELLO, HELLO_STRAIGHT = "hello-granian", "hello-uvicorn"
START, MEMORY, TWO = "start", "memory", "two"


def _best(ours: str, model: str, connections: int):  # type: ignore[no-untyped-def]
    def figure(seen: Seen) -> float | None:
        top = seen.best("rate", model, connections)
        return over(seen.rate(ours, model, connections), top[0] if top else None)

    return figure


def _tail(seen: Seen) -> float | None:
    top = seen.best("p99", LOGISTIC, 16)
    return over(seen.p99(OURS, LOGISTIC, 16), top[0] if top else None)


def _against(peer: str, model: str, connections: int, ours: str = OURS):  # type: ignore[no-untyped-def]
    return lambda seen: over(seen.rate(ours, model, connections), seen.rate(peer, model, connections))


def _median(seen: Seen) -> float | None:
    return over(seen.p50(OURS, LOGISTIC, 1), seen.p50("fastapi-onnx", LOGISTIC, 1))


def _figure(name: str):  # type: ignore[no-untyped-def]
    return lambda seen: seen.figures.get(name)


GOALS = (
    Goal("best framework, 16 connections: requests a second", 11, 14, _best(OURS, LOGISTIC, 16)),
    Goal("best framework, 64 connections: requests a second", 18, 22, _best(OURS, LOGISTIC, 64)),
    Goal("lowest p99 of a framework, 16 connections", 0.1, 0.04, _tail, most=True),
    Goal("best framework, random forest, 16 connections", 24, 30, _best(OURS, FOREST, 16)),
    Goal("best framework, forest left on scikit-learn, 16 connections", 1.5, 1.7, _best(OURS_SKLEARN, FOREST, 16)),
    Goal("best framework, forest left on scikit-learn, 64 connections", 3.2, 3.8, _best(OURS_SKLEARN, FOREST, 64)),
    Goal("FastAPI with onnxruntime, 16 connections", 3.6, 5, _against("fastapi-onnx", LOGISTIC, 16)),
    Goal("FastAPI with onnxruntime, 64 connections", 6.3, 7.5, _against("fastapi-onnx", LOGISTIC, 64)),
    Goal("FastAPI with onnxruntime, one connection: median", 0.65, 0.57, _median, most=True),
    Goal("FastAPI with scikit-learn, 16 connections", 12, 15, _against("fastapi-sklearn", LOGISTIC, 16)),
    Goal("FastAPI with scikit-learn, random forest, 16 connections", 100, 130, _against("fastapi-sklearn", FOREST, 16)),
    Goal("bare hello, Granian's RSGI, 16 connections", 0.42, 0.48, _against(HELLO, LOGISTIC, 16, OURS_GRANIAN)),
    Goal(
        "bare hello, uvicorn asked straight, 16 connections",
        0.45,
        0.53,
        _against(HELLO_STRAIGHT, LOGISTIC, 16),
    ),
    Goal("start to first prediction, 20 packages", 0.4, 0.3, _figure(START), most=True, unit="s"),
    Goal("resident memory, 20 packages", 130, 110, _figure(MEMORY), most=True, unit="MB"),
    Goal("two gateways, forest left on scikit-learn", 1.7, 1.9, _figure(TWO)),
)
