"""Drill: the generator tells the truth about a server that freezes, knows when it was starved; stress finds a limit.

The program that prints the figures decides, in a process of its own: `python -m benchmarks.generator`.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.generator import ROOT
from conftest import SHORT

pytestmark = pytest.mark.drill
JOBS = {"truth": ["30"] if SHORT else [], "starved": [], "capacity": ["1"] if SHORT else []}


@pytest.mark.parametrize("job", JOBS)
def test_the_generator(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "benchmarks.generator", job, *JOBS[job]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
