"""Drill: the generator tells the truth about a server that freezes, knows when it was starved; stress finds a limit.

The same functions print the figures: `python -m benchmarks.generator`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from benchmarks import generator
from conftest import SHORT

pytestmark = pytest.mark.drill
JOBS: dict[str, Callable[[], bool]] = {
    "truth": partial(generator.truth, 30.0 if SHORT else 60.0),
    "starved": generator.starved,
    "capacity": partial(generator.capacity, turns=1 if SHORT else 3),
}


@pytest.mark.parametrize("job", JOBS)
def test_the_generator(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    good = JOBS[job]()
    said = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{said}")
    assert good, said
