"""Drill: clients that others wrote, unchanged, pass a conformance suite against the gateway behind both its servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.conformance.material import iris
from benchmarks.conformance.running import suite
from benchmarks.conformance.servers import slipway
from dashboard.tests.drills import clients

pytestmark = pytest.mark.drill


@pytest.mark.parametrize("server", ["granian", "uvicorn"])
def test_tritonclient_and_kserves_client_find_what_they_expect(
    server: str, folder: Path, tell: Callable[[str], None]
) -> None:
    with slipway(iris(), folder, GATEWAY_SERVER=server) as said:
        cases = suite(clients.python(), said)
    passed = Counter(case.group for case in cases if case.verdict == "passed")
    tell(
        f"Conformance behind {server}: " + ", ".join(f"{group} {count}" for group, count in passed.items()) + " passed"
    )
    assert len(cases) > 80
    assert [case for case in cases if case.verdict != "passed"] == []
