"""Canary: a growing share of the traffic, judged batch by batch; never on by silence, never off by silence."""

from __future__ import annotations

from itertools import pairwise

from releases.strategies.base import (
    Plan,
    Seen,
    adoption,
    after_the_switch,
    before_all,
    hold,
    span,
    switch,
    tried,
    trouble,
    warm,
)

# Weights in per cent and seconds: an hour, as the judge's figures are stated for.
STEPS = ((1.0, 300.0), (5.0, 600.0), (25.0, 900.0), (50.0, 1800.0))


class Canary:
    """Each step lasts its time and until there are requests enough; the last is left by a certificate alone."""

    name = "canary"
    label = "Canary"
    summary = "A small share of the traffic, then more, while the judge compares. A fault takes it back by itself."

    def plan(self, seen: Seen) -> Plan:
        if first := before_all(seen):
            return first
        if seen.state == "preparing":
            return self._prepare(seen)
        if seen.state == "shifting" and seen.step <= len(seen.steps):
            return self._step(seen)
        return after_the_switch(seen)

    def _prepare(self, seen: Seen) -> Plan:
        return warm(seen) or _to("shift", seen, 1, tried(seen))

    def _step(self, seen: Seen) -> Plan:
        if seen.load_error:
            return Plan("fail", trouble(seen))
        if not seen.all_adopted:
            return hold(adoption(seen))
        at, last = seen.step, seen.step == len(seen.steps)
        left = seen.steps[at - 1][1] - seen.seconds_in_step
        if left > 0:
            after = "the judge decides" if last else f"{seen.steps[at][0]:g} %"
            return hold(f"{seen.weight:g} % for {span(left)} more, then {after}.")
        if seen.requests < seen.least_requests:
            return hold(f"Waits for requests: the candidate answered {seen.requests} of {seen.least_requests}.")
        if not last:
            return _to("step", seen, at + 1, "No evidence against it.")
        if seen.verdict == "promote":
            return switch("step", seen, seen.verdict_reason, step=at + 1)
        return hold(seen.verdict_reason or "Waits for the judge.")


def _to(action: str, seen: Seen, step: int, why: str) -> Plan:
    weight, seconds = seen.steps[step - 1]
    words = f"{why} {weight:g} % of the traffic for {span(seconds)}."
    return Plan(action, words, weight=weight, stable_weight=100.0 - weight, step=step)


def place_of(weight: float, steps: tuple[tuple[float, float], ...]) -> int:
    """Return the number of the step that a weight set by hand belongs to: the last one that it reaches, else the first.

    From there the canary goes on when that step's time is over.
    """
    return max((number for number, (least, _) in enumerate(steps, start=1) if least <= weight), default=1)


def checked(steps: object) -> tuple[tuple[float, float], ...]:
    """Return the steps of a plan that makes sense; raises ValueError, in words, for one that does not."""
    if not isinstance(steps, list | tuple) or not 1 <= len(steps) <= 20:
        raise ValueError("There are 1 to 20 steps, each with a weight and a time.")
    found = tuple((float(weight), float(seconds)) for weight, seconds in steps)
    weights = [weight for weight, _ in found]
    if any(not 0 < weight < 100 for weight in weights):
        raise ValueError("Each weight lies between 0 and 100 %; all of the traffic follows after the last step.")
    if any(low >= high for low, high in pairwise(weights)):
        raise ValueError("Each step's weight must be higher than the one before.")
    if any(not 1 <= seconds <= 30 * 86400 for _, seconds in found):
        raise ValueError("A step lasts from a second to 30 days.")
    return found
