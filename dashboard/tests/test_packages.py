"""The page of a package, its comparison, its registration and its deletion."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from releases.models import Environment, Intake, MLModel, Package
from releases.tests.conftest import make_package
from releases.tests.scenes import put_live

SignedIn = Callable[[str], Client]
REGISTER = "/models/flight-eta/register/"
ROWS = {"inputs-TOTAL_FORMS": "2", "inputs-INITIAL_FORMS": "2"}


@pytest.fixture
def client(signed_in: SignedIn) -> Client:
    return signed_in("release manager")


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Nothing is sent to a broker; what would have been is in the list."""
    sent: list[tuple] = []
    monkeypatch.setattr("releases.actions.packages.enqueue", lambda *words, **more: sent.append(words))
    return sent


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def upload(client: Client, name: str = "model.skops", content: bytes = b"PK", **fields: str) -> object:
    return client.post(REGISTER, {"file": SimpleUploadedFile(name, content), **ROWS, **fields})


def test_a_package_shows_its_contract_origin_and_places(
    client: Client, model: MLModel, environments: dict[str, Environment]
) -> None:
    package = make_package(
        model,
        1,
        provenance={"author": "A. Haddad"},
        versions={"numpy": {"package": "1.0", "server": "2.0", "same": False}},
        differences={"equal": True, "largest": 1.2e-6, "unit": "sd", "rows": {"drawn": 2000}},
    )
    put_live(package, environments["dev"])
    text = page(client, "/models/flight-eta/packages/1/")
    for words in (
        "greater than 0",
        "The ONNX answers are equal.",
        "A. Haddad",
        "other than it was made with",
        "1.2e-06",
    ):
        assert words in text
    assert package.digest in text
    assert "Live here" in text
    assert "model.skops" in text
    assert "2,000" in text
    assert "Promote package 1 to test" in text


def test_gates_stand_beside_each_environment(client: Client, packages: list[Package]) -> None:
    text = page(client, "/models/flight-eta/packages/1/")
    assert "Package 1 has not been live in dev yet." in text
    assert "Promote to dev" in text
    assert "Promote to test" not in text


def test_two_packages_are_compared(client: Client, model: MLModel) -> None:
    make_package(model, 1, runtime="sklearn")
    make_package(model, 2)
    text = page(client, "/models/flight-eta/packages/2/?with=1")
    assert "Every call that the other one answers, this one answers too." in text
    assert "scikit-learn" in text
    assert "ONNX Runtime" in text


@pytest.mark.parametrize("number", ["9", "x", "2", "99999999999999999999"])
def test_a_comparison_with_what_is_no_other_package_is_left_out(
    client: Client, packages: list[Package], number: str
) -> None:
    text = page(client, f"/models/flight-eta/packages/2/?with={number}")
    assert "answers too" not in text


def test_an_unknown_package_is_404(client: Client, packages: list[Package]) -> None:
    assert client.get("/models/flight-eta/packages/9/").status_code == 404


def test_a_package_that_nothing_needs_can_be_deleted(client: Client, packages: list[Package]) -> None:
    assert "Delete package 2" in page(client, "/models/flight-eta/packages/2/")
    answer = client.post("/models/flight-eta/packages/2/delete/")
    assert answer["Location"] == "/models/flight-eta/"
    assert not Package.objects.filter(number=2).exists()


def test_a_live_package_says_why_it_stays(
    client: Client, packages: list[Package], environments: dict[str, Environment]
) -> None:
    put_live(packages[0], environments["dev"])
    assert "It is live, or the way back, in dev." in page(client, "/models/flight-eta/packages/1/")
    answer = client.post("/models/flight-eta/packages/1/delete/")
    assert answer.status_code == 409
    assert "It cannot be deleted" in answer.content.decode()


def test_a_developer_may_not_delete(signed_in: SignedIn, packages: list[Package]) -> None:
    assert "Delete" not in page(signed_in("developer"), "/models/flight-eta/packages/2/")
    assert signed_in("developer").post("/models/flight-eta/packages/2/delete/").status_code == 403


def test_deleting_is_a_post(client: Client, packages: list[Package]) -> None:
    assert client.get("/models/flight-eta/packages/2/delete/").status_code == 405


def test_an_upload_leads_to_its_report(client: Client, model: MLModel, no_worker: list) -> None:
    answer = upload(client)
    intake = Intake.objects.get()
    assert answer["Location"] == intake.get_absolute_url()
    assert (intake.filename, intake.declared) == ("model.skops", {})


def test_what_the_files_do_not_say_is_declared_in_rows(client: Client, model: MLModel, no_worker: list) -> None:
    rows = {
        "inputs-0-name": "distance",
        "inputs-0-type": "double",
        "inputs-0-limits": "> 0, <= 1e4",
        "inputs-0-unit": "miles",
        "inputs-1-name": "origin",
        "inputs-1-type": "string",
        "inputs-1-values": "EWR, JFK",
    }
    upload(client, **rows)
    assert Intake.objects.get().declared == {
        "inputs": [
            {"name": "distance", "type": "double", "required": True},
            {"name": "origin", "type": "string", "required": True},
        ],
        "constraints": {"distance": {"gt": 0, "le": 1e4, "unit": "miles"}, "origin": {"values": ["EWR", "JFK"]}},
    }


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"inputs-0-name": "distance", "inputs-0-limits": "positive"}, "is not a limit"),
        ({"inputs-0-limits": "> 0"}, "Name the input"),
        ({"inputs-0-name": "a", "inputs-0-type": "long", "inputs-1-name": "b"}, "the type of every input"),
        ({"inputs-0-name": "a", "inputs-1-name": "a"}, "may be named once"),
        ({"inputs-TOTAL_FORMS": "x"}, "ManagementForm"),
    ],
)
def test_rows_that_make_no_sense_are_400(
    client: Client, model: MLModel, no_worker: list, rows: dict[str, str], words: str
) -> None:
    answer = upload(client, **rows)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not Intake.objects.exists()


def test_an_upload_without_a_file_is_400(client: Client, model: MLModel) -> None:
    assert client.post(REGISTER, ROWS).status_code == 400


def test_an_empty_file_is_400_on_its_field(client: Client, model: MLModel, no_worker: list) -> None:
    answer = upload(client, content=b"")
    assert answer.status_code == 400
    assert "The file is empty." in answer.content.decode()


def test_more_rows_keep_what_was_written(client: Client, model: MLModel) -> None:
    answer = client.post(REGISTER, {**ROWS, "inputs-0-name": "distance", "more": "1"})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'value="distance"' in text
    assert 'name="inputs-TOTAL_FORMS" value="6"' in text


def test_the_form_after_a_refusal_shows_why_and_what_was_declared(client: Client, model: MLModel) -> None:
    declared = {"constraints": {"distance": {"gt": 0, "unit": "miles"}}}
    before = Intake.objects.create(
        model=model, filename="m.skops", state="refused", reason="No type.", declared=declared
    )
    text = page(client, f"{REGISTER}?after={before.pk}&inputs=1")
    assert "No type." in text
    assert 'value="&gt; 0"' in text
    assert '<details class="more" id="inputs" open>' in text


@pytest.mark.parametrize("role", ["viewer", "QA"])
def test_who_may_not_register_is_told_who_may(signed_in: SignedIn, model: MLModel, role: str) -> None:
    for answer in (signed_in(role).get(REGISTER), upload(signed_in(role))):
        assert answer.status_code == 403
        assert "developer" in answer.content.decode()
