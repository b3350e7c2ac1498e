"""A copy tried in a process of its own: a model that takes its process down does not take the runner down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from serving.edge.documents import MANIFEST, EdgeError, Manifest
from serving.edge.model import EdgeModel, Report

SECONDS = 120
CODE = "import sys; from serving.edge.trying import main; main(sys.argv[1])"


def test_apart(folder: Path) -> Report:
    """Return the self-test's report of a copy that was checked; a process that dies or hangs has failed it."""
    root = str(Path(__file__).parents[2])  # a folder, or the runner's own zip file
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-c", CODE, str(folder)]
    try:
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, timeout=SECONDS)
        return Report(**json.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        return Report(f"The self-test did not end within {SECONDS} seconds.")
    except (IndexError, ValueError, TypeError):
        return Report(f"The self-test's process ended with {done.returncode}.")


def test_here(folder: Path) -> Report:
    """Return the self-test's report, made in this process."""
    try:
        manifest = Manifest.from_bytes((folder / MANIFEST).read_bytes())
        return EdgeModel(folder, manifest).self_test()
    except (EdgeError, OSError, ValueError) as error:
        return Report(str(error) or type(error).__name__)


def main(folder: str) -> None:
    print(json.dumps(asdict(replace(test_here(Path(folder)), memory=_peak()))))


def _peak() -> int:
    """From the kernel's own page: `getrusage` begins with the peak of whoever has started this process."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration, ValueError):
        return 0  # not Linux
