"""Batches over REST: a file sent as a form, one of the input folder in JSON, progress, links, comparisons."""

from __future__ import annotations

# ruff: noqa: F811 - fixtures that are imported have the names of arguments
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from releases.models import BatchJob, Package
from releases.tests.modes.conftest import GOOD, Worker, live, numbered, process, production, worker  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
PLACE = {"model": "flight-eta", "environment": "production"}


@pytest.fixture
def api(caller: Callable[[str], APIClient]) -> APIClient:
    return caller("release manager")


def send(api: APIClient, data: bytes = GOOD, **more: Any) -> Any:
    form = PLACE | {"file": SimpleUploadedFile("rows.csv", data)} | more
    return api.post("/api/batches/", form, format="multipart")


def test_a_file_becomes_a_job_that_ends_with_links(live: Package, api: APIClient, worker: Worker) -> None:
    answer = send(api, most_wrong="5", package="1")
    assert answer.status_code == 202
    told = answer.json()
    assert (told["state"], told["package"], told["most_wrong"], told["output_url"]) == ("queued", 1, 5, None)
    worker.end(BatchJob.objects.get(pk=told["id"]))
    done = api.get(f"/api/batches/{told['id']}/").json()
    assert (done["state"], done["rows"], done["answered"], done["packages"]) == ("done", 10, 10, {"1": 10})
    assert done["progress"]["share"] == 1.0
    output = APIClient().get(done["output_url"]).getvalue()
    assert output.count(b"\n") == 11
    assert len(output) == done["output_size"]
    assert [row["id"] for row in api.get("/api/batches/?state=done&model=flight-eta").json()["results"]] == [told["id"]]


def test_a_file_of_the_input_folder_is_named_in_json(
    live: Package, api: APIClient, worker: Worker, settings: Any
) -> None:
    (settings.BATCH_INPUTS / "rows.csv").write_bytes(GOOD)
    answer = api.post("/api/batches/", PLACE | {"stored": "rows.csv"})
    assert answer.status_code == 202
    assert worker.end(BatchJob.objects.get(pk=answer.json()["id"])).answered == 10


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"package": "9"}, "package"),
        ({"against": "9"}, "against"),
        ({"package": "one"}, "package"),
        ({"most_wrong": "-1"}, "most_wrong"),
        ({"model": "nothing"}, "model"),
        ({"rows": "7"}, "rows"),
        ({"file": SimpleUploadedFile("rows.csv", b"")}, "file"),
        ({"file": SimpleUploadedFile("rows.docx", b"x")}, "file"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(live: Package, api: APIClient, more: Any, field: str) -> None:
    answer = send(api, **more)
    assert answer.status_code == 400
    assert field in answer.json()


def test_links_are_given_to_those_only_who_may_run_batches(
    live: Package, api: APIClient, worker: Worker, caller: Callable[[str], APIClient]
) -> None:
    job = worker.end(BatchJob.objects.get(pk=send(api).json()["id"]))
    assert caller("viewer").get(f"/api/batches/{job.pk}/").json()["output_url"] is None


def test_a_comparison_is_told_as_a_shadow_is(
    live: Package, numbered: list[Package], api: APIClient, worker: Worker
) -> None:
    job = worker.end(BatchJob.objects.get(pk=send(api, against="2").json()["id"]))
    found = api.get(f"/api/batches/{job.pk}/comparison/").json()
    assert (found["verdict"], found["pairs"], found["disagreed"]) == ("fail", 10, 10)
    assert found["largest"][0]["inputs"]["origin"] == "JFK"


def test_a_schedule_tells_its_next_files(live: Package, api: APIClient) -> None:
    body = PLACE | {"name": "Sales", "cron": "0 6 1 * *", "pattern": "sales-{yyyy}-{mm}.csv", "zone": "Europe/Berlin"}
    made = api.post("/api/batches/schedules/", body).json()
    assert len(made["coming"]) == 5
    assert made["coming"][0]["file"].startswith("sales-20")
    off = api.patch(f"/api/batches/schedules/{made['id']}/", {"on": False}).json()
    assert (off["on"], off["coming"]) == (False, [])
    assert api.post("/api/batches/schedules/", body | {"cron": "never"}).json().keys() == {"cron"}
