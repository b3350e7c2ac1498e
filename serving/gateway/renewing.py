"""Keys do not wait for packages: what a newer table says of them holds while its packages are still being loaded."""

from __future__ import annotations

from dataclasses import replace

from serving.gateway.world import LiveTable
from serving.routing import RouteTable


class Renewal:
    """The newest table that was seen of each environment. Used by the thread that follows the tables."""

    def __init__(self) -> None:
        self._seen: dict[str, RouteTable] = {}

    def newer(self, live: LiveTable, table: RouteTable) -> LiveTable | None:
        """Return the live table with the keys and limits of a newer one; None when it is not newer than all seen."""
        seen = self._seen.get(table.environment, live.table)
        if table.generation <= max(seen.generation, live.table.generation):
            return None
        self._seen[table.environment] = table
        return _with_keys(live, table)

    def newest(self, live: LiveTable) -> LiveTable:
        """Return the table that goes live with the newest keys: one revoked while it was loaded must not come back."""
        seen = self._seen.get(live.table.environment)
        return live if seen is None or seen.generation <= live.table.generation else _with_keys(live, seen)


def _with_keys(live: LiveTable, table: RouteTable) -> LiveTable:
    held = replace(live.table, keys=table.keys, keyless=table.keyless, limits=table.limits)
    return replace(live, table=held)
