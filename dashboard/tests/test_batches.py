"""The pages of batches and their schedules."""

# ruff: noqa: F811 - fixtures that are imported have the names of arguments

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from releases import notices
from releases.models import BatchJob, BatchSchedule, Environment, Package
from releases.modes.batch import files
from releases.tests.modes.conftest import (  # noqa: F401 - fixtures
    GOOD,
    Worker,
    live,
    numbered,
    process,
    production,
    worker,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(person: Callable[[str], Any]) -> Client:
    found = Client()
    found.force_login(person("release manager"))
    return found


def started(client: Client, data: bytes = GOOD, **more: Any) -> BatchJob:
    given = {"environment": "production", "most_wrong": "10", "file": SimpleUploadedFile("flights.csv", data)}
    answer = client.post("/models/flight-eta/batches/start/", given | more)
    assert answer.status_code == 302, answer.content.decode()
    return BatchJob.objects.get(pk=answer.url.split("/")[2])


def test_a_file_is_sent_watched_and_fetched(live: Package, client: Client, worker: Worker) -> None:
    job = started(client, GOOD + b"10,-5,6.5,JFK\n")
    assert "Waits for a worker" in client.get(job.get_absolute_url()).content.decode()
    worker.end(job)
    part = client.get(f"{job.get_absolute_url()}?part=now")
    assert part.status_code == 286
    text = client.get(job.get_absolute_url()).content.decode()
    for words in ("Done", "10 by package 1", "Download the answers", "Download the wrong rows", "Generation"):
        assert words in text
    links = [link["url"] for link in client.get(job.get_absolute_url()).context["links"]]
    anybody = Client()
    answer = anybody.get(links[0])
    assert answer["Content-Disposition"] == 'attachment; filename="flights-predictions.csv"'
    assert answer.getvalue().startswith(b"id,distance,hour,origin,prediction,package\n")
    answer = anybody.get(links[1])
    assert answer["Content-Disposition"] == 'attachment; filename="flights-errors.csv"'
    assert answer.getvalue() == b"row,field,rule\n11,distance,must be greater than 0\n"
    assert anybody.get("/batches/files/made-up/").status_code == 404
    assert f"/batches/{job.pk}/" in client.get("/batches/").content.decode()
    assert "No batch fits" in client.get("/batches/?state=failed").content.decode()


def test_a_link_whose_file_is_gone_is_not_found(live: Package, client: Client, worker: Worker) -> None:
    job = worker.end(started(client))
    link = files.link(job, "output")
    files.drop(job)
    assert client.get(link).status_code == 404


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"file": SimpleUploadedFile("a.xlsx", b"x")}, "Name the file .csv"),
        ({"file": SimpleUploadedFile("a.csv", b"")}, "The file is empty."),
        ({"stored": "missing.csv", "file": ""}, "There is no file missing.csv in the input folder."),
        ({"file": ""}, "Send a file, or name one"),
        ({"package": "2"}, "Package 2 is not loaded in production"),
        ({"most_wrong": "many"}, "Enter a whole number"),
    ],
)
def test_what_is_wrong_stands_on_the_form(live: Package, client: Client, given: Any, words: str) -> None:
    first = {"environment": "production", "most_wrong": "10", "file": SimpleUploadedFile("a.csv", GOOD)}
    answer = client.post("/models/flight-eta/batches/start/", first | given)
    assert answer.status_code in (400, 409)
    assert words in answer.content.decode()
    assert not BatchJob.objects.exists()


def test_it_is_cancelled_and_run_again_from_its_page(
    live: Package,
    client: Client,
    worker: Worker,
) -> None:
    job = started(client)
    assert client.post(f"/batches/{job.pk}/cancel/").status_code == 302
    assert "Cancelled by release-manager." in client.get(job.get_absolute_url()).content.decode()
    assert client.post(f"/batches/{job.pk}/cancel/").status_code == 409
    answer = client.post(f"/batches/{job.pk}/again/")
    assert worker.end(BatchJob.objects.get(pk=answer.url.split("/")[2])).state == "done"


