"""The peers by name; every file says how one of them is installed, started and asked."""

from __future__ import annotations

from benchmarks.race.peer import Peer
from benchmarks.race.peers import fastapi, mlserver

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        *fastapi.PEERS,
        *mlserver.PEERS,
    )
}
