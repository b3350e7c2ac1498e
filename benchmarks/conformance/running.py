"""Run the suite in the clients' own Python against a server that answers."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

SUITE = Path(__file__).with_name("suite") / "run.py"
PATIENCE = 300.0


class Case(NamedTuple):
    """One case: passed, failed or not offered, and in the last two what there was instead."""

    group: str
    says: str
    verdict: str
    words: str


def suite(python: Path, said: dict[str, Any]) -> list[Case]:
    """Return every case of the suite with its verdict on the server; raises RuntimeError when it could not be run."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(said, file)
        file.flush()
        command = [str(python), str(SUITE), file.name]
        # A plain environment: the caller's proxies and paths are none of the clients' business.
        plain = {"PATH": f"{python.parent}:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": tempfile.gettempdir()}
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=plain)
    found = [Case(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode not in (0, 1) or not found:
        raise RuntimeError(f"The suite could not be run:\n{done.stderr[-2000:]}")
    return found
