"""Deployment strategies: pure functions from what is seen to what is wanted; the registry is this dict."""

from __future__ import annotations

from releases.strategies.base import Plan, Seen, Strategy
from releases.strategies.blue_green import BlueGreen
from releases.strategies.canary import Canary
from releases.strategies.recreate import Recreate

STRATEGIES: dict[str, Strategy] = {
    "blue_green": BlueGreen(),
    "canary": Canary(),
    "recreate": Recreate(),
}

__all__ = ["STRATEGIES", "Plan", "Seen", "Strategy"]
