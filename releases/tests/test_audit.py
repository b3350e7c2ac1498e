"""The audit trail: appended, chained, and found out when somebody changes it."""

from __future__ import annotations

import pytest

from releases.actions import audit
from releases.models import AuditRow


@pytest.fixture
def rows(db: None) -> list[AuditRow]:
    return [audit.record("test", f"thing {number}", actor=None, details={"n": number}) for number in range(5)]


def test_each_row_holds_the_hash_of_the_one_before(rows: list[AuditRow]) -> None:
    assert [row.previous_hash for row in rows] == [audit.GENESIS, *(row.hash for row in rows[:-1])]
    assert audit.first_break() is None


@pytest.mark.parametrize(
    "change",
    [{"reason": "x"}, {"details": {"n": 99}}, {"actor_name": "eve"}, {"subject": "y"}, {"environment": "z"}],
)
def test_a_changed_row_is_found(rows: list[AuditRow], change: dict[str, object]) -> None:
    AuditRow.objects.filter(pk=rows[2].pk).update(**change)
    assert audit.first_break() == rows[2]


def test_a_removed_row_is_found(rows: list[AuditRow]) -> None:
    rows[2].delete()
    assert audit.first_break() == rows[3]
