"""Capture by REST: settings, files, and the requests as lines of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from releases import capture
from releases.models import AuditRow, CaptureSetting, Environment, MLModel
from releases.tests.test_capture import Stream

ADDRESS = "/api/models/flight-eta/capture/"
RECORDS = f"{ADDRESS}records/"


@pytest.fixture
def some(redis: Any, model: MLModel, environments: dict[str, Environment], settings: Any, tmp_path: Path) -> Stream:
    settings.VAR = tmp_path
    CaptureSetting.objects.create(model=model, environment=environments["dev"], on=True)
    stream = Stream(redis)
    stream.send("a", "b", "c")
    capture.store()
    return stream


def test_it_is_off_everywhere_until_somebody_switches_it_on(manager_calls: APIClient, model: MLModel) -> None:
    before = manager_calls.get(ADDRESS).json()["environments"]
    assert [place["environment"] for place in before] == ["dev", "test", "staging", "production"]
    assert not any(place["on"] for place in before)
    answer = manager_calls.patch(ADDRESS, {"environment": "test", "on": True, "share": 0.5, "per_hour": 10})
    assert answer.status_code == 200
    places = {place["environment"]: place for place in manager_calls.get(ADDRESS).json()["environments"]}
    assert places["test"] == {
        "environment": "test", "on": True, "share": 0.5, "per_hour": 10, "keep_days": 14, "records": 0, "size": 0,
        "first": None,
    }  # fmt: skip
    assert not places["production"]["on"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("share", 0), ("share", 2), ("share", "half"), ("per_hour", 0), ("per_hour", 100_001), ("keep_days", 366),
     ("on", "yes"), ("environment", "moon"), ("nonsense", 1)],
)  # fmt: skip
def test_a_wrong_setting_is_named(manager_calls: APIClient, model: MLModel, field: str, value: object) -> None:
    answer = manager_calls.patch(ADDRESS, {"environment": "dev", field: value})
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_the_requests_come_as_lines_of_json(manager_calls: APIClient, some: Stream) -> None:
    answer = manager_calls.get(f"{RECORDS}?environment=dev&limit=2", headers={"Accept": "application/x-ndjson"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/x-ndjson")
    assert answer["Content-Disposition"] == 'attachment; filename="flight-eta-dev.jsonl"'
    assert answer["Cache-Control"] == "no-store"
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [line["id"] for line in lines] == ["a", "b"]
    assert AuditRow.objects.filter(action="capture.take").count() == 1


def test_a_time_without_requests_is_an_empty_answer(manager_calls: APIClient, some: Stream) -> None:
    answer = manager_calls.get(f"{RECORDS}?environment=dev&since=2100-01-01T00:00:00Z")
    assert (answer.status_code, b"".join(answer.streaming_content)) == (200, b"")


@pytest.mark.parametrize("query", ["", "?environment=dev&limit=0", "?environment=dev&limit=10001", "?environment=x"])
def test_a_wrong_question_is_refused(manager_calls: APIClient, model: MLModel, query: str) -> None:
    assert manager_calls.get(f"{RECORDS}{query}").status_code == 400


def test_the_files_say_how_much_there_is_and_not_where(manager_calls: APIClient, some: Stream) -> None:
    (row,) = manager_calls.get(f"{ADDRESS}files/?environment=dev").json()["results"]
    assert row["records"] == 3
    assert "path" not in row
    assert manager_calls.get(f"{ADDRESS}files/?environment=test").json()["count"] == 0


def test_a_model_that_does_not_exist_is_not_found(manager_calls: APIClient, model: MLModel) -> None:
    for part in ("", "files/", "records/?environment=dev"):
        assert manager_calls.get(f"/api/models/nonesuch/capture/{part}").status_code == 404
