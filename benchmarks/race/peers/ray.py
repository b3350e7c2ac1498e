"""Ray Serve with its batching. Its processes must not be paused and work while they idle, so it is measured apart."""

from __future__ import annotations

from benchmarks.race.peer import APPS, Peer, Place
from benchmarks.race.servers import Ask


def _command(place: Place) -> list[str]:
    return [place.program("python"), str(APPS / "ray_app.py"), str(place.port)]


PEERS = (
    Peer(
        name="ray-serve",
        requirements=("ray[serve]==2.60.0", "scikit-learn==1.9.1"),
        command=_command,
        ask=lambda place: Ask("/", lambda row: {"row": list(row.values())}, lambda answer: answer["label"]),
        environment=lambda place: {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": "/tmp"},
        pausable=False,
        restless=True,
    ),
)
