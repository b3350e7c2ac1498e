"""Batch jobs that start by themselves, are late, or are missed, and say so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from releases import notices
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, BatchJob, BatchSchedule, Environment, MLModel, Package
from releases.modes.batch import schedules
from releases.tests.modes.conftest import GOOD

pytestmark = pytest.mark.django_db


@pytest.fixture
def make(manager: User, model: MLModel, production: Environment) -> Callable[..., BatchSchedule]:
    def create(**more: Any) -> BatchSchedule:
        given = {"name": "Sales", "cron": "0 6 1 * *", "pattern": "sales-{yyyy}-{mm}.csv", "zone": "Europe/Berlin"}
        return schedules.create(
            **({"actor": manager, "model": model, "environment": production} | given | more)  # type: ignore[arg-type]
        )

    return create


def make_due(schedule: BatchSchedule, ago: timedelta = timedelta(minutes=1)) -> datetime:
    """Bring it about that the schedule was due a while ago; return when."""
    at = timezone.now() - ago
    BatchSchedule.objects.filter(pk=schedule.pk).update(next_at=at)
    schedule.refresh_from_db()
    return at


def test_times_are_those_of_its_zone_through_the_change_of_clocks(make: Any) -> None:
    schedule = make(cron="0 6 * * *")
    found = schedules.due(schedule, datetime(2026, 3, 27, 12, tzinfo=UTC), 3)
    assert [at.astimezone(UTC).hour for at in found] == [5, 4, 4]


def test_a_pattern_names_the_file_of_its_time(make: Any) -> None:
    at = datetime(2026, 3, 1, 5, tzinfo=UTC)
    named = make(pattern="a/{yyyy}-{mm}-{dd}-{hh}.csv.gz")
    assert schedules.file_at(named, at) == "a/2026-03-01-06.csv.gz"
    assert schedules.file_at(make(pattern="{last_month}.jsonl"), at) == "2026-02.jsonl"
    assert schedules.file_at(make(pattern="{yesterday}.jsonl"), at) == "2026-02-28.jsonl"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"cron": "0 6 31 2 *"}, "cron"),
        ({"cron": "every day"}, "cron"),
        ({"zone": "Europe/Atlantis"}, "zone"),
        ({"pattern": "../x.csv"}, "pattern"),
        ({"pattern": "/x.csv"}, "pattern"),
        ({"pattern": "x-{week}.csv"}, "pattern"),
        ({"pattern": "x-{yyyy.csv"}, "pattern"),
        ({"pattern": "x.xlsx"}, "pattern"),
        ({"name": " "}, "name"),
        ({"late_minutes": 0}, "late_minutes"),
        ({"most_wrong": -1}, "most_wrong"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(make: Any, more: Any, field: str) -> None:
    with pytest.raises(Refused) as refused:
        make(**more)
    assert refused.value.field == field


def test_what_is_due_starts_once_on_its_file(live: Package, make: Any, settings: Any, redis: object) -> None:
    schedule = make(pattern="sales.csv")
    (settings.BATCH_INPUTS / "sales.csv").write_bytes(GOOD)
    at = make_due(schedule)
    stale = BatchSchedule.objects.get(pk=schedule.pk)
    schedules.start_due()
    schedules._start(stale)
    job = BatchJob.objects.get()
    assert (job.schedule, job.due_at, job.state, job.filename) == (schedule, at, "queued", "sales.csv")
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert schedule.next_at > timezone.now()


def test_a_file_that_comes_late_is_waited_for_and_one_that_does_not_is_missed(
    live: Package, make: Any, settings: Any, redis: object, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[BatchJob] = []
    notices.missed.connect(lambda job, **_: told.append(job), weak=False, dispatch_uid="a test")
    try:
        schedule = make(pattern="sales.csv", late_minutes=30)
        make_due(schedule, timedelta(minutes=29))
        schedules.start_due()
        assert not BatchJob.objects.exists()
        at = make_due(schedule, timedelta(minutes=31))
        with django_capture_on_commit_callbacks(execute=True):
            schedules.start_due()
            schedules.start_due()
        job = BatchJob.objects.get()
        assert (job.state, job.due_at) == ("failed", at)
        assert job.words == "Missed: The file sales.csv was not there within 30 minutes."
        assert told == [job]
    finally:
        notices.missed.disconnect(dispatch_uid="a test")


def test_after_a_long_absence_the_newest_runs_and_the_others_are_missed(
    live: Package, make: Any, settings: Any, redis: object
) -> None:
    schedule = make(cron="0 * * * *", pattern="hourly.csv")
    (settings.BATCH_INPUTS / "hourly.csv").write_bytes(GOOD)
    now = timezone.now()
    BatchSchedule.objects.update(next_at=now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=3))
    schedules.start_due()
    schedules.start_due()
    states = BatchJob.objects.order_by("due_at").values_list("state", "words")
    assert [state for state, _ in states] == ["failed", "failed", "failed", "queued"]
    assert states[0][1] == "Missed: Slipway was not running when it was due."
    schedule.refresh_from_db()
    assert schedule.next_at > now


def test_what_cannot_begin_is_missed_with_the_reason(
    numbered: list[Package], make: Any, settings: Any, redis: object
) -> None:
    make_due(make(pattern="sales.csv"))
    (settings.BATCH_INPUTS / "sales.csv").write_bytes(GOOD)
    schedules.start_due()
    assert BatchJob.objects.get().words.startswith("Missed: Nothing is live for flight-eta in production.")


def test_one_that_is_off_starts_nothing_and_makes_up_for_nothing(make: Any, manager: User, redis: object) -> None:
    schedule = make()
    schedules.switch(actor=manager, schedule=schedule, on=False)
    with pytest.raises(Conflict, match="off already"):
        schedules.switch(actor=manager, schedule=schedule, on=False)
    assert schedule.next_at is None
    schedules.start_due()
    schedules.switch(actor=manager, schedule=schedule, on=True)
    assert schedule.next_at is not None
    assert schedule.next_at > timezone.now()
    schedules.remove(actor=manager, schedule=schedule)
    actions = AuditRow.objects.filter(action__startswith="schedule").values_list("action", flat=True)
    assert sorted(actions) == ["schedule.create", "schedule.remove", "schedule.switch", "schedule.switch"]
    assert not BatchJob.objects.exists()


def test_not_everybody_may(make: Any, person: Any) -> None:
    for act in (make, lambda **more: schedules.remove(schedule=make(), **more)):
        with pytest.raises(Forbidden):
            act(actor=person("QA"))
