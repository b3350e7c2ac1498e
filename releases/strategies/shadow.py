"""Shadow: a share of the requests is answered once more, unseen; it ends by itself, and never takes any traffic."""

from __future__ import annotations

from releases.strategies.base import (
    PREPARE_SECONDS,
    Mirrored,
    Plan,
    Seen,
    adoption,
    held_back,
    hold,
    span,
    trouble,
    wait_to_begin,
)


class Shadow:
    """Compares until there are pairs enough, or the time is over."""

    name = "shadow"
    label = "Shadow"
    summary = "A share of the requests is answered by the new package too. Nobody sees it; the answers are compared."

    def plan(self, seen: Seen) -> Plan:
        if held := held_back(seen):
            return held
        if seen.state == "waiting":
            return wait_to_begin(seen)
        mirrored = seen.mirrored or Mirrored()
        if mirrored.recorded:
            return self._replay(seen, mirrored)
        if not seen.has_stable or mirrored.replaced:
            words = "The package that it was compared with is not live any more."
            return Plan("fail" if seen.state == "preparing" else "end", words)
        return self._prepare(seen, mirrored) if seen.state == "preparing" else self._compare(seen, mirrored)

    def _prepare(self, seen: Seen, mirrored: Mirrored) -> Plan:
        if words := mirrored.error or trouble(seen):
            return Plan("fail", words)
        if not seen.all_adopted:
            return hold(adoption(seen))
        if mirrored.ready:
            return Plan("shift", "Loaded in the shadow process; requests are mirrored.", weight=0.0)
        if seen.seconds_in_step > PREPARE_SECONDS:
            return Plan("fail", f"No shadow process has loaded it within {PREPARE_SECONDS:.0f} s.")
        return hold("The shadow process loads the package.")

    def _replay(self, seen: Seen, mirrored: Mirrored) -> Plan:
        """What was recorded stays what it is, whatever goes live meanwhile."""
        if mirrored.error:
            return Plan("fail", mirrored.error)
        if seen.state == "preparing":
            if mirrored.ready:
                return Plan("shift", "Loaded; recorded requests are replayed.", weight=0.0)
            return hold("A worker loads the package.")
        if mirrored.over:
            return Plan("end", mirrored.over)
        return self._compare(seen, mirrored)

    def _compare(self, seen: Seen, mirrored: Mirrored) -> Plan:
        if mirrored.pairs >= mirrored.wanted:
            return Plan("end", f"{mirrored.pairs:,} pairs were compared.")
        left = mirrored.seconds - seen.seconds_in_state
        if left <= 0:
            return Plan("end", f"Its time is over; {mirrored.pairs:,} of {mirrored.wanted:,} pairs were compared.")
        said = f"{mirrored.pairs:,} of {mirrored.wanted:,} pairs compared; it ends in {span(left)} at the latest."
        return hold(f"{said} {mirrored.error}".strip())
