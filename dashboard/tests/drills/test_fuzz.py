"""Drill: 20,000 bodies that nobody should send: no 5xx, no hang, no growth of memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import SHORT
from serving.tests.attacking import PATIENCE, Attack, attacked

pytestmark = pytest.mark.drill

# Per address and way (allowed, forbidden) of three models, and raw ones.
TYPED, RAW = (6, 900) if SHORT else (150, 17_500)
# The gateway's caches fill during the first part; what it holds afterwards must stay.
FIRST = RAW // 5
GROWTH = 8.0


def test_whatever_is_sent_is_answered(folder: Path, tell: Callable[[str], None]) -> None:
    with attacked(folder) as gateway:
        attack = Attack(gateway)
        try:
            attack.raw(FIRST)
            attack.typed(TYPED)
            before = attack.memory()
            attack.raw(RAW - FIRST)
            grown = attack.memory() - before
        finally:
            attack.close()
        assert gateway.client.get("/dev/v2/models/eta/ready").status_code == 200
        log = gateway.log.read_text()
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(attack.statuses.items()))
    tell(
        f"{attack.sent:,} bodies: {statuses}; no 5xx; slowest answer {attack.slowest * 1000:.0f} ms; "
        f"memory {before:.0f} MiB, afterwards {grown:+.1f} MiB"
    )
    assert attack.sent >= (1_000 if SHORT else 20_000)
    assert attack.slowest < PATIENCE
    assert grown < GROWTH
    assert "Traceback" not in log
