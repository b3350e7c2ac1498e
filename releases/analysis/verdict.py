"""The judge: closed batches in, a verdict out; to be read at every batch, and valid at every one of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from releases.analysis import families, words
from releases.analysis.agreement import below
from releases.analysis.batch import Batch, total
from releases.analysis.effect import Effect
from releases.analysis.evidence import log_sum
from releases.analysis.families import Metric
from releases.analysis.routing import Routing
from releases.analysis.settings import Settings
from serving.metrics.series import merge_into

State = Literal["continue", "promote", "rollback", "hold", "invalid"]
FINAL = ("rollback", "invalid")
# Beyond this a number is only "overwhelming", and JSON has none for infinity.
MOST_LOG = 690.0


@dataclass(frozen=True)
class Verdict:
    """What the judge says after a batch.

    state: continue; promote (certified as safe, after the horizon); hold (the horizon has passed without proof of
        either: ask a person); rollback and invalid (requests are lost or misrouted), which are final.
    batch, seconds: the number of the batch that it fell at, and how long was observed until then.
    evidence: E, against "the candidate is no worse"; 1 / alpha of it rolls back, at whatever time it comes.
    family: errors, latency or drift: what most of the evidence is about; score: by which of its functions.
    interval: odds ratios of that family (of an error, or of a request slower than stable's 95th percentile) that are
        not ruled out, a confidence sequence of 1 - alpha; None where nothing was counted.
    by_family: evidence of each family, its share of alpha taken; they add up to `evidence`.
    dispersion: the factor by which each score's evidence is tempered; 1 is as chance alone.
    routing: evidence that requests were lost or misrouted; 1 / routing_alpha makes the run invalid.
    safety: evidence that errors, and slow requests, are below what is tolerated; 1 / alpha of each promotes.
    requests: completions of the candidate; wanted: how many more until it can be promoted, None where none can say.
    reason: all of it in words.
    """

    state: State
    batch: int
    seconds: float
    evidence: float
    family: str
    score: str
    interval: tuple[float, float] | None
    by_family: dict[str, float]
    dispersion: dict[str, float]
    routing: float
    safety: dict[str, float]
    requests: int
    wanted: int | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it: an open end of the interval is None."""
        ends = [None if math.isinf(end) else end for end in self.interval] if self.interval else None
        return {**self.__dict__, "interval": ends}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        low, high = data["interval"] or (None, None)
        interval = (low or 0.0, math.inf if high is None else high) if data["interval"] else None
        return cls(**{**data, "interval": interval})


class Judge:
    """Judges one release. Not for threads; save it after each batch with `to_json`, go on with `from_json`.

    settings: fixed for the whole release.
    history: the batches of the hour before, in which stable and control ran the same package: they say what is usual,
        and how noisy an arm is. Without them the first minutes of stable say what is usual, and the noise is assumed.
    """

    def __init__(self, settings: Settings | None = None, history: Sequence[Batch] = ()) -> None:
        self.settings = settings or Settings()
        usual = total(arm for batch in history for arm in (batch.stable, batch.candidate))
        rate = usual.errors / usual.completions if usual.completions else 0.0
        self.ceiling = min(0.5, max(self.settings.error_ceiling, 2 * rate))
        self.metrics = [
            families.errors(self.settings, history),
            families.latency(self.settings, history),
            families.drift(self.settings, history),
        ]
        self.metrics = [metric for metric in self.metrics if metric.share > 0]
        self.routing, self.effect = Routing(), Effect(self.settings.window)
        self.seconds, self.number = 0.0, -1
        self.final: Verdict | None = None

    def observe(self, batch: Batch) -> Verdict:
        """Take in the next closed batch and say what follows from all so far.

        After a rollback or an invalid run the verdict stands, whatever else comes. Raises ValueError for a batch that
        was taken in before.
        """
        if self.final:
            return self.final
        if batch.number <= self.number:
            raise ValueError(f"Batch {batch.number} does not follow batch {self.number}.")
        self.number = batch.number
        self._learn(batch)
        verdict = self._verdict()
        if verdict.state in FINAL:
            self.final = verdict
        return verdict

    def _learn(self, batch: Batch) -> None:
        """Restarts come due by the time before the batch, so that they depend on nothing in it."""
        due, warm = int(self.seconds / self.settings.restart + 1e-9), self.seconds >= self.settings.warm_up
        for metric in self.metrics:
            metric.restart(due)
            if metric.name == "errors" or (warm and metric.families):
                metric.add(batch)
        self.routing.add(batch)
        self.effect.add(batch, warm)
        self.seconds += batch.seconds
        self._gather(batch)

    def _gather(self, batch: Batch) -> None:
        """Without a history stable's first minutes are the reference; they are then no evidence."""
        for place, metric in enumerate(self.metrics):
            if metric.name == "errors" or metric.families:
                continue
            merge_into(metric.reference, getattr(batch.stable, "latency" if metric.name == "latency" else "scores"))
            if self.seconds >= self.settings.restart - 1e-6:
                self.metrics[place] = getattr(families, metric.name)(self.settings, (), metric.reference)

    def _verdict(self) -> Verdict:
        logs = {metric.name: metric.log() for metric in self.metrics}
        blaming = {name: value for name, value in logs.items() if name != "drift" or self.settings.drift == "rollback"}
        top = next(metric for metric in self.metrics if metric.name == max(blaming, key=lambda name: blaming[name]))
        family, odds = top.top(), top.odds
        counted = self.effect.whole
        evidence = log_sum(list(blaming.values()) + self._unused(blaming))
        verdict = Verdict(
            state="continue",
            batch=self.number,
            seconds=self.seconds,
            evidence=_exp(evidence),
            family=top.name,
            score=family.name if family else "",
            interval=odds.interval() if odds and counted.candidate.completions else None,
            by_family={name: _exp(value) for name, value in logs.items()},
            dispersion={family.name: family.dispersion for metric in self.metrics for family in metric.families},
            routing=_exp(self.routing.log()),
            safety={name: _exp(value) for name, value in self._safety().items()},
            requests=counted.candidate.completions,
            wanted=self._wanted(),
            reason="",
        )
        state = self._state(verdict, top)
        return replace(verdict, state=state, reason=words.reason(state, verdict, self.settings, counted, self.ceiling))

    def _unused(self, blaming: Mapping[str, float]) -> list[float]:
        """Drift that only holds has its part of alpha, but none in the rollback: it stands there as 1."""
        left = 1 - sum(self.settings.share(name) for name in blaming)
        return [math.log(left)] if left > 1e-12 else []

    def _state(self, verdict: Verdict, top: Metric) -> State:
        if self.settings.check_routing and verdict.routing >= 1 / self.settings.routing_alpha:
            return "invalid"
        if verdict.evidence >= self.settings.needed and self._matters(top):
            return "rollback"
        if self.seconds < self.settings.horizon - 1e-6:
            return "continue"
        return "promote" if self._is_safe(verdict) else "hold"

    def _matters(self, top: Metric) -> bool:
        if top.name == "errors":
            return self.effect.errors(self.settings.odds_effect)
        return top.name == "drift" or self.effect.latency(self.settings.slower_effect)

    def _is_safe(self, verdict: Verdict) -> bool:
        shifted = verdict.by_family.get("drift", 0.0) >= self.settings.needed
        proven = all(value >= self.settings.needed for value in verdict.safety.values())
        return proven and not shifted and verdict.requests >= self.settings.least_requests

    def _safety(self) -> dict[str, float]:
        """Return the log evidence that the candidate is safe, by what it must be safe in."""
        found = {}
        for metric in self.metrics:
            if metric.name != "drift":
                found[metric.name] = metric.odds.certificate() if metric.odds else 0.0
        if "errors" in found:
            found["errors"] = max(found["errors"], self._under_the_ceiling())
        return found

    def _under_the_ceiling(self) -> float:
        candidate = self.effect.whole.candidate
        return below(candidate.errors, candidate.completions, self.ceiling) / self.metrics[0].families[0].dispersion

    def _wanted(self) -> int | None:
        """How many more requests of the candidate a promotion needs, if the evidence grows as it did so far."""
        had = self.effect.whole.candidate.completions
        wanted = max(0, self.settings.least_requests - had)
        for value in self._safety().values():
            missing = math.log(self.settings.needed) - value
            if missing > 0 and (value <= 0.1 or not had):
                return None
            wanted = max(wanted, math.ceil(missing * had / value)) if missing > 0 else wanted
        return wanted

    def to_json(self) -> str:
        """Return the whole state as JSON text."""
        state = {
            "settings": self.settings.to_json(),
            "ceiling": self.ceiling,
            "metrics": {metric.name: metric.to_json() for metric in self.metrics},
            "routing": self.routing.to_json(),
            "effect": self.effect.to_json(),
            "seconds": self.seconds,
            "number": self.number,
            "final": self.final.to_json() if self.final else None,
        }
        return json.dumps(state, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Judge:
        """Return the judge that `to_json` wrote: it goes on as if it had never stopped."""
        state = json.loads(text)
        judge = cls(Settings.from_json(state["settings"]))
        judge.ceiling, judge.seconds, judge.number = state["ceiling"], state["seconds"], state["number"]
        judge.routing, judge.effect = Routing.from_json(state["routing"]), Effect.from_json(state["effect"])
        judge.final = Verdict.from_json(state["final"]) if state["final"] else None
        for place, metric in enumerate(judge.metrics):
            judge.metrics[place] = families.restored(metric, state["metrics"][metric.name])
        return judge


def replay(settings: Settings, history: Sequence[Batch], batches: Sequence[Batch]) -> list[Verdict]:
    """Judge stored batches again: with the same settings the same verdicts, with others what would have been."""
    judge = Judge(settings, history)
    return [judge.observe(batch) for batch in batches]


def _exp(log: float) -> float:
    return math.exp(min(log, MOST_LOG))
