"""A table without the packages that must not be loaded: their weight goes back to stable."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from serving.routing import Route, RouteTable, Target


def leave_out(table: RouteTable, digests: Collection[str]) -> RouteTable:
    """Return the table without these packages (pure). A route with nothing left to serve is switched off."""
    routes = {name: _without(route, digests) for name, route in table.routes.items()}
    return replace(table, routes=routes)


def _without(route: Route, digests: Collection[str]) -> Route:
    left = [target for target in route.targets if target.digest not in digests]
    if len(left) == len(route.targets):
        return route
    heir = next((target for arm in ("stable", "previous") for target in left if target.arm == arm), None)
    lost = 100 - sum(target.weight for target in left)
    return replace(route, targets=tuple(_inherit(target, heir, 0 if route.off else lost) for target in left))


def _inherit(target: Target, heir: Target | None, lost: float) -> Target:
    """Without an heir the rest cannot carry the traffic that was never theirs: everything goes to 0."""
    if heir is None:
        return replace(target, weight=0.0)
    return replace(target, weight=target.weight + lost) if target is heir else target
