"""Shadows of streams: a record that drew one goes, with its answer, to the shadow process that a gateway has too."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from serving.gateway.mirror import LIVE, Waiting
from serving.gateway.pairs import Pair
from serving.gateway.protocols.v1 import answer_of
from serving.gateway.world import Live
from serving.runtimes import wire
from serving.streams.answering import Outcome
from serving.streams.names import Names


class Drawn(NamedTuple):
    """A record that drew the shadows `runs`, what became of it, and the seconds that the model took."""

    runs: list[int]
    outcome: Outcome
    seconds: float


class StreamMirror(Waiting[Drawn]):
    """Records, when they are settled."""

    def __init__(self, live: Live, draw: Callable[[], float] = random.random) -> None:
        super().__init__(live, draw)

    def offer(self, names: Names, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Hold on to the records that drew a shadow; one that breaks the contract has none. `seconds` is for each."""
        route = self._live.published(names.environment, names.model)
        if route is None or not route.shadows:
            return
        for outcome in outcomes:
            live = outcome.target is not None and outcome.target.arm in LIVE
            if live and (runs := self.drawn(route)):
                self.keep(Drawn(runs, outcome, seconds), len(outcome.taken.row))

    def runs(self, found: Drawn) -> list[int]:
        return found.runs

    def pair(self, found: Drawn, dropped: dict[int, int]) -> Pair:
        taken = found.outcome.taken
        return Pair(
            runs=found.runs,
            protocol="v1",
            headers={"content-type": "application/json"},
            body=b'{"instances":[%b]}' % taken.row,
            answer=wire.reply(answer_of([found.outcome.prediction])),
            at=taken.at,
            id=taken.id,
            seconds=found.seconds,
            dropped=dropped,
        )
