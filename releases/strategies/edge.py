"""Edge: a growing share of a channel's devices; on when they have taken it, off when their self-tests fail."""

from __future__ import annotations

from releases.strategies.base import Fleet, Plan, Seen, held_back, hold, span, wait_to_begin

# Per cent of the devices and seconds; all of them follow after the last.
STEPS = ((1.0, 300.0), (10.0, 600.0), (50.0, 900.0))
# Of the devices in the share that were seen lately, so many must run it before more get it.
MOST = 0.5
# More than this part of those that tried, and more than one device, may not fail.
FAILING = 0.05


class Edge:
    """The bundle goes to a stable share of the devices, step by step; a withdrawal gives all of them the old one."""

    name = "edge"
    label = "To devices"
    summary = "A channel's devices get the new bundle in steps. Failing self-tests take it back by themselves."

    def plan(self, seen: Seen) -> Plan:
        fleet = seen.fleet or Fleet()
        if seen.state == "shifting" and not seen.is_rollback and (words := failing(fleet)):
            return Plan("fail", words)
        if held := held_back(seen):
            return held
        if seen.state == "waiting":
            return wait_to_begin(seen)
        return self._prepare(seen, fleet) if seen.state == "preparing" else self._step(seen, fleet)

    def _prepare(self, seen: Seen, fleet: Fleet) -> Plan:
        if fleet.error:
            return Plan("fail", fleet.error)
        if not fleet.ready:
            return hold("The bundle is made.")
        if not fleet.devices:
            return _to("shift", 100.0, 1, "No device asks this channel yet: it offers the new bundle to all.")
        weight = seen.steps[0][0] if seen.steps else 100.0
        return _to("shift", weight, 1, f"{weight:g} % of {fleet.devices} devices get it.")

    def _step(self, seen: Seen, fleet: Fleet) -> Plan:
        if seen.is_rollback or fleet.enough or not fleet.devices or seen.step > len(seen.steps):
            return Plan("finish", "All devices are told.", weight=100.0, stable_weight=0.0)
        left = seen.steps[seen.step - 1][1] - seen.seconds_in_step
        said = f"{fleet.took} of {fleet.chosen} devices in the share run it."
        if left > 0:
            return hold(f"{seen.weight:g} % for {span(left)} more. {said}")
        if fleet.chosen and (not fleet.took or fleet.took < MOST * fleet.chosen):
            return hold(f"Waits for devices. {said}")
        if seen.step == len(seen.steps):
            return Plan("finish", f"{said} All devices are told.", weight=100.0, stable_weight=0.0)
        weight = seen.steps[seen.step][0]
        return _to("step", weight, seen.step + 1, f"{said} {weight:g} % get it now.")


def failing(fleet: Fleet) -> str:
    """Say why it must be taken back; nothing where too few devices failed to say so."""
    tried = fleet.took + fleet.failed
    if fleet.failed < min(2, fleet.chosen) or not fleet.failed or fleet.failed <= FAILING * tried:
        return ""
    return f"{fleet.failed} of {tried} devices that tried it could not run it."


def _to(action: str, weight: float, step: int, why: str) -> Plan:
    return Plan(action, why, weight=weight, stable_weight=100.0 - weight, step=step)