def test_a_comparison_shows_what_a_shadow_shows(
    live: Package,
    numbered: list[Package],
    client: Client,
    worker: Worker,
) -> None:
    start = client.get("/models/flight-eta/batches/start/?package=2&environment=production&kind=comparison")
    assert start.context["form"]["against"].value() == "2"
    job = worker.end(started(client, against="2"))
    text = client.get(job.get_absolute_url()).content.decode()
    for words in ("They disagree: proven", "The largest differences", "Comparison on flights.csv", "row 8<"):
        assert words in text
    assert client.get(f"{job.get_absolute_url()}?part=now")["HX-Refresh"] == "true"


def test_answers_of_a_package_that_was_taken_back_say_so(
    live: Package,
    client: Client,
    worker: Worker,
    production: Environment,
    manager: Any,
) -> None:
    from releases.actions import rollbacks

    job = worker.end(started(client))
    rollbacks.roll_back(actor=manager, model=live.model, environment=production, off=True, reason="wrong")
    assert "made partly by package 1, which was taken back since" in client.get(job.get_absolute_url()).content.decode()


def test_a_schedule_is_made_switched_and_taken_away(live: Package, client: Client) -> None:
    given = {"name": "Sales", "model": "flight-eta", "environment": "production", "cron": "0 6 1 * *"}
    given |= {"zone": "Europe/Berlin", "pattern": "sales-{yyyy}-{mm}.csv", "late_minutes": "60", "most_wrong": "10"}
    wrong = client.post("/batches/schedules/", given | {"cron": "monthly"})
    assert wrong.status_code == 400
    assert "Write minute, hour" in wrong.content.decode()
    assert client.post("/batches/schedules/", given).status_code == 302
    schedule = BatchSchedule.objects.get()
    text = client.get("/batches/schedules/").content.decode()
    assert "sales-20" in text
    assert "05:00:00 UTC" in text or "04:00:00 UTC" in text
    client.post(f"/batches/schedules/{schedule.pk}/switch/", {"on": "0"})
    assert "Off" in client.get("/batches/schedules/").content.decode()
    assert client.post(f"/batches/schedules/{schedule.pk}/switch/", {"on": "0"}).status_code == 409
    client.post(f"/batches/schedules/{schedule.pk}/remove/")
    assert not BatchSchedule.objects.exists()


def test_who_may_not_run_batches_may_look_and_nothing_more(
    live: Package,
    client: Client,
    worker: Worker,
    person: Callable[[str], Any],
) -> None:
    job = worker.end(started(client))
    viewer = Client()
    viewer.force_login(person("viewer"))
    assert viewer.get(job.get_absolute_url()).context["links"] == []
    assert viewer.get("/batches/").status_code == 200
    for address in (f"/batches/{job.pk}/cancel/", f"/batches/{job.pk}/again/", "/batches/schedules/"):
        assert viewer.post(address).status_code == 403
    assert viewer.get("/models/flight-eta/batches/start/").status_code == 403


def test_a_file_that_did_not_come_stands_in_the_banner_of_every_page_for_a_day(
    live: Package, client: Client, redis: Any
) -> None:
    place = {"model": live.model, "environment": Environment.objects.get(name="production")}
    schedule = BatchSchedule.objects.create(**place, name="Sales forecast", cron="0 6 1 * *", pattern="{mm}.csv")
    job = BatchJob.objects.create(
        **place,
        folder="x",
        filename="11.csv",
        form="csv",
        state="failed",
        schedule=schedule,
        words="11.csv did not come.",
    )
    assert "was missed" not in client.get("/health/troubles/").content.decode()
    notices._send_missed(job)
    page = client.get("/health/troubles/").content.decode()
    assert "Sales forecast of flight-eta was missed" in page
    assert "11.csv did not come." in page
    assert f"/batches/{job.pk}/" in page
    BatchJob.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert "was missed" not in client.get("/health/troubles/").content.decode()
