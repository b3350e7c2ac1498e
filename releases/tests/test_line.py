"""The line: who may stop it, what it holds, and what it never holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from releases.actions import line, releases, rollbacks, steering
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, Environment, LineStop, Package, Release
from releases.strategies import STRATEGIES, Seen
from releases.tests.conftest import FakeGateway
from releases.tests.scenes import put_live
from releases.tests.test_judging import Counter, began, canary, look  # noqa: F401 - canary is a fixture
from releases.tests.test_releases import settle

Environments = dict[str, Environment]


def test_a_stopped_line_holds_what_is_under_way_and_lets_it_go_on(
    environments: Environments, packages: list[Package], gateway: FakeGateway
) -> None:
    release = releases.promote(actor=None, package=packages[0], environment=environments["dev"])
    line.stop(actor=None, reason="The dashboards look odd.")
    assert settle(release, gateway).state == "waiting"
    assert release.note == "The line was stopped by Slipway: The dashboards look odd."
    line.go_on(actor=None, reason="A broken probe.")
    assert settle(release, gateway).state == "live"


def test_none_begins_but_a_hotfix_that_says_why(
    environments: Environments, packages: list[Package], gateway: FakeGateway
) -> None:
    line.stop(actor=None, reason="odd")
    where = {"actor": None, "package": packages[0], "environment": environments["dev"]}
    for hotfix in ("", "  "):
        with pytest.raises(Conflict, match="unless it is a hotfix") as refused:
            releases.promote(**where, hotfix=hotfix)
        assert refused.value.legal == ["hotfix"]
    release = releases.promote(**where, hotfix="It mends the odd thing.")
    assert settle(release, gateway).state == "live"
    assert release.hotfix == "It mends the odd thing."


def test_nothing_holds_a_rollback(environments: Environments, packages: list[Package], gateway: FakeGateway) -> None:
    for package in packages[:2]:
        put_live(package, environments["dev"])
    line.stop(actor=None, reason="odd")
    back = rollbacks.roll_back(actor=None, model=packages[0].model, environment=environments["dev"], reason="bad")
    assert settle(back, gateway).state == "live"


def test_nothing_holds_the_judge(canary: object, gateway: FakeGateway) -> None:  # noqa: F811
    line.stop(actor=None, reason="odd")
    Counter(canary).run(began(canary), 60, 0.1, faulty=0.3)
    assert look(canary, gateway).action == "fail"


def test_of_two_who_stop_it_the_second_is_told(environments: Environments) -> None:
    line.stop(actor=None, reason="odd")
    with pytest.raises(Conflict, match="stopped already"):
        line.stop(actor=None, reason="odd too")
    assert LineStop.objects.count() == 1
    line.go_on(actor=None, reason="fine")
    with pytest.raises(Conflict, match="is not stopped"):
        line.go_on(actor=None, reason="fine")
    line.stop(actor=None, reason="again")
    assert LineStop.objects.count() == 2


def test_both_need_a_reason_and_leave_an_audit_row(environments: Environments) -> None:
    with pytest.raises(Refused, match="Say why you stop"):
        line.stop(actor=None, reason=" ")
    line.stop(actor=None, reason="odd")
    with pytest.raises(Refused, match="safe to go on"):
        line.go_on(actor=None, reason="")
    line.go_on(actor=None, reason="fine")
    rows = AuditRow.objects.filter(action__startswith="line.").order_by("pk")
    assert list(rows.values_list("action", flat=True)) == ["line.stop", "line.resume"]


def test_only_who_directs_traffic_may(person: Callable[[str], User]) -> None:
    for role in ("viewer", "developer", "QA"):
        for verb in (line.stop, line.go_on):
            with pytest.raises(Forbidden, match="release manager, admin"):
                verb(actor=person(role), reason="odd")
    assert line.stop(actor=person("release manager"), reason="odd").is_open


def test_by_hand_neither_does_anything_get_more_traffic(canary: Release) -> None:  # noqa: F811
    line.stop(actor=None, reason="odd")
    with pytest.raises(Conflict, match="Nothing gets more traffic"):
        steering.set_weight(actor=None, release=canary, weight=50.0)
    with pytest.raises(Conflict, match="Nothing gets more traffic"):
        steering.promote_now(actor=None, release=canary, reason="now")
    assert steering.set_weight(actor=None, release=canary, weight=5.0).weight == 5.0
    canary.hotfix = "It mends it."
    assert steering.set_weight(actor=None, release=canary, weight=50.0).weight == 50.0


def test_a_recreate_between_off_and_on_is_not_held() -> None:
    off = Seen(state="shifting", step=0, gateways=1, adopted=1, held="The line was stopped.", paused=True)
    assert STRATEGIES["recreate"].plan(off).action == "step"
    assert STRATEGIES["recreate"].plan(replace(off, step=1)).action == "hold"


def test_the_time_of_a_stop_counts_for_no_step(canary: Release) -> None:  # noqa: F811
    before = canary.step_since
    found = line.stop(actor=None, reason="odd")
    LineStop.objects.filter(pk=found.pk).update(stopped_at=found.stopped_at - timedelta(minutes=5))
    Release.objects.filter(pk=canary.pk).update(step_since=before - timedelta(minutes=8))
    line.go_on(actor=None, reason="fine")
    canary.refresh_from_db()
    assert (canary.step_since - before).total_seconds() == pytest.approx(-180, abs=3)
