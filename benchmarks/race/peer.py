"""What a peer's file says of it, and how that becomes a server of one model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.race import venvs
from benchmarks.race.models import Model
from benchmarks.race.servers import Ask, Server, free_port

APPS = Path(__file__).with_name("apps")
# One row per request leaves nothing for a second thread to do, and all of them share one core.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
PLAIN = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Place:
    """Where a peer runs: its environment's programs, its model, a folder for its files, its port."""

    bin: Path
    model: Model
    folder: Path
    port: int

    def program(self, name: str) -> str:
        return str(self.bin / name)


@dataclass(frozen=True)
class Peer:
    """A peer in its recommended production form: what it needs, how it is started, how it is asked.

    `framework`: a serving framework, of which the best one counts; not what somebody wrote by hand.
    `restless`: it must not be paused, and it works while it idles, so it is measured apart from the others.
    """

    name: str
    requirements: tuple[str, ...]
    command: Callable[[Place], list[str]]
    ask: Callable[[Place], Ask]
    environment: Callable[[Place], Mapping[str, str]] = lambda place: {}
    framework: bool = True
    pausable: bool = True
    restless: bool = False
    models: tuple[str, ...] = field(default=("logistic", "forest"))

    def server(self, model: Model, venv_folder: Path, work: Path) -> Server:
        """Return its server of the model, not started yet."""
        place = Place(venvs.make(venv_folder, self.requirements), model, work / self.name, free_port())
        place.folder.mkdir(parents=True, exist_ok=True)
        return Server(
            name=self.name,
            command=self.command(place),
            environment={**_plain(place), **self.environment(place)},
            port=place.port,
            ask=self.ask(place),
            log=work / f"{self.name}.log",
            pausable=self.pausable,
            folder=place.folder,
        )


def _plain(place: Place) -> dict[str, str]:
    ours = {name: os.environ[name] for name in PLAIN if name in os.environ}
    path = f"{place.bin}:{ours.get('PATH', '')}"
    return {**ours, **ONE_THREAD, "PATH": path, "PYTHONPATH": str(APPS), "MODEL_FOLDER": str(place.model.folder)}
