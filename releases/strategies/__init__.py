"""Deployment strategies: pure functions from what is seen to what is wanted; the registries are these dicts."""

from __future__ import annotations

from releases.strategies.base import Plan, Seen, Strategy
from releases.strategies.blue_green import BlueGreen
from releases.strategies.canary import Canary
from releases.strategies.edge import Edge
from releases.strategies.recreate import Recreate
from releases.strategies.shadow import Shadow

# Those that bring a package in.
STRATEGIES: dict[str, Strategy] = {
    "blue_green": BlueGreen(),
    "canary": Canary(),
    "recreate": Recreate(),
}

# And those that take no part in the traffic: one only looks at it, one goes to devices.
EVERY: dict[str, Strategy] = {**STRATEGIES, "shadow": Shadow(), "edge": Edge()}

__all__ = ["EVERY", "STRATEGIES", "Plan", "Seen", "Strategy"]
