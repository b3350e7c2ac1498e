"""`manage.py register`: a folder or a file becomes a package, with or without a worker; the exit code tells."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from dashboard.demo.recipes import travel_time
from dashboard.management.commands import register
from releases.actions import intake as intakes
from releases.models import Intake, MLModel, Package

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """Nobody takes the upload, so this process does, at once."""
    monkeypatch.setattr(register, "PATIENCE", timedelta(0))


@pytest.fixture
def folder(tmp_path):
    return travel_time.write(tmp_path / "upload")


def run(*arguments: object) -> str:
    said = io.StringIO()
    call_command("register", *map(str, arguments), stdout=said)
    return said.getvalue()


def refusal(*arguments: object) -> str:
    with pytest.raises(CommandError) as told:
        run(*arguments)
    return str(told.value)


def test_a_folder_is_packed_taken_in_and_told_step_by_step(folder, tmp_path):
    limits = tmp_path / "limits.json"
    limits.write_text(json.dumps({"distance": {"gt": 0, "unit": "miles"}}))
    said = run("travel-time", folder, "--create", "--constraints", limits, "--notes", "by hand").splitlines()
    package = Package.objects.get()
    assert [line.split()[0] for line in said[:3]] == ["unpack", "digest", "inspect"]
    assert {line.split()[1] for line in said[:-1]} <= {"passed", "skipped"}
    assert said[-1] == f"package 1 of travel-time, {package.digest}"
    assert package.notes == "by hand"
    assert package.signature["metadata"]["constraints"]["distance"]["unit"] == "miles"
    again = run("travel-time", folder, "--constraints", limits)
    assert "these files were registered before: package 1" in again
    assert Package.objects.count() == 1


def test_a_refused_file_says_which_step_and_why(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    assert refusal("travel-time", tmp_path / "model.pkl", "--create").startswith("Refused: ")
    assert not Package.objects.exists()
    assert Intake.objects.get().upload == ""


def test_the_work_of_a_worker_is_watched_and_not_repeated(tmp_path, monkeypatch):
    MLModel.objects.create(name="travel-time")
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    monkeypatch.setattr(register, "PATIENCE", timedelta(hours=1))
    looked = []

    def a_worker_refuses(_: float) -> None:
        looked.append(Intake.objects.get().state)
        steps = [{"name": "unpack", "state": "refused", "detail": "no", "seconds": 0.1}]
        Intake.objects.update(state="refused", reason="It is broken.", steps=steps)

    monkeypatch.setattr(register.time, "sleep", a_worker_refuses)
    monkeypatch.setattr(intakes, "run", lambda pk: pytest.fail("the command took the work from the worker"))
    assert refusal("travel-time", tmp_path / "model.onnx") == "Refused: It is broken."
    assert looked == ["queued"]


def test_what_cannot_be_read_is_told_before_anything_is_registered(folder, tmp_path):
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "empty.onnx").touch()
    assert "There is no model named nope" in refusal("nope", folder)
    MLModel.objects.create(name="travel-time")
    assert "cannot be read" in refusal("travel-time", tmp_path / "nowhere")
    assert "cannot be read" in refusal("travel-time", folder, "--constraints", tmp_path / "nowhere")
    assert "Expected a dictionary" in refusal("travel-time", folder, "--constraints", tmp_path / "list.json")
    assert "The file is empty" in refusal("travel-time", tmp_path / "empty.onnx")
    assert "small letters" in refusal("Not a name", folder, "--create")
    assert not Intake.objects.exists()
