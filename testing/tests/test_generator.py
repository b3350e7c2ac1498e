"""Drill: the generator tells the truth about a server that freezes, knows when it was starved; stress finds a limit.

The same functions print the figures: `python -m benchmarks.generator`.
"""

from __future__ import annotations

import pytest

from benchmarks import generator

pytestmark = pytest.mark.drill


@pytest.mark.parametrize("job", [generator.truth, generator.starved, generator.capacity], ids=lambda job: job.__name__)
def test_the_generator(job: object, capsys: pytest.CaptureFixture[str]) -> None:
    good = job()  # type: ignore[operator]
    said = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{said}")
    assert good, said
