"""The board: empty, filled, moving, blocked, for those who may not, and how many queries it takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from releases.models import Environment, MLModel, Package
from releases.tests.conftest import make_package
from releases.tests.scenes import put_live, put_moving

SignedIn = Callable[[str], Client]
Environments = dict[str, Environment]


def page(client: Client, path: str = "/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_asks_strangers_to_sign_in(db: None) -> None:
    answer = Client().get("/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


def test_an_empty_board_says_what_to_do_first_with_a_curl(signed_in: SignedIn) -> None:
    text = page(signed_in("developer"))
    assert "No models yet" in text
    assert "Make the first model" in text
    assert "curl -fsS" in text
    assert "/api/models/" in text


def test_an_empty_board_offers_a_viewer_nothing_that_a_viewer_may_not_do(signed_in: SignedIn) -> None:
    text = page(signed_in("viewer"))
    assert "No models yet" in text
    assert "Make the first model" not in text


def test_a_cell_says_what_is_live_and_what_may_come_next(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    text = page(signed_in("release manager"))
    assert "Package 1" in text
    assert "Promote package 3" in text, "the newest package comes into dev next"
    assert f"package={packages[0].number}&amp;environment=test" in text, "what is live in dev comes into test next"
    assert "/models/flight-eta/dev/roll-back/" in text


def test_a_viewer_sees_the_same_state_without_the_buttons(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    text = page(signed_in("viewer"))
    assert "Package 1" in text
    assert "Promote package" not in text
    assert "roll-back" not in text


def test_a_developer_is_offered_dev_and_test_only(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    for name in ("dev", "test"):
        put_live(packages[0], environments[name])
    text = page(signed_in("developer"))
    assert "environment=dev" in text
    assert "environment=staging" not in text


def test_a_release_under_way_shows_its_split_and_no_other_promote(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    release = put_moving(packages[1], environments["dev"], note="1 of 2 gateways have adopted the table.")
    text = page(signed_in("release manager"))
    assert f"/releases/{release.pk}/" in text
    assert "Package 1 → 2: 1 of 2 gateways have adopted the table." in text
    assert 'aria-label="Traffic: Package 2 0' in text
    assert "1 moving" in text
    assert "environment=dev" not in text


def test_a_waiting_release_says_by_what_it_is_held(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    put_moving(packages[1], environments["dev"], state="waiting", note="Waits for its start time.")
    text = page(signed_in("release manager"))
    assert "Waits for its start time." in text
    assert "1 held" in text


def test_a_scheduled_release_says_when_it_starts(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    start = timezone.now() + timedelta(days=400)
    put_moving(packages[1], environments["dev"], state="waiting", note="Waits for its start time.", start_at=start)
    assert f"Starts on {start.day} {start:%b at %H:%M} UTC" in page(signed_in("viewer"))


def test_a_package_that_refuses_what_the_live_one_answers_is_offered_with_a_warning(
    signed_in: SignedIn, model: MLModel, environments: Environments
) -> None:
    inputs = [{"name": "speed", "type": "double", "required": True}]
    old, new = (
        make_package(model, 1),
        make_package(model, 2, digest=f"sha256:{'2' * 64}", signature={"inputs": inputs, "outputs": []}),
    )
    put_live(old, environments["dev"])
    assert new.number == 2
    assert "Package 2 refuses calls that package 1 answers" in page(signed_in("release manager"))


def test_a_package_that_was_rolled_back_is_offered_again_by_that_word(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[2], environments["dev"])
    put_live(packages[0], environments["dev"])
    text = page(signed_in("release manager"))
    assert "Promote package 3 again" in text
    assert "back from 3" in text


@pytest.mark.usefixtures("no_redis")
def test_without_redis_the_figures_are_unknown_and_the_board_stands(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    assert "Figures unknown: Redis is away" in page(signed_in("viewer"))


def test_the_fragment_is_the_table_without_the_frame(signed_in: SignedIn, packages: list[Package]) -> None:
    text = page(signed_in("viewer"), "/?part=rows")
    assert "<html" not in text
    assert "flight-eta" in text
    assert "csrfmiddlewaretoken" not in text, "a token would make every refresh differ from the last"


@pytest.mark.parametrize("path", ["/", "/?part=rows"])
def test_the_number_of_queries_does_not_depend_on_the_number_of_models(
    signed_in: SignedIn, packages: list[Package], environments: Environments, path: str
) -> None:
    client = signed_in("release manager")

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            page(client, path)
        return len(seen)

    put_live(packages[0], environments["dev"])
    queries()
    few = queries()
    for number in range(12):
        model = MLModel.objects.create(name=f"model-{number}")
        for environment in environments.values():
            put_live(make_package(model, 1 + environment.position), environment)
        put_moving(make_package(model, 9), environments["production"], created_at=timezone.now())
    assert queries() == few
    assert few <= 12


def test_an_inactive_role_has_no_buttons(person: Callable[[str], User], packages: list[Package]) -> None:
    user = User.objects.create_user("nobody")
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert "Promote package" not in page(client)
