"""A canary on its page: what the judge found, what can be done by hand and by whom; and its plan before the start."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.charts import evidence
from releases import judging
from releases.actions import releases
from releases.models import Count, Package, Release
from releases.tests.conftest import FakeGateway
from releases.tests.scenes import put_live
from releases.tests.test_judging import Counter, began, canary, look  # noqa: F401 - canary is a fixture

SignedIn = Callable[[str], Client]


@pytest.fixture
def client(signed_in: SignedIn) -> Client:
    return signed_in("release manager")


def page(client: Client, release: Release) -> str:
    answer = client.get(f"/releases/{release.pk}/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


# --- what the judge found ---------------------------------------------------------------------------------------------


def test_before_the_first_batch_the_page_says_so(client: Client, canary: Release) -> None:  # noqa: F811
    assert "The first batch is not closed yet" in page(client, canary)


def test_a_page_says_what_was_found_how_sure_it_is_and_what_is_missing(
    client: Client,
    canary: Release,  # noqa: F811
    gateway: FakeGateway,
) -> None:
    Counter(canary).run(began(canary), 60, 0.1)
    gateway.adopt()
    judging.advance(canary)
    shown = page(client, canary)
    for words in (
        "Not enough evidence: a person decides",
        "20 rolls it back",
        "Requests judged",
        "there was no history",
    ):
        assert words in shown
    assert "Slower by up to 1.00" in shown.replace("\xa0", " ")
    assert 'id="chart-evidence"' in shown


def test_a_page_says_once_why_it_was_taken_back(
    client: Client,
    canary: Release,  # noqa: F811
    gateway: FakeGateway,
) -> None:
    Counter(canary).run(began(canary), 60, 0.1, faulty=0.3)
    look(canary, gateway)
    shown = page(client, canary)
    assert "A fault is proven" in shown
    assert "Taken back by itself" in shown
    standing = client.get(f"/releases/{canary.pk}/?part=standing").content.decode()
    assert standing.count("of 20 needed: rolled back") == 1


def test_a_release_without_a_judge_shows_none(client: Client, packages: list[Package], environments: dict) -> None:
    assert "The judge" not in page(client, put_live(packages[0], environments["dev"]))


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_a_canary_is_paused_goes_on_and_takes_another_weight(client: Client, canary: Release) -> None:  # noqa: F811
    assert f'action="/releases/{canary.pk}/pause/"' in page(client, canary)
    client.post(f"/releases/{canary.pk}/pause/")
    assert "Let it go on" in page(client, canary)
    client.post(f"/releases/{canary.pk}/resume/")
    answer = client.post(f"/releases/{canary.pk}/weight/", {"weight": "12.5"}, follow=True)
    assert "The candidate gets 12.5 % now." in answer.content.decode()
    canary.refresh_from_db()
    assert (canary.weight, canary.paused_at) == (12.5, None)


@pytest.mark.parametrize("weight", ["", "much", "0", "100", "nan", "-3", "1e999"])
def test_a_weight_that_is_none_is_refused_and_changes_nothing(
    client: Client,
    canary: Release,  # noqa: F811
    weight: str,
) -> None:
    answer = client.post(f"/releases/{canary.pk}/weight/", {"weight": weight})
    assert answer.status_code == 400
    canary.refresh_from_db()
    assert canary.weight == 10.0


def test_promoting_without_the_judge_asks_why(client: Client, canary: Release) -> None:  # noqa: F811
    address = f"/releases/{canary.pk}/promote/"
    assert "whatever the judge has found so far" in client.get(address).content.decode()
    assert client.post(address, {"reason": ""}).status_code == 400
    client.post(address, {"reason": "It is known to be good."})
    canary.refresh_from_db()
    assert (canary.weight, canary.stable_weight) == (100.0, 0.0)
    assert client.post(address, {"reason": "again"}).status_code == 409


def test_who_may_not_deploy_sees_no_buttons_and_is_refused(signed_in: SignedIn, canary: Release) -> None:  # noqa: F811
    client = signed_in("viewer")
    assert "Promote now" not in page(client, canary)
    for verb in ("pause", "resume", "weight", "promote"):
        assert client.post(f"/releases/{canary.pk}/{verb}/", {"weight": "5", "reason": "x"}).status_code == 403
    canary.refresh_from_db()
    assert (canary.weight, canary.paused_at) == (10.0, None)


def test_what_has_ended_is_told_as_a_conflict(client: Client, canary: Release) -> None:  # noqa: F811
    Release.objects.filter(pk=canary.pk).update(state="aborted")
    for verb in ("pause", "resume", "weight"):
        answer = client.post(f"/releases/{canary.pk}/{verb}/", {"weight": "5"})
        assert answer.status_code == 409
        assert "is aborted" in answer.content.decode()


# --- before the start -------------------------------------------------------------------------------------------------


def plan(client: Client, **query: str) -> str:
    answer = client.get("/models/flight-eta/plan/", {"environment": "dev", **query})
    assert answer.status_code == 200
    return " ".join(answer.content.decode().replace("\xa0", " ").split())


def calls(starts: int, errors: int) -> None:
    values = {"environment": "dev", "model": "flight-eta", "package": "sha256:1", "arm": "stable", "mode": "rest"}
    numbers = {"starts": starts, "completions": starts, "errors": {"model": errors} if errors else {}}
    at = timezone.now() - timedelta(hours=1)
    Count.objects.create(seconds=Count.MINUTE, at=at, protocol="v1", **values, **numbers)


def test_a_plan_without_traffic_warns(client: Client, packages: list[Package]) -> None:
    assert "No traffic in the last day" in plan(client)


def test_a_plan_says_what_it_finds_and_warns_when_that_is_little(client: Client, packages: list[Package]) -> None:
    calls(180_000, 900)
    sharp = plan(client, steps="5:60")
    assert "In 1 h it finds an error rate of" in sharp
    assert "from 0.5 % to 1 % is found within about" in sharp
    assert "That is blunt" not in sharp
    assert "That is blunt" in plan(client, steps="1:1")


def test_errors_that_were_never_seen_are_assumed_and_it_says_so(client: Client, packages: list[Package]) -> None:
    calls(180_000, 0)
    assert "(none was seen, so this is assumed)" in plan(client)


@pytest.mark.parametrize("steps", ["much", "5", "5:10, 1:10", "200:10", "<script>"])
def test_steps_that_cannot_be_read_are_told_in_the_plan(client: Client, packages: list[Package], steps: str) -> None:
    shown = plan(client, steps=steps)
    assert "field-error" in shown
    assert "<script>" not in shown


def test_a_canary_is_started_with_the_steps_that_were_written(
    client: Client, packages: list[Package], environments: dict
) -> None:
    put_live(packages[0], environments["dev"])
    fields = {"package": 2, "environment": "dev", "strategy": "canary"}
    shown = client.get("/models/flight-eta/promote/", fields).content.decode()
    assert 'value="1:5, 5:10, 25:15, 50:30"' in shown
    wrong = client.post("/models/flight-eta/promote/", fields | {"steps": "5:10, 1:10"})
    assert wrong.status_code == 400
    assert "higher than the one before" in wrong.content.decode()
    assert client.post("/models/flight-eta/promote/", fields | {"steps": "2:10, 20:30"}).status_code == 302
    assert Release.objects.order_by("-id")[0].plan == {"steps": [[2.0, 600.0], [20.0, 1800.0]]}


def test_where_nothing_is_live_a_canary_cannot_be_chosen(client: Client, packages: list[Package]) -> None:
    shown = client.get("/models/flight-eta/promote/", {"package": 1, "environment": "dev"}).content.decode()
    assert "Nothing is live here that it could be compared with." in shown


# --- the chart --------------------------------------------------------------------------------------------------------


def test_evidence_is_drawn_on_a_logarithmic_scale_with_the_line_that_decides() -> None:
    points = [(0.0, 0.0, {"errors": 0.0, "latency": 1.0}), (10.0, 34.0, {"errors": 30.0, "latency": 4.0})]
    figure = evidence.figure(points, 20.0, UTC, [(5.0, "5 %")])
    names = [line["name"] for line in figure["data"]]
    assert names == ["Evidence", "Errors", "Latency", "Rolled back from here"]
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert figure["data"][0]["y"] == [evidence.FLOOR, 34.0]
    assert figure["data"][-1]["y"] == [20.0, 20.0]
    assert figure["events"][0]["label"] == "5 %"


def test_overwhelming_evidence_stays_on_the_page() -> None:
    figure = evidence.figure([(0.0, 1e299, {})], 20.0, UTC)
    assert figure["data"][0]["y"] == [evidence.CEILING]
    columns, rows = evidence.table([(0.0, 1e299, {"errors": 2.0})], UTC)
    assert columns == ["Batch of", "Evidence", "Errors"]
    assert rows == [["1970-01-01 00:00:00", "over a million", "2"]]


def test_no_evidence_is_no_chart() -> None:
    assert evidence.figure([], 20.0, UTC)["data"][0]["y"] == []


def test_its_steps_are_changed_on_its_page(client: Client, canary: Release) -> None:  # noqa: F811
    assert 'value="10:1, 50:1"' in page(client, canary)
    assert client.post(f"/releases/{canary.pk}/steps/", {"steps": "10:2, 40:30"}).status_code == 302
    canary.refresh_from_db()
    assert canary.plan["steps"] == [[10.0, 120.0], [40.0, 1800.0]]
    assert client.post(f"/releases/{canary.pk}/steps/", {"steps": "a few"}).status_code == 400


SETTINGS = {"alpha": 5, "tolerance": 1, "odds_effect": 1.25, "slower_effect": 1.05, "least_requests": 400}
SETTINGS |= {"error_ceiling": 1, "drift": "off"}


def test_what_other_settings_would_have_found_is_asked_on_a_page(
    client: Client,
    canary: Release,  # noqa: F811
    gateway: FakeGateway,
) -> None:
    Counter(canary).run(began(canary), 60, 0.1, faulty=0.05)
    look(canary, gateway)
    address = f"/releases/{canary.pk}/what-if/"
    assert address in page(client, canary)
    shown = client.get(address).content.decode()
    assert "A fault is proven" in shown
    assert "By these settings" not in shown
    assert client.get(address, SETTINGS).content.decode().count("A fault is proven") == 2
    careful = client.get(address, SETTINGS | {"alpha": 0.0001}).content.decode()
    assert careful.count("A fault is proven") == 1
    assert "Nothing is proven yet" in careful
    assert client.get(address, SETTINGS | {"alpha": 0}).status_code == 400
    assert client.get("/releases/999999/what-if/").status_code == 404


def test_a_canary_keeps_what_it_promised_by_the_traffic_of_the_day(packages: list[Package], environments: dict) -> None:
    now = timezone.now()
    put_live(packages[0], environments["dev"])
    named = {"seconds": 60, "environment": "dev", "model": "flight-eta", "package": packages[0].digest, "mode": "rest"}
    for minute in range(1, 30):
        at = now - timedelta(minutes=minute)
        Count.objects.create(at=at, arm="stable", protocol="v1", starts=600, completions=600, **named)
    given = {"package": packages[1], "environment": environments["dev"], "strategy": "canary", "steps": [(10, 600)]}
    made = releases.promote(actor=None, **given)
    assert "0.1 % to 0.3 %" in made.plan["promise"]["words"]


def test_what_was_promised_stands_beside_what_came_true(
    client: Client,
    canary: Release,  # noqa: F811
    gateway: FakeGateway,
) -> None:
    plan = canary.plan | {"promise": {"words": "It is found within about 2 h in 95 of 100 cases.", "seconds": 7200}}
    Release.objects.filter(pk=canary.pk).update(plan=plan)
    Counter(canary).run(began(canary), 60, 0.1, faulty=0.3)
    gateway.adopt()
    judging.advance(canary)
    shown = page(client, canary).replace("\xa0", " ")
    assert "It is found within about 2 h" in shown
    assert "on its way for" in shown
    canary.refresh_from_db()
    look(canary, gateway)
    assert "after its first share" in page(client, canary)
