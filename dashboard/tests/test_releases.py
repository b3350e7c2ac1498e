"""The list of releases and one release: its steps, its words, what may be done, and its charts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis import Redis

from releases.actions import releases as verbs
from releases.actions import rollbacks
from releases.models import Environment, Package, Release
from releases.tests.scenes import put_live, put_moving
from serving.metrics import store
from serving.metrics.histogram import bucket
from serving.metrics.recorder import Pending
from serving.metrics.series import Series

SignedIn = Callable[[str], Client]
Environments = dict[str, Environment]


@pytest.fixture
def client(signed_in: SignedIn) -> Client:
    return signed_in("release manager")


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def test_an_empty_list_says_where_to_begin(client: Client) -> None:
    assert "No releases yet" in page(client, "/releases/")


def test_the_list_is_filtered(client: Client, packages: list[Package], environments: Environments) -> None:
    put_live(packages[0], environments["dev"], reason="the first")
    put_live(packages[1], environments["dev"], reason="the second")
    put_moving(packages[1], environments["test"], reason="the third")
    shown = {
        "": {"the first", "the second", "the third"},
        "?environment=test": {"the third"},
        "?state=live": {"the second"},
        "?state=retired": {"the first"},
        "?state=moving": {"the third"},
        "?model=flight-eta&strategy=blue_green&state=preparing": {"the third"},
        "?state=failed": set(),
    }
    for query, expected in shown.items():
        text = page(client, f"/releases/{query}")
        assert {words for words in ("the first", "the second", "the third") if words in text} == expected, query
    assert "No release fits these filters" in page(client, "/releases/?state=failed")


def test_an_unknown_filter_is_400_on_its_field(client: Client, packages: list[Package]) -> None:
    assert "Select a valid choice" in page(client, "/releases/?state=nonsense", 400)


def test_the_list_comes_in_pages_in_a_fixed_number_of_queries(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            page(client, "/releases/")
        return len(seen)

    put_live(packages[0], environments["dev"])
    queries()
    few = queries()
    for number in range(40):
        put_live(packages[number % 2], environments["dev"])
    assert queries() == few
    assert "Page 1 of 2" in page(client, "/releases/")


@pytest.mark.usefixtures("no_redis")
def test_a_release_under_way_shows_steps_note_and_what_may_be_done(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    release = put_moving(packages[1], environments["dev"], note="1 of 2 gateways have adopted the table.")
    text = page(client, release.get_absolute_url())
    for words in ("Load and warm", "Switch", "1 of 2 gateways have adopted the table.", "Package 1 → 2"):
        assert words in text
    assert "Redis is away, so nobody can say how many gateways have adopted the table." in text
    assert f"/releases/{release.pk}/abort/" in text
    assert 'aria-current="step"' in text


def test_the_timeline_tells_who_and_why(client: Client, packages: list[Package], environments: Environments) -> None:
    release = verbs.promote(actor=None, package=packages[0], environment=environments["dev"], reason="to try it")
    verbs.abort(actor=None, release=release, reason="the wrong one")
    text = page(client, f"{release.get_absolute_url()}?part=history")
    assert "Release of package 1 was asked for" in text
    assert "to try it" in text
    assert "Stopped" in text
    assert "the wrong one" in text
    standing = page(client, f"{release.get_absolute_url()}?part=standing")
    assert "stopped here" in standing
    assert "abort/" not in standing


def test_a_live_release_offers_the_next_environment_and_the_rollback(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    release = put_live(packages[0], environments["dev"])
    text = page(client, release.get_absolute_url())
    assert "Promote package 1 to test" in text
    assert "/models/flight-eta/dev/roll-back/" in text


def test_a_release_that_was_rolled_back_links_to_the_rollback(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    release = put_live(packages[1], environments["dev"])
    back = rollbacks.roll_back(
        actor=None, model=release.model, environment=environments["dev"], reason="it answers nonsense"
    )
    text = page(client, release.get_absolute_url())
    assert "This release was rolled back." in text
    assert "it answers nonsense" in text
    assert back.get_absolute_url() in text
    undoing = page(client, back.get_absolute_url())
    assert f"release {release.pk}</a>" in undoing
    assert "Return the traffic" in undoing
    assert "Back to package 1" in undoing


def test_recreate_shows_how_long_it_was_off(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[0], environments["dev"])
    now = timezone.now()
    release = put_live(
        packages[1], environments["dev"], strategy="recreate", off_at=now - timedelta(seconds=1.25), on_at=now
    )
    text = page(client, f"{release.get_absolute_url()}?part=charts")
    assert "1.25" in text
    assert "calls got 503" in text


def test_a_first_recreate_was_never_off(client: Client, packages: list[Package], environments: Environments) -> None:
    now = timezone.now()
    release = put_live(packages[0], environments["dev"], strategy="recreate", off_at=now, on_at=now)
    assert "calls got 503" not in page(client, release.get_absolute_url())


def test_a_scheduled_release_says_when_it_starts(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    release = put_moving(
        packages[0], environments["dev"], state="waiting", start_at=timezone.now() + timedelta(hours=2)
    )
    assert "It starts <time" in page(client, release.get_absolute_url())


def test_a_scheduled_release_is_not_called_slow_for_waiting(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    now = timezone.now()
    times = {"created_at": now - timedelta(hours=3), "start_at": now - timedelta(seconds=5), "ended_at": now}
    release = put_live(packages[0], environments["dev"], **times)
    assert "from its start time to its end" in page(client, release.get_absolute_url())


def test_a_viewer_may_look_and_not_touch(
    signed_in: SignedIn, packages: list[Package], environments: Environments
) -> None:
    release = put_moving(packages[0], environments["dev"])
    text = page(signed_in("viewer"), release.get_absolute_url())
    assert "abort/" not in text
    assert "roll-back" not in text


def test_an_old_release_draws_the_time_around_it_and_does_not_ask_again(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    then = timezone.now() - timedelta(days=9)
    release = put_live(packages[0], environments["dev"], created_at=then, ended_at=then)
    text = page(client, release.get_absolute_url())
    assert "No calls in this time." in text
    assert "?part=charts" not in text


def test_a_release_of_half_an_hour_ago_draws_its_own_time_with_its_events(
    client: Client, packages: list[Package], environments: Environments, redis: Redis
) -> None:
    then = timezone.now() - timedelta(minutes=30)
    release = put_live(packages[0], environments["dev"], created_at=then, ended_at=then)
    release.events.create(at=then, action="finish", new_state="live")
    second = int(then.timestamp()) - int(then.timestamp()) % 10
    series = Series("flight-eta", 1, "stable", packages[0].digest, "rest", "v1", starts=60, completions=60)
    store.write(redis, "boot", [Pending("dev", 10, second, 1, [series])])
    figure = figure_of(page(client, f"{release.get_absolute_url()}?part=charts"), "traffic")
    assert [event["label"] for event in figure["events"]] == ["live"]
    assert max(figure["data"][0]["y"]) == 2


def test_an_unknown_release_is_404(client: Client, db: None) -> None:
    assert client.get("/releases/12345/").status_code == 404


def test_the_charts_draw_what_the_gateways_counted(
    client: Client, packages: list[Package], environments: Environments, redis: Redis
) -> None:
    put_live(packages[0], environments["dev"])
    release = put_live(packages[1], environments["dev"])
    second = int(time.time()) - 20
    for package, calls, latency in ((packages[0], 30, 0.010), (packages[1], 10, 0.002)):
        counts = {"starts": calls, "completions": calls, "latency": {bucket(latency): calls}, "errors": {"model": 1}}
        series = Series("flight-eta", 1, "stable", package.digest, "rest", "v1", **counts)
        store.write(redis, f"boot-{package.number}", [Pending("dev", 1, second, 1, [series])])
    text = page(client, f"{release.get_absolute_url()}?part=charts")
    figure = figure_of(text, "traffic")
    by_name = {trace["name"]: trace for trace in figure["data"]}
    assert sum(by_name["Package 1"]["y"]) == pytest.approx(6)
    assert sum(by_name["Package 2"]["y"]) == pytest.approx(2)
    assert by_name["Package 1"]["line"]["color"] == "token:stable"
    assert by_name["Package 2"]["line"]["color"] == "token:candidate"
    lines = {trace["name"]: [y for y in trace["y"] if y is not None] for trace in figure_of(text, "latency")["data"]}
    assert lines["Package 2 p99"] == [pytest.approx(2, rel=0.02)]
    assert "Errors, package 2" in text
    assert "package 1: 3.33" in text


def figure_of(text: str, name: str) -> dict:
    found = re.search(rf'<script id="chart-{name}-figure" type="application/json">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found[1])


def test_every_state_of_the_machine_has_a_page(
    client: Client, packages: list[Package], environments: Environments
) -> None:
    for state in Release.State.values:
        release = put_live(packages[0], environments["staging"], state=state)
        assert page(client, release.get_absolute_url())
        release.events.all().delete()
        release.delete()
