"""The report of an upload in each of its states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from releases.models import Intake, MLModel, Package

SignedIn = Callable[[str], Client]
UNPACKED = {"name": "unpack", "state": "passed", "detail": "a zip archive, 6 files", "seconds": 0.005}


@pytest.fixture
def client(signed_in: SignedIn) -> Client:
    return signed_in("developer")


def report(client: Client, model: MLModel, status: int = 200, part: str = "?part=report", **columns: Any) -> str:
    intake = Intake.objects.create(model=model, filename="model.zip", **columns)
    answer = client.get(f"{intake.get_absolute_url()}{part}")
    assert answer.status_code == status
    return answer.content.decode()


def test_a_queued_upload_waits_for_a_worker(client: Client, model: MLModel) -> None:
    assert "Waiting for a worker" in report(client, model)


def test_a_running_upload_shows_its_steps_and_those_to_come(client: Client, model: MLModel) -> None:
    steps = [UNPACKED, {"name": "load", "state": "running", "detail": "", "seconds": 0}]
    text = report(client, model, state="running", steps=steps)
    assert "a zip archive, 6 files" in text
    assert "at once" in text
    assert '<li class="is-current">' in text
    assert "Convert to ONNX" in text


def test_the_page_asks_again_until_it_has_ended(client: Client, model: MLModel, packages: list[Package]) -> None:
    assert "data-live" in report(client, model, part="", state="running").split('id="content"')[1].replace("health", "")
    assert 'id="report"' not in report(client, model, part="", state="accepted", package=packages[0])


def test_an_accepted_upload_links_to_its_package_and_stops_the_asking(
    client: Client, model: MLModel, packages: list[Package]
) -> None:
    text = report(client, model, 286, state="accepted", package=packages[1], steps=[UNPACKED])
    assert "Accepted as package 2 of flight-eta." in text
    assert "/models/flight-eta/packages/2/" in text


def test_the_same_files_are_said_to_be_the_same_package(
    client: Client, model: MLModel, packages: list[Package]
) -> None:
    text = report(client, model, 286, state="accepted", package=packages[1], was_known=True)
    assert "These files are package 2 already." in text


def test_a_refusal_says_why_and_how_to_go_on(client: Client, model: MLModel) -> None:
    text = report(client, model, 286, state="refused", reason="model.pkl is a pickle. <b>Never</b> opened.")
    assert "model.pkl is a pickle. &lt;b&gt;Never&lt;/b&gt; opened." in text
    assert "Upload another" in text


def test_a_refusal_for_missing_inputs_leads_back_to_the_form_with_its_rows(client: Client, model: MLModel) -> None:
    reason = "The model does not say what its inputs are. Or say the inputs (name and type) in the form."
    text = report(client, model, 286, state="refused", reason=reason)
    intake = Intake.objects.get()
    assert f"/models/flight-eta/register/?after={intake.pk}&amp;inputs=1#inputs" in text


def test_a_viewer_sees_the_report_without_the_way_on(signed_in: SignedIn, model: MLModel) -> None:
    text = report(signed_in("viewer"), model, 286, state="refused", reason="No.")
    assert "Upload another" not in text


def test_an_upload_whose_package_was_deleted_says_so(client: Client, model: MLModel) -> None:
    assert "the package has been deleted since" in report(client, model, 286, state="accepted")


def test_an_unknown_intake_is_404(client: Client, db: None) -> None:
    assert client.get("/intakes/999/").status_code == 404
