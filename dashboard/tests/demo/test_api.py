"""The demo's client speaks with the real REST API: addresses, fields and errors are those that the story relies on."""

import httpx
import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from dashboard.demo.api import Api, ApiError
from dashboard.demo.recipes import FLIGHT_ETA
from dashboard.demo.steps import Steps
from dashboard.demo.story import PRODUCTION, Teller
from releases.actions import keys, setup
from releases.models import Intake, MLModel
from releases.rights import ADMIN
from releases.tests.conftest import make_package


def door(request: httpx.Request) -> httpx.Response:
    """Hand a request to Django's own test client, which stays inside the test's transaction."""
    kind = request.headers.get("Content-Type", "")
    sent = {"Authorization": request.headers["Authorization"]}
    answer = Client().generic(request.method, request.url.raw_path.decode(), request.read(), kind, headers=sent)
    return httpx.Response(answer.status_code, content=answer.content, request=request)


@pytest.fixture
def api(db) -> Api:
    """A client with an admin's token, straight into Django."""
    setup.first_start()
    user = User.objects.create_user("admin")
    user.groups.add(Group.objects.get(name=ADMIN))
    _, secret = keys.issue_token(user=user, name="demo")
    return Api("http://localhost", secret, transport=httpx.MockTransport(door), pause=0)


@pytest.fixture
def steps(api, tmp_path) -> Steps:
    return Steps(api, lambda text: None, tmp_path, patience=0.01, pause=0.01)


def test_a_model_is_made_once(steps):
    steps._model("flight-eta")
    steps._model("flight-eta")
    assert MLModel.objects.count() == 1


def test_a_package_is_known_again_by_its_note(steps):
    steps._model("flight-eta")
    assert steps._registered(FLIGHT_ETA[0]) is None
    make_package(MLModel.objects.get(), 7, notes=f"Demo: {FLIGHT_ETA[0].title}.")
    assert steps._registered(FLIGHT_ETA[0]) == 7


def test_an_upload_opens_an_intake_with_the_note(api, steps):
    steps._model("flight-eta")
    opened = api.upload("/models/flight-eta/packages/", "a.zip", b"PK", {"notes": "Demo: x."})
    found = api.get(f"/intakes/{opened['id']}/")
    assert (found["state"], found["package"], found["reason"]) == ("queued", None, "")
    assert Intake.objects.get().declared["notes"] == "Demo: x."


def test_a_release_is_started_found_and_not_started_twice(api, steps):
    steps._model("flight-eta")
    make_package(MLModel.objects.get(), 1)
    started = steps._promote("flight-eta", 1, "dev")
    listed = api.rows("/releases/", model="flight-eta", package=1, environment="dev")
    shown = api.get(f"/releases/{started['id']}/")
    assert [row["id"] for row in listed] == [started["id"]]
    assert (shown["state"], shown["strategy"]) == ("waiting", "recreate")
    assert "note" in shown
    with pytest.raises(ApiError, match="under way") as caught:
        steps._promote("flight-eta", 1, "dev")
    assert caught.value.status == 409


def test_the_demos_key_is_issued_once_and_again_when_it_was_revoked(steps, api, tmp_path):
    teller = Teller(steps, "", "", tmp_path / "key", tmp_path / "curl")
    teller.make_key()
    first = teller.key
    teller.make_key()
    assert teller.key == first == (tmp_path / "key").read_text()
    issued = next(row for row in api.rows("/keys/", environment=PRODUCTION) if row["name"] == "demo")
    api.post(f"/keys/{issued['id']}/revoke/", {})
    teller.make_key()
    assert teller.key != first


def test_an_unknown_token_is_refused_in_words(api):
    wrong = Api("http://localhost", "st_wrong", transport=httpx.MockTransport(door))
    with pytest.raises(ApiError, match="not known") as caught:
        wrong.get("/models/")
    assert caught.value.status == 401


def test_a_field_that_is_wrong_is_named(api):
    with pytest.raises(ApiError, match=r"^name: "):
        api.post("/models/", {"name": "Not A Name"})
