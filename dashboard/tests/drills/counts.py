"""What the gateways counted, as the charts would read it."""

from __future__ import annotations

import redis

from serving.metrics import store


def counted(client: redis.Redis, environment: str, model: str, start: float, end: float) -> int:
    """Return the completed requests of a model in [start, end), all gateway processes added."""
    cells = store.read(client, environment, start, end)
    return sum(cell.completions for cell in cells if cell.model == model)


def by_boot(client: redis.Redis, environment: str, model: str, start: float, end: float) -> dict[str, int]:
    """Return the same by gateway process."""
    found: dict[str, int] = {}
    for cell in store.read(client, environment, start, end):
        if cell.model == model:
            found[cell.boot] = found.get(cell.boot, 0) + cell.completions
    return found
