"""What the drills release: small trees with the same signature, and a model that is live in all four environments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from dashboard.tests.drills.running import Slipway, until
from releases.tests import hostile, models

ENVIRONMENTS = ("dev", "test", "staging", "production")
MODEL = "drill"
COLUMNS = ("a", "b", "c")


def rows(count: int = 50) -> list[dict[str, Any]]:
    """Rows that the trees answer."""
    x, _ = models.table(count)
    return [dict(zip(COLUMNS, map(float, row), strict=True)) for row in x]


def tree(folder: Path, depth: int) -> Path:
    """Return a zip with a tree of the given depth, its signature and an example."""
    from sklearn.tree import DecisionTreeRegressor

    model = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(*models.table())
    files = {
        "model.skops": models.skops_bytes(model),
        "signature.json": models.signature(*((name, "double") for name in COLUMNS)).encode(),
        "input_example.json": json.dumps(rows(2)).encode(),
    }
    return hostile.zipped(folder / f"tree-{depth}.zip", files)


def fill(slipway: Slipway, folder: Path, packages: int = 2, model: str = MODEL) -> list[int]:
    """Register trees and bring each through all four environments; return their numbers, the last one is live.

    Drills that share an installation name a model each.
    """
    api = slipway.api()
    api.post("/models/", name=model)
    numbers = [api.accepted(model, tree(folder, 2 + number)) for number in range(packages)]
    for number in numbers:
        for environment in ENVIRONMENTS:
            api.promote(model, number, environment)
    return numbers


def address(slipway: Slipway, environment: str = "production", model: str = MODEL) -> str:
    """Return where the model is called as V1."""
    door = slipway.production if environment == "production" else slipway.others
    return f"{door}/{environment}/v1/models/{model}:predict"


def wait_for_key(url: str, key: str) -> None:
    """Wait until this gateway knows a key that has just been issued."""
    headers = {"Authorization": f"Bearer {key}"}
    body = {"instances": rows(1)}
    until("the key", lambda: httpx.post(url, json=body, headers=headers, trust_env=False).status_code == 200)


def the_other(live: int) -> int:
    """Return the number of the package that is not live, of the two."""
    return 1 if live == 2 else 2
