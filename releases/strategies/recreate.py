"""Recreate: the old package goes off, then the new one comes on; calls in between are told to retry."""

from __future__ import annotations

from releases.strategies.base import (
    Plan,
    Seen,
    adoption,
    after_the_switch,
    before_all,
    hold,
    trouble,
)

OFF, ON = 0, 1


class Recreate:
    """Never two packages at once; the price is a short time off, which the page shows."""

    name = "recreate"
    label = "Recreate"
    summary = "The old package goes off, then the new one comes on. Calls in between get 503 with Retry-After."

    def plan(self, seen: Seen) -> Plan:
        is_off = seen.state == "shifting" and seen.step == OFF
        if not is_off and (first := before_all(seen)):  # between off and on a hold would be an outage
            return first
        if seen.state == "preparing":
            words = "The old package goes off." if seen.has_stable else "Nothing is live, so nothing goes off."
            return Plan("shift", words, weight=0.0, stable_weight=0.0, step=OFF)
        if seen.state == "shifting" and seen.step == OFF:
            return self._switch_on(seen)
        return after_the_switch(seen)

    def _switch_on(self, seen: Seen) -> Plan:
        if words := trouble(seen):
            return Plan("fail", words)
        if seen.has_stable and not seen.all_adopted:
            return hold(f"The old package is going off. {adoption(seen)}")
        words = "The old package is off; the new one comes on." if seen.has_stable else "It is the first one here."
        return Plan("step", words, weight=100.0, stable_weight=0.0, step=ON)
