"""Packages and their intakes through the API."""

from __future__ import annotations

from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile

from releases.actions import packages as verbs
from releases.models import Intake, Package, Release
from releases.tests.conftest import make_package

PLACE = "/api/models/flight-eta/packages/"


def upload(client, name: str = "model.zip", content: bytes = b"PK", **fields: str):
    return client.post(PLACE, {"file": SimpleUploadedFile(name, content), **fields}, format="multipart")


def test_an_upload_answers_at_once_with_its_intake(manager_calls, model, settings):
    said = {"constraints": '{"distance": {"gt": 0, "le": null}}', "inputs": '[{"name": "distance", "type": "long"}]'}
    answer = upload(manager_calls, content=b"x" * 3_000_000, notes="nightly", **said)
    assert answer.status_code == 202
    shown, intake = answer.json(), Intake.objects.get()
    assert (shown["state"], shown["filename"], shown["steps"]) == ("queued", "model.zip", [])
    assert manager_calls.get(shown["url"]).json() == shown
    assert intake.declared == {
        "constraints": {"distance": {"gt": 0, "le": None}},
        "inputs": [{"name": "distance", "type": "long", "required": True}],
        "notes": "nightly",
    }
    assert Path(intake.upload).read_bytes() == b"x" * 3_000_000
    assert Path(intake.upload).is_relative_to(settings.UPLOADS)


def test_an_upload_keeps_only_the_last_part_of_its_name(manager_calls, model):
    names = ["../../etc/passwd", "..\\..\\boot.ini", "é" * 250 + ".zip", "a\r\nb.zip", "..", " "]
    for name in names:
        body = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nPK\r\n--x--'
        answer = manager_calls.generic("POST", PLACE, body.encode(), content_type="multipart/form-data; boundary=x")
        assert answer.status_code in (202, 400), name
    for intake in Intake.objects.all():
        assert "/" not in intake.filename
        assert Path(intake.upload).is_file()


def test_the_steps_of_an_intake_show_as_they_happen(manager_calls, model):
    intake = Intake.objects.get(pk=upload(manager_calls).json()["id"])
    step = {"name": "unpack", "state": "running", "detail": "3 files", "seconds": 0.0}
    Intake.objects.filter(pk=intake.pk).update(state="running", steps=[step])
    assert manager_calls.get(f"/api/intakes/{intake.pk}/").json()["steps"] == [step]


def test_a_refused_intake_says_why(manager_calls, model):
    intake = Intake.objects.get(pk=upload(manager_calls).json()["id"])
    verbs.refuse(intake, "The archive is damaged.")
    shown = manager_calls.get(f"/api/intakes/{intake.pk}/").json()
    assert (shown["state"], shown["reason"], shown["package"]) == ("refused", "The archive is damaged.", None)


def test_an_accepted_intake_leads_to_its_package(manager_calls, packages):
    intake = Intake.objects.create(
        model=packages[0].model, filename="a.zip", state="accepted", package=packages[0], was_known=True
    )
    shown = manager_calls.get(f"/api/intakes/{intake.pk}/").json()
    assert (shown["package"], shown["was_known"]) == (1, True)
    assert manager_calls.get(shown["package_url"]).json()["digest"] == packages[0].digest


def test_intakes_are_found_by_model_and_state(manager_calls, model):
    Intake.objects.create(model=model, filename="a.zip", state="refused")
    Intake.objects.create(model=model, filename="b.zip")
    found = manager_calls.get("/api/intakes/?model=flight-eta&state=refused").json()
    assert [row["filename"] for row in found["results"]] == ["a.zip"]
    assert manager_calls.get("/api/intakes/?model=other").json()["count"] == 0


def test_a_package_shows_everything_that_its_page_shows(manager_calls, packages, make_live):
    make_live(packages[0], "dev")
    shown = manager_calls.get(f"{PLACE}1/").json()
    assert shown["live"] == ["dev"]
    assert shown["signature"] == packages[0].signature
    assert shown["manifest"] == packages[0].manifest
    assert shown["example"] == [{"distance": 500}]


def test_packages_are_found_by_each_filter(manager_calls, packages, make_live):
    make_live(packages[1], "dev")
    Package.objects.filter(number=3).update(runtime="sklearn")

    def found(query: str) -> list[int]:
        return [row["number"] for row in manager_calls.get(f"/api/packages/?{query}").json()["results"]]

    assert found("model=flight-eta") == [3, 2, 1]
    assert found("model=other") == []
    assert found("live=dev") == found("live=*") == [2]
    assert found("live=production") == []
    assert found("runtime=sklearn") == [3]
    assert found(f"digest={packages[0].digest}&runtime=onnx") == [1]
    assert [row["number"] for row in manager_calls.get(f"{PLACE}?live=*").json()["results"]] == [2]


def test_a_package_that_was_never_released_is_deleted(manager_calls, packages):
    assert manager_calls.delete(f"{PLACE}3/").status_code == 204
    assert manager_calls.get(f"{PLACE}3/").status_code == 404
    assert manager_calls.delete(f"{PLACE}3/").status_code == 404


def test_a_live_package_is_not_deleted(manager_calls, packages, make_live):
    make_live(packages[0], "dev")
    answer = manager_calls.delete(f"{PLACE}1/")
    assert answer.status_code == 409
    assert "live" in answer.json()["detail"]


def test_a_package_of_the_history_is_not_deleted(manager_calls, packages, make_live):
    make_live(packages[0], "dev")
    make_live(packages[1], "dev")
    assert manager_calls.delete(f"{PLACE}1/").status_code == 409
    assert Release.objects.filter(package=packages[0]).exists()


def test_a_package_is_never_changed(manager_calls, packages):
    for send in (manager_calls.patch, manager_calls.put):
        assert send(f"{PLACE}1/", {"notes": "x"}).status_code == 405


def test_lists_come_in_pages(manager_calls, model):
    for number in range(1, 6):
        make_package(model, number)
    first = manager_calls.get(f"{PLACE}?page_size=2").json()
    assert (first["count"], [row["number"] for row in first["results"]]) == (5, [5, 4])
    second = manager_calls.get(first["next"]).json()
    assert [row["number"] for row in second["results"]] == [3, 2]
    assert manager_calls.get(f"{PLACE}?page_size=2&page=4").status_code == 404
