"""Drill: a fresh clone, `make up`, and the `curl` that it prints; the README's own; Ctrl-C; a second start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dashboard.tests.drills import processes
from dashboard.tests.drills.running import ROOT, UNWANTED, free_ports, until

pytestmark = pytest.mark.drill

DEFAULTS = (8000, 8100, 8101)
# Of the shell and of the `make` around this test; the newcomer's shell has none of it.
FOREIGN = (*UNWANTED, "VIRTUAL_ENV", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "WEB_BIND", "GATEWAYS", "DEMO", "PYTHONPATH")
CURL = re.compile(r"^curl .*:predict\b.*$", re.MULTILINE)
STOP_SECONDS = 10.0


@dataclass
class Newcomer:
    """A clone and a shell in it. `ports`: pages, production's gateway, the others' gateway."""

    clone: Path
    ports: tuple[int, ...]
    environment: dict[str, str]
    output: Path

    @contextmanager
    def up(self) -> Iterator[Callable[[], float]]:
        """Run `make up` until the block ends; yields a function that presses Ctrl-C and returns the seconds it took."""
        with self.output.open("wb") as output:
            made = subprocess.Popen(
                ["make", "up"],
                cwd=self.clone,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield lambda: ctrl_c(made)
        finally:
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                ctrl_c(made)
            if made.poll() is None:
                os.killpg(made.pid, signal.SIGKILL)
                made.wait(10)

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def pages(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.ports[0]}/health/", timeout=5).status_code == 200

    def answers(self, curl: str) -> float:
        """Paste a `curl` into a shell in the clone; return the first prediction."""
        done = subprocess.run(["bash", "-c", curl], cwd=self.clone, capture_output=True, text=True, timeout=60)
        return float(json.loads(done.stdout)["predictions"][0])


def test_a_newcomer_gets_a_prediction(folder: Path, tell: Callable[[str], None]) -> None:
    newcomer = clone(folder)
    began = time.monotonic()
    with newcomer.up() as stop:
        until("the requirements", (newcomer.clone / ".venv" / "installed-requirements.txt").exists, 900, 0.2)
        installed = time.monotonic()
        until("the pages", newcomer.pages, 120, 0.1)
        pages = time.monotonic() - installed
        printed = until("the printed curl", lambda: CURL.search(newcomer.text()), 400, 0.2)[0]
        minutes = newcomer.answers(printed)
        first = time.monotonic() - installed
        readme, how = readme_curl(newcomer)
        assert newcomer.answers(readme) > 0
        stopped = stop()
    left = processes.of(newcomer.clone)
    later, stopped_again = second_start(newcomer)
    tell(
        f"fresh start: requirements {installed - began:.0f} s, then pages {pages:.1f} s, printed curl {first:.0f} s "
        f"({minutes:.1f} minutes in the air), README's curl {how}; Ctrl-C {stopped:.1f} s, processes left {len(left)}; "
        f"later start {later:.1f} s, Ctrl-C {stopped_again:.1f} s"
    )
    assert minutes > 0
    assert not left
    assert max(stopped, stopped_again) < STOP_SECONDS


def clone(folder: Path) -> Newcomer:
    """Clone what is committed; take ports of its own where the usual ones are taken."""
    trusted = folder / "gitconfig"  # the checkout may belong to somebody else, as it does in CI
    trusted.write_text("[safe]\n\tdirectory = *\n")
    command = ["git", "clone", "--quiet", str(ROOT), str(folder / "slipway")]
    subprocess.run(command, env=os.environ | {"GIT_CONFIG_GLOBAL": str(trusted)}, check=True, timeout=120)
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    ports = DEFAULTS
    if not all(map(is_free, DEFAULTS)):
        ports = tuple(free_ports(3))
        environment["WEB_BIND"] = f"127.0.0.1:{ports[0]}"
        environment["GATEWAYS"] = f"production=127.0.0.1:{ports[1]};*=127.0.0.1:{ports[2]}"
    return Newcomer((folder / "slipway").resolve(), ports, environment, folder / "output.txt")


def readme_curl(newcomer: Newcomer) -> tuple[str, str]:
    """Return the README's call, and whether it stands there like that."""
    found = CURL.search((newcomer.clone / "README.md").read_text())
    assert found, "The README has no curl."
    if newcomer.ports == DEFAULTS:
        return found[0], "as it stands"
    return found[0].replace(":8100/", f":{newcomer.ports[1]}/"), "with another port, because 8000 to 8101 were taken"


def second_start(newcomer: Newcomer) -> tuple[float, float]:
    """Start again and stop again; return the seconds to the pages, and to the end."""
    began = time.monotonic()
    with newcomer.up() as stop:
        until("the pages of the second start", newcomer.pages, 120, 0.05)
        pages = time.monotonic() - began
        until("the curl to be printed again", lambda: CURL.search(newcomer.text()), 120, 0.1)
        return pages, stop()


def ctrl_c(made: subprocess.Popen[bytes]) -> float:
    """Interrupt the whole foreground group, as a terminal does."""
    began = time.monotonic()
    if made.poll() is None:
        os.killpg(made.pid, signal.SIGINT)
        made.wait(30)
    return time.monotonic() - began


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
