"""Small builders of tables and signatures that the tests of this app share."""

from __future__ import annotations

import hashlib
from typing import Any

from serving.contract import Signature
from serving.routing import Route, RouteTable, Target


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def target(package: int = 1, arm: Any = "stable", weight: float = 100.0, **more: Any) -> Target:
    more = {"url": f"file:///nowhere/{package}", "runtime": "onnx", **more}
    return Target(
        package, digest(f"p{package}"), more.pop("artefact", digest(f"a{package}")), arm=arm, weight=weight, **more
    )


def table(
    *targets: Target, generation: int = 1, environment: str = "dev", model: str = "eta", **more: Any
) -> RouteTable:
    routes = {model: Route(model, targets, **more.pop("route", {}))} if targets else {}
    return RouteTable(environment, generation, routes, keyless=more.pop("keyless", True), **more)


def flight() -> Signature:
    return Signature.from_json(
        {
            "inputs": [
                {"name": "distance", "type": "long", "required": True},
                {"name": "hour", "type": "double", "required": True},
                {"name": "origin", "type": "string", "required": True},
            ],
            "outputs": [{"name": "minutes", "type": "double"}],
            "params": None,
            "metadata": {
                "constraints": {
                    "distance": {"gt": 0, "le": 5000, "unit": "miles"},
                    "hour": {"ge": 0, "lt": 24},
                    "origin": {"values": ["EWR", "JFK", "LGA"]},
                }
            },
        }
    )


def matrix(width: int = 3, dtype: str = "float64", **limits: float) -> Signature:
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, width]}}
    return Signature.from_json({"inputs": [spec], "metadata": {"constraints": {"input": limits} if limits else {}}})
