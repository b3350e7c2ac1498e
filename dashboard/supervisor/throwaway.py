"""A short-lived Valkey for tests and drills, started the same way as the supervisor's."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dashboard.supervisor import valkey
from dashboard.supervisor.trouble import Trouble

READY_SECONDS = 10.0


@contextmanager
def running(folder: Path, socket: Path, password: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server with its data in `folder` until the block ends; raises Trouble when it does not come up."""
    process = subprocess.Popen(valkey.command(folder, socket, password), stdout=subprocess.DEVNULL)
    try:
        _wait(process, socket, password)
        yield process
    finally:
        process.kill()
        process.wait()
        socket.unlink(missing_ok=True)


def _wait(process: subprocess.Popen[bytes], socket: Path, password: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while not valkey.answers(socket, password):
        if process.poll() is not None or time.monotonic() > until:
            raise Trouble(f"The throw-away Valkey did not start (exit code {process.poll()}).")
        time.sleep(0.01)
