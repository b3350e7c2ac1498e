"""One running installation for the drills that leave it well, and a line for each figure."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dashboard.tests.drills import material
from dashboard.tests.drills.running import Slipway, slipway
from serving import exchange
from serving.tests.processes import Valkey


@pytest.fixture(scope="session", autouse=True)
def _end_in_good_order() -> None:
    """Let a SIGTERM unwind the fixtures, so that no installation outlives its drill."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM"))


@pytest.fixture(scope="session")
def shared() -> Iterator[Slipway]:
    """An installation that is up; a drill that harms it starts its own instead."""
    with slipway() as running:
        running.start()
        yield running


@pytest.fixture(scope="session")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    """An installation for the drills that harm it, with two packages that have been live everywhere."""
    with slipway() as running:
        running.start()
        material.fill(running, tmp_path_factory.mktemp("packages"))
        yield running


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey of the drill's own that tells gateways of one environment, dev."""
    server = Valkey()
    exchange.put_environments(server.redis, ["dev"])
    yield server
    server.close()


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a figure, whatever pytest captures."""

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", flush=True)

    return say


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
