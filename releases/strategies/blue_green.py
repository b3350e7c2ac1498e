"""Blue/green: load and warm the new package beside the old one, then switch all traffic at once."""

from __future__ import annotations

from releases.strategies.base import Plan, Seen, adoption, after_the_switch, hold, trouble, wait_to_begin


class BlueGreen:
    """Both are up; one switch; the old one stays warm for the way back."""

    name = "blue_green"
    label = "Blue/green"
    summary = "The new package is loaded and warmed beside the old one, then takes all traffic in one switch."

    def plan(self, seen: Seen) -> Plan:
        if seen.paused:
            return hold("Paused.")
        if seen.state == "waiting":
            return wait_to_begin(seen)
        if seen.state == "preparing":
            return self._prepare(seen)
        return after_the_switch(seen)

    def _prepare(self, seen: Seen) -> Plan:
        if words := trouble(seen):
            return Plan("fail", words)
        if seen.all_adopted:
            return Plan("shift", "Loaded and warm in every gateway.", weight=100.0, stable_weight=0.0)
        return hold(adoption(seen))
