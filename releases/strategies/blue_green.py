"""Blue/green: load and warm the new package beside the old one, then switch all traffic at once."""

from __future__ import annotations

from releases.strategies.base import (
    Plan,
    Seen,
    adoption,
    after_the_switch,
    before_all,
    hold,
    switch,
    trouble,
)


class BlueGreen:
    """Both are up; one switch; the old one stays warm for the way back."""

    name = "blue_green"
    label = "Blue/green"
    summary = "The new package is loaded and warmed beside the old one, then takes all traffic in one switch."

    def plan(self, seen: Seen) -> Plan:
        if first := before_all(seen):
            return first
        if seen.state == "preparing":
            return self._prepare(seen)
        return after_the_switch(seen)

    def _prepare(self, seen: Seen) -> Plan:
        if words := trouble(seen):
            return Plan("fail", words)
        if seen.all_adopted:
            return switch("shift", seen, "Loaded and warm in every gateway.")
        return hold(adoption(seen))
