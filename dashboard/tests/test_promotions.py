"""Promote, roll back and stop from the browser: the difference first, then the verb, with every way it can say no."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from releases.actions import evidence
from releases.models import Environment, MLModel, Package, Release, Route
from releases.queries.traffic import Series, Tally
from releases.tests.conftest import make_package
from releases.tests.scenes import put_live, put_moving

SignedIn = Callable[[str], Client]
Environments = dict[str, Environment]
PROMOTE = "/models/flight-eta/promote/"
BACK = "/models/flight-eta/dev/roll-back/"


@pytest.fixture
def client(signed_in: SignedIn) -> Client:
    return signed_in("release manager")


def text(answer: HttpResponse, status: int = 200) -> str:
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def ask(client: Client, package: int = 1, environment: str = "dev") -> HttpResponse:
    return client.get(PROMOTE, {"package": package, "environment": environment})


def promote(client: Client, package: int = 1, environment: str = "dev", **fields: object) -> HttpResponse:
    return client.post(PROMOTE, {"package": package, "environment": environment, "strategy": "blue_green", **fields})


def test_the_first_promote_says_what_it_starts(client: Client, packages: list[Package]) -> None:
    shown = text(ask(client))
    assert "Start dev with package 1" in shown
    assert "Nothing live" in shown
    assert "The new package is loaded, warmed and tried beside the old one" in shown


def test_the_difference_comes_first_and_the_button_says_the_switch(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    shown = text(ask(client, 2))
    assert "Switch dev from package 1 to package 2" in shown
    assert packages[0].digest.removeprefix("sha256:")[:6] in shown
    assert packages[1].digest.removeprefix("sha256:")[:6] in shown
    assert 'name="seen" value="1.0."' in shown


def test_what_the_trainers_measured_stands_in_the_difference(
    client: Client, model: MLModel, environments: Environments
) -> None:
    told = [{"trained_on": "flights", "trees": 50, "mean error in July, minutes": error} for error in (10.09, 7.38)]
    old, new = (make_package(model, number, provenance=data) for number, data in enumerate(told, start=1))
    put_live(old, environments["dev"])
    shown = text(ask(client, new.number))
    assert "Mean error in July, minutes" in shown
    assert "10.09" in shown
    assert "7.38" in shown
    assert "Trees" in shown, "a figure that is the same is told too"
    assert "Trained on" not in shown, "a text that is the same on both sides is no difference"
    assert "7.38" not in text(client.get(BACK)), "nothing was live before, so nothing is compared"


def test_a_candidate_that_was_live_here_a_moment_ago_has_been_measured(
    client: Client, packages: list[Package], environments: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {1: {0.0: Tally(starts=900, completions=900)}, 2: {0.0: Tally(starts=1800, completions=1800, errors=9)}}
    monkeypatch.setattr("releases.queries.traffic.lately", lambda where, model: Series((0.0,), 30, calls))
    put_live(packages[0], environments["dev"])
    shown = text(ask(client, 2))
    assert "1.0\xa0req/s, 0\xa0% errors" in shown
    assert "2.0\xa0req/s, 0.5\xa0% errors" in shown
    assert "no calls" in text(ask(client, 3))


def test_a_promote_leads_to_its_release(client: Client, packages: list[Package]) -> None:
    answer = promote(client, reason="the first one")
    release = Release.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == release.get_absolute_url()
    assert (release.package, release.reason, release.strategy) == (packages[0], "the first one", "blue_green")
    assert release.created_by is not None
    assert release.created_by.get_username() == "release-manager"


def test_a_start_time_is_kept(client: Client, packages: list[Package]) -> None:
    promote(client, start_at="2031-05-04T03:02")
    release = Release.objects.get()
    assert release.start_at is not None
    assert f"{release.start_at:%Y-%m-%d %H:%M %Z}" == "2031-05-04 03:02 UTC"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start_at": "soon"}, "Enter a valid date/time."),
        ({"strategy": "magic"}, "Select a valid choice."),
        ({"reason": "x" * 501}, "at most 500 characters"),
    ],
)
def test_wrong_input_is_400_on_its_field(
    client: Client, packages: list[Package], fields: dict[str, str], words: str
) -> None:
    assert words in text(promote(client, **fields), 400)
    assert not Release.objects.exists()


@pytest.mark.parametrize(
    "query",
    [{}, {"package": "1"}, {"package": "9", "environment": "dev"}, {"package": "x" * 30, "environment": "dev"},
     {"package": "1", "environment": "nowhere"}, {"package": "99999999999999999999", "environment": "dev"}],
)  # fmt: skip
def test_what_does_not_exist_is_404(client: Client, packages: list[Package], query: dict[str, str]) -> None:
    assert client.get(PROMOTE, query).status_code == 404


def test_an_unmet_gate_is_a_list_with_what_mends_it_and_409_when_posted_all_the_same(
    client: Client, packages: list[Package]
) -> None:
    shown = text(ask(client, 1, "test"))
    assert "Package 1 has not been live in dev yet." in shown
    assert "/models/flight-eta/promote/?package=1&amp;environment=dev" in shown
    assert "Send package 1 to test" in shown  # what it waits for comes by itself, so it can be sent all the way
    assert 'name="strategy"' not in shown
    assert "has not been live in dev yet" in text(promote(client, 1, "test"), 409)


def test_a_package_that_is_live_already_is_said_so(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    assert "live here already" in text(ask(client, 1))
    assert "live in dev already" in text(promote(client, 1), 409)


def test_a_release_under_way_holds_a_second_one_and_names_the_legal_moves(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    release = put_moving(packages[0], environments["dev"])
    assert f"/releases/{release.pk}/" in text(ask(client, 2))
    shown = text(promote(client, 2), 409)
    assert f"Release {release.pk} is under way" in shown
    assert "stop it" in shown


def test_a_stale_page_is_409_and_says_what_is_true_now(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    seen = "0.0."
    put_live(packages[1], environments["dev"])
    shown = text(promote(client, 3, seen=seen), 409)
    assert "This page was out of date: package 2 is live in dev now." in shown
    assert 'name="seen" value="2.0."' in shown, "the next click acts on what is shown now"
    assert "Switch dev from package 2 to package 3" in shown
    assert Release.objects.filter(package=packages[2]).count() == 0


def test_packages_that_cannot_share_traffic_leave_recreate_only(
    client: Client, model: MLModel, environments: Environments
) -> None:
    inputs = [{"name": "speed", "type": "double", "required": True}]
    put_live(make_package(model, 1), environments["dev"])
    make_package(model, 2, digest=f"sha256:{'2' * 64}", signature={"inputs": inputs, "outputs": []})
    shown = text(ask(client, 2))
    assert "distance: the candidate does not know it" in shown
    assert 'value="blue_green" disabled' in shown
    assert 'value="recreate" checked' in shown
    assert "use the strategy recreate" in text(promote(client, 2), 409)
    assert promote(client, 2, strategy="recreate").status_code == 302


@pytest.mark.parametrize(("role", "environment"), [("viewer", "dev"), ("QA", "dev"), ("developer", "staging")])
def test_who_may_not_promote_is_told_who_may(
    signed_in: SignedIn, packages: list[Package], role: str, environment: str
) -> None:
    client = signed_in(role)
    for answer in (ask(client, 1, environment), promote(client, 1, environment)):
        assert "release manager" in text(answer, 403)
    assert not Release.objects.exists()


def test_a_rollback_says_where_it_goes_and_needs_a_reason(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    put_live(packages[1], environments["dev"])
    assert "Roll dev back to package 1" in text(client.get(BACK))
    assert "Say why you roll back" in text(client.post(BACK, {"package": 1}), 400)
    answer = client.post(BACK, {"package": 1, "reason": "wrong answers"})
    release = Release.objects.latest("id")
    assert answer["Location"] == release.get_absolute_url()
    assert release.package == packages[0]
    assert Route.objects.get().stable == packages[0]


def test_a_rollback_can_go_to_any_package_that_was_live_there(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    for package in packages:
        put_live(package, environments["dev"])
    assert '<option value="2" selected>Package 2, live before</option>' in text(client.get(BACK))
    client.post(BACK, {"package": 1, "reason": "both were wrong"})
    assert Route.objects.get().stable == packages[0]


def test_a_rollback_to_a_newer_package_says_that_it_is_newer(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[1], environments["dev"])
    put_live(packages[0], environments["dev"])
    assert "Mind that package 2 is the newer one" in text(client.get(BACK))


def test_a_rollback_cannot_go_to_a_package_that_was_never_live_there(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    put_live(packages[1], environments["dev"])
    assert "Select a valid choice" in text(client.post(BACK, {"package": 3, "reason": "so"}), 400)


def test_when_nothing_is_left_to_return_to_it_takes_one_more_yes(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    assert "Take flight-eta off in dev" in text(client.get(BACK))
    assert "nothing is left to return to" in text(client.post(BACK, {"reason": "wrong"}), 400)
    assert client.post(BACK, {"reason": "wrong", "confirm": "on"}).status_code == 302
    assert Route.objects.get().stable is None


def test_a_release_on_its_way_is_stopped_by_a_rollback_and_the_live_package_stays(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    release = put_moving(packages[1], environments["dev"])
    assert f"Stop release {release.pk}, keep package 1" in text(client.get(BACK))
    assert client.post(BACK, {"reason": "not now"}).status_code == 302
    release.refresh_from_db()
    assert release.state == "failed"
    assert Route.objects.get().stable == packages[0]


def test_a_stale_rollback_is_409_and_shows_what_it_would_do_now(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    put_live(packages[1], environments["dev"])
    put_live(packages[2], environments["dev"])
    shown = text(client.post(BACK, {"package": 1, "reason": "x", "seen": "2.0."}), 409)
    assert "This page was out of date: package 3 is live in dev now." in shown
    assert Route.objects.get().stable == packages[2]


def test_there_is_nothing_to_roll_back_where_nothing_is_live(client: Client, packages: list[Package]) -> None:
    assert "Nothing to roll back" in text(client.get(BACK))
    assert "Nothing is live" in text(client.post(BACK, {"reason": "x", "confirm": "on"}), 409)


def test_who_may_not_roll_back_is_told_who_may(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    client = signed_in("viewer")
    for answer in (client.get(BACK), client.post(BACK, {"reason": "x", "confirm": "on"})):
        assert "Your role does not allow" in text(answer, 403)


def test_a_release_is_stopped_with_a_reason(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    release = put_moving(packages[0], environments["dev"])
    path = f"/releases/{release.pk}/abort/"
    assert f"Stop release {release.pk}" in text(client.get(path))
    assert "Say why; it stands in the history." in text(client.post(path, {}), 400)
    assert client.post(path, {"reason": "wrong one"})["Location"] == release.get_absolute_url()
    release.refresh_from_db()
    assert (release.state, release.note) == ("aborted", "wrong one")


def test_a_release_that_has_ended_cannot_be_stopped(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    release = put_live(packages[0], environments["dev"])
    assert "A release that is live cannot abort." in text(
        client.post(f"/releases/{release.pk}/abort/", {"reason": "x"}), 409
    )


def test_the_dialog_takes_its_inside_from_the_page(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    release = put_moving(packages[1], environments["dev"])
    for path in (f"{PROMOTE}?package=2&environment=dev", BACK, f"/releases/{release.pk}/abort/"):
        assert "data-dialog-content" in text(client.get(path))


def test_only_get_and_post_are_known(client: Client, packages: list[Package]) -> None:
    assert client.put(f"{PROMOTE}?package=1&environment=dev").status_code == 405


def test_beside_the_rollback_stands_how_its_rehearsal_went(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    for package in packages[:2]:
        put_live(package, environments["dev"])
    assert "package 2 was never rehearsed" in text(client.get(BACK))
    for verdict, words in (("pass", "it worked"), ("fail", "it did not work")):
        evidence.record(
            packages[1].digest, "rehearsal", verdict, environment=environments["staging"], reference="run 7"
        )
        shown = text(client.get(BACK))
        assert words in shown
        assert 'href="/runs/7/"' in shown
