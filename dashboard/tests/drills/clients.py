"""Clients that others publish, in an environment of their own: they drag in much that Slipway must not have."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "requirements-clients.txt"
FOLDER = ROOT / ".venv-clients"
HERE = Path(__file__).parent


def ask(script: str, *arguments: str, seconds: float = 120.0) -> Any:
    """Run a script of this folder with the clients' own Python; return the JSON that it prints."""
    command = [str(python()), str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=HERE)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def python() -> Path:
    """Return the environment's Python; the environment is made when it is first wanted, and again for a new lock."""
    with (FOLDER.with_name(".venv-clients.lock")).open("w") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        found, installed = FOLDER / "bin" / "python", FOLDER / "installed.txt"
        if not installed.exists() or installed.read_bytes() != LOCK.read_bytes():
            _make(found)
            shutil.copyfile(LOCK, installed)
    return found


def _make(python: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True, timeout=300)
    uv, wanted = Path(sys.executable).with_name("uv"), ["--quiet", "--require-hashes", "-r", str(LOCK)]
    # As in the Makefile: uv is ten times faster, and plain pip takes over where it fails.
    if uv.exists() and subprocess.run([uv, "pip", "install", "--python", python, *wanted], timeout=900).returncode == 0:
        return
    subprocess.run([python, "-m", "pip", "install", "--disable-pip-version-check", *wanted], check=True, timeout=900)
