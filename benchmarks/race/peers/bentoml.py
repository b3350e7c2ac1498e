"""BentoML, with and without its adaptive batching. A pause would spoil what it has learnt, so it is never stopped."""

from __future__ import annotations

from benchmarks.race.peer import Peer, Place
from benchmarks.race.servers import Ask

NEEDS = ("bentoml==1.4.39", "scikit-learn==1.9.1")


def _command(place: Place) -> list[str]:
    return [place.program("bentoml"), "serve", "bento_app:Model", "--port", str(place.port), "--host", "127.0.0.1"]


def _ask(place: Place) -> Ask:
    return Ask("/predict", lambda row: {"rows": [list(row.values())]}, lambda answer: answer[0])


def _environment(place: Place, batching: str) -> dict[str, str]:
    home = str(place.folder / "home")
    return {"BATCHING": batching, "BENTOML_HOME": home, "BENTOML_DO_NOT_TRACK": "True"}


PEERS = tuple(
    Peer(
        name=name,
        requirements=NEEDS,
        command=_command,
        ask=_ask,
        environment=lambda place, batching=batching: _environment(place, batching),
        pausable=False,
    )
    for name, batching in (("bentoml", "0"), ("bentoml-batch", "1"))
)
