"""The state machine: every legal move, every illegal one, and who wins a race."""

from __future__ import annotations

import itertools

import pytest
from django.utils import timezone

from releases import lifecycle
from releases.errors import Conflict, LostRace
from releases.models import AuditRow, Environment, Event, MLModel, Package, Release

ACTIONS = sorted({action for action, _ in lifecycle.MOVES})


@pytest.fixture
def release(environments: dict[str, Environment], model: MLModel, packages: list[Package]) -> Release:
    now = timezone.now()
    return Release.objects.create(
        model=model,
        package=packages[0],
        environment=environments["dev"],
        strategy="blue_green",
        created_at=now,
        state_since=now,
        step_since=now,
    )


@pytest.mark.parametrize(("action", "state"), list(itertools.product(ACTIONS, Release.State.values)))
def test_only_the_table_decides_what_is_legal(release: Release, action: str, state: str) -> None:
    Release.objects.filter(pk=release.pk).update(state=state)
    release.refresh_from_db()
    if (action, state) in lifecycle.MOVES:
        assert lifecycle.move(release, action, at=timezone.now()).state == lifecycle.MOVES[action, state]
        return
    with pytest.raises(Conflict) as refused:
        lifecycle.move(release, action, at=timezone.now())
    assert refused.value.legal == lifecycle.legal(state)


def test_every_unfinished_state_has_a_way_out_and_every_end_has_none() -> None:
    for state in Release.State:
        assert bool(lifecycle.legal(state)) == (state in Release.UNFINISHED)


def test_a_move_writes_its_event_and_audit_row(release: Release) -> None:
    lifecycle.move(release, "begin", at=timezone.now(), reason="because")
    event = Event.objects.get(release=release)
    assert (event.action, event.old_state, event.new_state, event.reason) == (
        "begin",
        "waiting",
        "preparing",
        "because",
    )
    assert AuditRow.objects.get(action="release.begin").details["digest"] == release.package.digest


def test_the_second_of_two_loses_the_race_and_writes_nothing(release: Release) -> None:
    stale = Release.objects.get(pk=release.pk)
    lifecycle.move(release, "begin", at=timezone.now())
    rows = (Event.objects.count(), AuditRow.objects.count())
    with pytest.raises(LostRace):
        lifecycle.move(stale, "abort", at=timezone.now())
    assert (Event.objects.count(), AuditRow.objects.count()) == rows
    assert Release.objects.get(pk=release.pk).state == "preparing"


def test_failing_gives_the_traffic_back_in_the_same_statement(release: Release) -> None:
    lifecycle.move(release, "begin", at=timezone.now())
    lifecycle.move(release, "shift", at=timezone.now(), weight=100.0, stable_weight=0.0)
    lifecycle.move(release, "fail", at=timezone.now(), reason="broken")
    release.refresh_from_db()
    assert (release.weight, release.stable_weight, release.note) == (0.0, 100.0, "broken")
    assert release.ended_at
