"""What beat heals and hands on: intakes without a worker, and releases that begin to move."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from releases import tasks
from releases.actions import intake as verbs
from releases.actions import releases
from releases.alive import beating
from releases.models import Environment, Intake, MLModel, Package, Release
from releases.tests.conftest import FakeGateway


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(tasks, "enqueue", lambda task, pk, **_: found.append(pk))
    return found


def intake(model: MLModel, state: str, silent: float, **columns: Any) -> Intake:
    made = Intake.objects.create(model=model, filename="a.zip", state=state)
    long_ago = timezone.now() - timedelta(hours=1)
    beat = timezone.now() - timedelta(seconds=silent)
    Intake.objects.filter(pk=made.pk).update(**{"created_at": long_ago, "beat_at": beat} | columns)
    return Intake.objects.get(pk=made.pk)


def test_what_lost_its_worker_is_sent_again_and_the_next_worker_may_take_it(model: MLModel, sent: list[int]) -> None:
    lost = intake(model, Intake.State.RUNNING, silent=300)
    tasks.resume_intakes()
    assert sent == [lost.pk]
    taken = verbs.claim(lost.pk)
    assert taken is not None
    assert taken.attempts == 1
    assert verbs.claim(lost.pk) is None


def test_what_a_healthy_worker_carries_is_left_alone(model: MLModel, sent: list[int]) -> None:
    healthy = intake(model, Intake.State.RUNNING, silent=6)
    tasks.resume_intakes()
    assert sent == []
    assert verbs.claim(healthy.pk) is None


def test_what_never_reached_a_worker_is_sent_once_in_a_while(model: MLModel, sent: list[int]) -> None:
    stuck = intake(model, Intake.State.QUEUED, silent=0, beat_at=None)
    tasks.resume_intakes()
    tasks.resume_intakes()
    assert sent == [stuck.pk]


def test_an_upload_that_kills_its_worker_is_given_up(model: MLModel, sent: list[int]) -> None:
    deadly = intake(model, Intake.State.RUNNING, silent=300, attempts=verbs.ATTEMPTS)
    verbs.run(deadly.pk)
    deadly.refresh_from_db()
    assert (deadly.state, "three times" in deadly.reason) == ("errored", True)


def test_a_release_that_moves_at_beats_look_gets_a_worker_that_stays_with_it(
    packages: list[Package], environments: dict[str, Environment], gateway: FakeGateway, sent: list[int]
) -> None:
    later = timezone.now() + timedelta(hours=1)
    release = releases.promote(actor=None, package=packages[0], environment=environments["dev"], start_at=later)
    tasks.reconcile_all()
    assert sent == []
    Release.objects.filter(pk=release.pk).update(start_at=timezone.now())
    tasks.reconcile_all()
    assert sent == [release.pk]


def test_a_sign_of_life_that_cannot_be_given_is_not_the_last_one() -> None:
    given: list[int] = []

    def renew() -> None:
        given.append(len(given))
        if len(given) == 1:
            raise DatabaseError("database is locked")

    with beating(renew, 0.01):
        deadline = time.monotonic() + 10
        while len(given) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(given) >= 3


@pytest.mark.django_db(transaction=True)
def test_a_long_step_gives_signs_of_life() -> None:
    carried = intake(MLModel.objects.create(name="m"), Intake.State.RUNNING, silent=25)
    before = carried.beat_at
    with beating(lambda: verbs._beat(carried), 0.05):
        for _ in range(100):
            time.sleep(0.05)
            carried.refresh_from_db()
            if carried.beat_at != before:
                break
    assert carried.beat_at > before
