"""The peers by name; every file says how one of them is installed, started and asked."""

from __future__ import annotations

from benchmarks.race.peer import Peer
from benchmarks.race.peers import bentoml, fastapi, kserve, litserve, mlflow, mlserver, ray

MODULES = (fastapi, mlserver, bentoml, litserve, kserve, mlflow, ray)
PEERS: dict[str, Peer] = {peer.name: peer for module in MODULES for peer in module.PEERS}
