"""The V1 protocol: `{"instances": […]}` in, `{"predictions": […]}` out."""

from __future__ import annotations

from typing import Any

import msgspec

from serving.contract import Batch, ContractError
from serving.gateway.messages import JSON, Reply, Request, error, value
from serving.gateway.pool import Package
from serving.gateway.world import LiveRoute, LiveTable
from serving.routing import Target
from serving.runtimes import Answer

__all__ = ["FORMS", "encode", "error", "model", "models", "parse", "predictions", "refuse"]
FORMS = frozenset({"application/json"})


def parse(package: Package, request: Request) -> tuple[Batch, None]:
    """Return the batch; raises ContractError."""
    return package.decoder.decode_v1(request.body), None


def encode(target: Target, model: str, package: Package, answer: Answer, asked: None) -> Reply:
    """Return a prediction: numbers, or a label with its probabilities by class."""
    return value({"predictions": predictions(answer)})


def predictions(answer: Answer) -> list[Any]:
    """Return one JSON value per row."""
    if answer.values is not None:
        return list(answer.values.tolist())
    labels = answer.labels or []
    if answer.probabilities is None:
        return [{"label": label} for label in labels]
    names = [str(name) for name in answer.classes or []]
    rows = answer.probabilities.tolist()
    return [
        {"label": label, "probabilities": dict(zip(names, row, strict=True))}
        for label, row in zip(labels, rows, strict=True)
    ]


def refuse(error: ContractError) -> Reply:
    """Return the 400 of a request that breaks the contract, with every broken rule."""
    return Reply(400, msgspec.json.encode({"error": str(error), "details": error.details}), [JSON])


def models(live: LiveTable, names: list[str]) -> Reply:
    return value({"models": names})


def model(live: LiveRoute, target: Target | None) -> Reply:
    return value({"name": live.route.model, "ready": not live.route.off})
