"""Blue/green: load and warm the new package beside the old one, then switch all traffic at once."""

from __future__ import annotations

from releases.strategies.base import (
    Plan,
    Seen,
    after_the_switch,
    before_all,
    switch,
    tried,
    warm,
)


class BlueGreen:
    """Both are up; one switch; the old one stays warm for the way back."""

    name = "blue_green"
    label = "Blue/green"
    summary = "The new package is loaded, warmed and tried beside the old one, then takes all traffic in one switch."

    def plan(self, seen: Seen) -> Plan:
        if first := before_all(seen):
            return first
        if seen.state == "preparing":
            return self._prepare(seen)
        return after_the_switch(seen)

    def _prepare(self, seen: Seen) -> Plan:
        return warm(seen) or switch("shift", seen, tried(seen))
