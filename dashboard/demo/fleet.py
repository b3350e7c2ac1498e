"""A simulated fleet: the devices' own code, each with copies of its own, many in one process."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from serving.edge.copies import Copies
from serving.edge.device import Device
from serving.edge.documents import EdgeError, place_of
from serving.edge.model import Report
from serving.edge.server import CheckIn, Server, Unreachable
from serving.edge.trying import test_here

THREADS = 8
BROKEN = "The golden rows are answered 1.0e+00 away from what was signed (simulated)."


class Shared(Server):
    """Brings each bundle over the network once; further devices get links to the same bytes, and verify them again."""

    def __init__(self, server: str, model: str, channel: str, token: str, cache: Path) -> None:
        super().__init__(server, model, channel, token)
        self._cache, self._lock = cache, threading.Lock()

    def fetch(self, bundle: str, folder: Path) -> None:
        with self._lock:
            if not (self._cache / bundle).is_dir():
                draft = self._cache / f".{bundle}"
                draft.mkdir(parents=True, exist_ok=True)
                super().fetch(bundle, draft)
                draft.rename(self._cache / bundle)
        for path in (self._cache / bundle).iterdir():
            os.link(path, folder / path.name)


@dataclass(frozen=True)
class Round:
    """What one look of all devices came to: how many say what, how many could not ask, and why."""

    states: Counter[str] = field(default_factory=Counter)
    bundles: Counter[str] = field(default_factory=Counter)
    away: Counter[str] = field(default_factory=Counter)


class Fleet:
    """So many devices of one channel; `failing` (0 to 1) of them cannot run any bundle but their first one."""

    def __init__(self, server: Shared, key: Ed25519PublicKey, home: Path, devices: int, failing: float = 0.0) -> None:
        self._failing = failing
        self._tested: dict[str, Report] = {}
        self._lock = threading.Lock()
        names = [f"device-{number:04}" for number in range(devices)]
        self._copies = {name: Copies(home / name, key) for name in names}
        self._devices = [
            Device(copies, server, name, test=self._test_of(name, copies)) for name, copies in self._copies.items()
        ]

    def look(self) -> Round:
        """Let every device ask its channel once."""
        found = Round()
        with ThreadPoolExecutor(THREADS) as pool:
            for told in pool.map(_update, self._devices):
                if isinstance(told, str):
                    found.away[told] += 1
                else:
                    found.states[told.state] += 1
                    found.bundles[told.bundle] += 1
        return found

    def _test_of(self, name: str, copies: Copies) -> Callable[[Path], Report]:
        fails = place_of("fails", name) < self._failing

        def test(folder: Path) -> Report:
            first = copies.state.current in ("", folder.name)
            return Report(BROKEN) if fails and not first else self._tested_once(folder)

        return test

    def _tested_once(self, folder: Path) -> Report:
        """Copies of one bundle have the same bytes, which each device has verified: one of them is run."""
        with self._lock:
            if folder.name not in self._tested:
                self._tested[folder.name] = test_here(folder)
            return self._tested[folder.name]


def _update(device: Device) -> CheckIn | str:
    try:
        return device.update()
    except (Unreachable, EdgeError, OSError) as error:
        return str(error)
