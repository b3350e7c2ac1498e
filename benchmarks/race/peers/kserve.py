"""KServe's Python server, asked by V2."""

from __future__ import annotations

from benchmarks.race.peer import APPS, Peer, Place
from benchmarks.race.peers.mlserver import tensor
from benchmarks.race.servers import Ask


def _command(place: Place) -> list[str]:
    return [place.program("python"), str(APPS / "kserve_app.py"), str(place.port)]


PEERS = (
    Peer(
        name="kserve",
        requirements=("kserve==0.21.0", "scikit-learn==1.9.1"),
        command=_command,
        ask=lambda place: Ask("/v2/models/m/infer", tensor, lambda answer: answer["outputs"][0]["data"][0]),
    ),
)
