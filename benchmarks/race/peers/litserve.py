"""LitServe, with and without batching."""

from __future__ import annotations

from benchmarks.race.peer import APPS, Peer, Place
from benchmarks.race.servers import Ask


def _command(place: Place) -> list[str]:
    return [place.program("python"), str(APPS / "lit_app.py"), str(place.port)]


def _ask(place: Place) -> Ask:
    return Ask("/predict", lambda row: {"row": list(row.values())}, lambda answer: answer["label"])


PEERS = tuple(
    Peer(
        name=name,
        requirements=("litserve==0.2.19", "scikit-learn==1.9.1"),
        command=_command,
        ask=_ask,
        environment=lambda place, batching=batching: {"BATCHING": batching},
    )
    for name, batching in (("litserve", "0"), ("litserve-batch", "1"))
)
