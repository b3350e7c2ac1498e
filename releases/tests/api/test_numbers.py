"""Two uploads at once get two numbers: no gap, no clash."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from rest_framework.test import APIClient

from releases import intake as coming_in
from releases.actions import intake, keys
from releases.models import Intake, MLModel, Package
from releases.tests.conftest import accepted

PLACE = "/api/models/flight-eta/packages/"
AT_ONCE = 6


def take_everything(upload: Path, **_: object) -> coming_in.Accepted:
    """What is tested here is the number, not the proof."""
    return accepted(upload.read_text())


@pytest.fixture
def token(transactional_db) -> str:
    admin = User.objects.create_superuser("admin")
    MLModel.objects.create(name="flight-eta")
    return keys.issue_token(user=admin, name="ci")[1]


def at_once(token: str, contents: list[bytes]) -> list[int]:
    """Upload all at the same moment, each from a thread of its own, and take each through its intake there."""
    start, statuses = threading.Barrier(len(contents)), []

    def one(content: bytes) -> None:
        client = APIClient(headers={"Authorization": f"Token {token}"})
        start.wait()
        answer = client.post(PLACE, {"file": SimpleUploadedFile("model.onnx", content)}, format="multipart")
        statuses.append(answer.status_code)
        start.wait()
        intake.run(answer.json()["id"])
        connection.close()

    threads = [threading.Thread(target=one, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return statuses


@pytest.mark.django_db(transaction=True)
def test_uploads_at_once_get_numbers_without_gap_or_clash(token, monkeypatch):
    monkeypatch.setattr(coming_in, "run", take_everything)
    assert at_once(token, [b"%d" % number for number in range(AT_ONCE)]) == [202] * AT_ONCE
    assert sorted(Package.objects.values_list("number", flat=True)) == list(range(1, AT_ONCE + 1))
    assert MLModel.objects.get().last_number == AT_ONCE
    assert set(Intake.objects.values_list("state", flat=True)) == {"accepted"}


@pytest.mark.django_db(transaction=True)
def test_the_same_files_at_once_are_one_package(token, monkeypatch):
    monkeypatch.setattr(coming_in, "run", take_everything)
    assert at_once(token, [b"same"] * AT_ONCE) == [202] * AT_ONCE
    assert Package.objects.get().number == 1
    assert Intake.objects.filter(was_known=True).count() == AT_ONCE - 1
