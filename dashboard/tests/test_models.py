"""The list of models, one model's page, a new model, and the search."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from releases.models import Count, Environment, Intake, MLModel, Package
from releases.tests.conftest import make_package
from releases.tests.scenes import put_live

SignedIn = Callable[[str], Client]
NEW = "/models/-/new/"


@pytest.fixture
def client(signed_in: SignedIn) -> Client:
    return signed_in("developer")


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def test_an_empty_list_says_what_to_do(client: Client) -> None:
    assert "Make the first model" in page(client, "/models/")


def test_the_list_counts_packages(client: Client, packages: list[Package]) -> None:
    text = page(client, "/models/")
    assert "flight-eta" in text
    assert 'data-label="Packages">3<' in text


@pytest.mark.parametrize("query", ["flight-eta 2", "flight 2", "flight-eta package 2"])
def test_the_search_finds_a_package_by_model_and_number(client: Client, packages: list[Package], query: str) -> None:
    text = client.get("/search/", {"q": query}).content.decode()
    assert "/models/flight-eta/packages/2/" in text
    assert "<html" not in text


def test_the_search_finds_a_package_by_the_beginning_of_its_digest(client: Client, packages: list[Package]) -> None:
    start = packages[2].digest.removeprefix("sha256:")[:8]
    assert "/models/flight-eta/packages/3/" in client.get("/search/", {"q": start}).content.decode()


def test_a_search_without_a_result_says_so(client: Client, packages: list[Package]) -> None:
    assert "Nothing found" in client.get("/search/", {"q": "nonesuch"}).content.decode()
    assert "Nothing found" in page(client, "/models/?q=nonesuch")


def test_a_search_for_nothing_is_empty(client: Client, packages: list[Package]) -> None:
    assert not client.get("/search/", {"q": " "}).content.decode().strip()


def test_a_new_model_leads_to_its_first_package(client: Client) -> None:
    answer = client.post(NEW, {"name": "fraud-score", "description": "Which payments to look at"})
    assert answer["Location"] == "/models/fraud-score/register/"
    assert MLModel.objects.get().description == "Which payments to look at"


def test_a_bad_name_is_400_on_its_field(client: Client) -> None:
    answer = client.post(NEW, {"name": "Fraud Score"})
    assert answer.status_code == 400
    assert "Use small letters, digits and single dashes" in answer.content.decode()


def test_an_empty_form_is_400(client: Client) -> None:
    assert client.post(NEW, {}).status_code == 400


def test_a_name_that_is_taken_is_409(client: Client, model: MLModel) -> None:
    answer = client.post(NEW, {"name": "flight-eta"})
    assert answer.status_code == 409
    assert "There is a model named flight-eta already." in answer.content.decode()


@pytest.mark.parametrize("role", ["viewer", "QA"])
def test_who_may_not_make_a_model_is_told_who_may(signed_in: SignedIn, role: str) -> None:
    for answer in (signed_in(role).get(NEW), signed_in(role).post(NEW, {"name": "x"})):
        assert answer.status_code == 403
        assert "developer" in answer.content.decode()


def test_a_model_without_packages_says_how_to_register_the_first(client: Client, model: MLModel) -> None:
    text = page(client, "/models/flight-eta/")
    assert "Register the first package" in text
    assert "curl -fsS" in text
    assert "/api/models/flight-eta/packages/" in text


@pytest.mark.usefixtures("no_redis")
def test_a_model_shows_places_packages_releases_and_uploads(
    client: Client, packages: list[Package], environments: dict[str, Environment]
) -> None:
    put_live(packages[0], environments["dev"])
    release = put_live(packages[1], environments["dev"], reason="better on long flights")
    Intake.objects.create(model=packages[0].model, filename="bad.pkl", state="refused", reason="This is a pickle.")
    text = page(client, "/models/flight-eta/")
    assert "Where it is live" in text
    assert f"/releases/{release.pk}/" in text
    assert "better on long flights" in text
    assert "This is a pickle." in text
    assert "The figures cannot be read just now" in text, "there is no Redis in this test"


@pytest.mark.parametrize("part", ["places", "charts"])
def test_its_fragments_have_no_frame(
    client: Client, packages: list[Package], environments: dict[str, Environment], part: str
) -> None:
    put_live(packages[0], environments["dev"])
    text = page(client, f"/models/flight-eta/?part={part}&environment=dev&span=15m")
    assert "<html" not in text
    assert "card" in text


@pytest.mark.parametrize("span", ["24h", "7d", "nonsense"])
@pytest.mark.usefixtures("no_redis")
def test_longer_charts_come_from_the_database(
    client: Client, packages: list[Package], environments: dict[str, Environment], span: str
) -> None:
    put_live(packages[0], environments["dev"])
    text = page(client, f"/models/flight-eta/?environment=dev&span={span}")
    expected = "No calls in this time." if span != "nonsense" else "The figures cannot be read just now"
    assert expected in text


def test_it_says_where_the_time_of_a_call_goes(
    client: Client, packages: list[Package], environments: dict[str, Environment]
) -> None:
    put_live(packages[0], environments["dev"])
    Count.objects.create(
        seconds=60, at=timezone.now() - timedelta(hours=2), environment="dev", model="flight-eta",
        package=packages[0].digest, arm="stable", mode="rest", protocol="v1", starts=10, completions=10,
        duration=0.5, queued=0.02, computed=0.3, latency={"400": 10},
    )  # fmt: skip
    text = page(client, "/models/flight-eta/?environment=dev&span=24h")
    assert "Model time, package 1" in text
    assert "of 50.0 ms a call; waits 2.00 ms for the model" in text.replace("\xa0", " ")


def test_an_unknown_model_is_404(client: Client, db: None) -> None:
    assert client.get("/models/nonesuch/").status_code == 404


def test_many_packages_come_in_pages_in_the_same_number_of_queries(
    client: Client, packages: list[Package], environments: dict[str, Environment]
) -> None:
    put_live(packages[0], environments["dev"])
    page(client, "/models/flight-eta/")

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            page(client, "/models/flight-eta/")
        return len(seen)

    few = queries()
    for number in range(4, 40):
        make_package(packages[0].model, number)
    for _ in range(6):
        for package in packages[:2]:
            put_live(package, environments["dev"])
    assert queries() <= few + 1
    assert "Page 1 of 2" in page(client, "/models/flight-eta/")
    assert page(client, "/models/flight-eta/?page=2")
    assert few <= 25
