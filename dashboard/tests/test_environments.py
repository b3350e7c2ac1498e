from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.timezone import localtime

from releases.actions import environments as actions
from releases.actions import releases as releasing
from releases.models import ApiKey, AuditRow, Count, Environment, PublishedTable, Release
from releases.queries import environments as queries
from releases.reconciler import reconcile
from releases.tests.scenes import put_live
from serving import exchange

VALUES = {
    "description": "A place for demos",
    "default_strategy": "recreate",
    "watch_seconds": "60",
    "requests_per_second": "",
    "needs_previous": "on",
}


def text(answer) -> str:
    return answer.content.decode()


def go_live(package, environment, gateway, manager):
    """Take a package live with a gateway that adopts at once."""
    release = releasing.promote(actor=manager, package=package, environment=environment, strategy="blue_green")
    for _ in range(8):
        gateway.adopt()
        if reconcile(release.pk) is None:
            break
    release.refresh_from_db()
    assert release.state == "live"
    return release


@pytest.fixture
def admin(signed_in):
    return signed_in("admin")


@pytest.mark.django_db(transaction=True)
def test_the_page_says_what_is_live_and_who_serves_it(signed_in, packages, environments, gateway, manager):
    go_live(packages[0], environments["dev"], gateway, manager)
    gateway.adopt()
    page = text(signed_in("viewer").get("/environments/dev/"))
    assert "Package 1" in page
    assert "flight-eta" in page
    assert "127.0.0.1:1" in page
    row = text(signed_in("viewer").get("/environments/?part=rows"))
    generation = Environment.objects.get(name="dev").generation
    assert f"1 of 1 gateway on table {generation}" in row
    assert "1 model" in row


@pytest.mark.django_db
def test_the_page_says_who_was_turned_away(admin, packages, environments):
    assert "Nobody. Counted are" in text(admin.get("/environments/dev/"))
    Count.objects.create(
        seconds=60, at=timezone.now() - timedelta(hours=2), environment="dev", model="flight-eta", package="", arm="",
        mode="rest", protocol="v1", starts=0, completions=0, refused=1234, errors={"401 key": 1230, "503 off": 4},
    )  # fmt: skip
    page = text(admin.get("/environments/dev/"))
    assert "No key, or an unknown, expired or revoked one" in page
    assert "1,230" in page
    assert "The model is switched off" in page


@pytest.mark.django_db(transaction=True)
def test_what_was_live_at_a_moment_is_read_from_the_published_tables(
    signed_in, packages, environments, gateway, manager
):
    dev = environments["dev"]
    go_live(packages[0], dev, gateway, manager)
    hour_ago = timezone.now() - timedelta(hours=1)
    PublishedTable.objects.filter(environment=dev).update(at=hour_ago)
    go_live(packages[1], dev, gateway, manager)
    client = signed_in("viewer")
    then = localtime(hour_ago + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S")
    page = text(client.get(f"/environments/dev/?at={then}"))
    assert packages[0].digest in page
    held = queries.table_at(dev, hour_ago + timedelta(minutes=5))
    assert [target.package for target in queries.served(held) if target.weight] == [1]
    before = text(client.get("/environments/dev/?at=2001-01-01T00:00"))
    assert "There was no table yet at that moment." in before


@pytest.mark.django_db
@pytest.mark.parametrize("moment", ["yesterday", "2026-13-45T00:00", "<script>alert(1)</script>", "0"])
def test_a_moment_that_is_none_is_said_at_its_field(signed_in, environments, redis, moment):
    page = text(signed_in("viewer").get("/environments/dev/", {"at": moment}))
    assert "Write a time such as 2026-11-22 14:02." in page
    assert "<script>alert" not in page


@pytest.mark.django_db
def test_a_gateway_says_what_was_over_a_limit_and_when_it_knew_of_no_change(signed_in, environments, redis):
    now = time.time()
    states = {"dev": exchange.EnvironmentState(1)}
    told = {"throttled": {"dev": 1234}, "cut_off": (now - 300, now - 120)}
    exchange.put_heartbeat(redis, exchange.Heartbeat("all", "b", 1, now, states, int(now), {}, "127.0.0.1:1", **told))
    page = text(signed_in("viewer").get("/environments/dev/"))
    assert "1,234 requests over a limit" in page
    assert "without Redis from" in page


def test_the_list_stands_in_order_and_says_that_no_gateway_is_alive(signed_in, environments, redis):
    page = text(signed_in("viewer").get("/environments/"))
    places = [page.index(f'href="/environments/{name}/"') for name in ("dev", "test", "staging", "production")]
    assert places == sorted(places)
    assert "No gateway is alive" in page
    assert "it has been live in dev" in page


@pytest.mark.django_db
def test_with_redis_away_the_pages_still_come_and_say_so(signed_in, environments, settings):
    settings.REDIS_URL = "unix:///nowhere/valkey.sock?db=0"
    client = signed_in("viewer")
    assert "Unknown: Redis is away" in text(client.get("/environments/"))
    assert "Redis is away" in text(client.get("/environments/dev/"))
    assert client.get("/environments/dev/parity/").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["viewer", "developer", "QA", "release manager"])
def test_only_an_admin_may_make_change_order_or_delete(signed_in, environments, redis, role):
    client = signed_in(role)
    assert "New environment" not in text(client.get("/environments/"))
    for address in ("-/new", "dev/edit", "dev/delete"):
        assert client.get(f"/environments/{address}/").status_code == 403
        assert client.post(f"/environments/{address}/", VALUES).status_code == 403
    answer = client.post("/environments/dev/move/", {"steps": "1"})
    assert answer.status_code == 403
    assert "Ask somebody with one of these roles: admin." in text(answer)
    assert not AuditRow.objects.filter(action__startswith="environment.").exists()


@pytest.mark.django_db
def test_a_copy_takes_the_settings_and_its_place(admin, environments, redis):
    actions.change(actor=None, environment=environments["staging"], watch_seconds=321)
    page = text(admin.get("/environments/-/new/?copy_of=staging"))
    assert "as a copy of staging" in page
    assert 'value="321"' in page
    values = VALUES | {"name": "rehearsal", "before": "production", "copy_of": "staging", "watch_seconds": "321"}
    assert admin.post("/environments/-/new/?copy_of=staging", values).url == "/environments/rehearsal/"
    made = Environment.objects.get(name="rehearsal")
    assert (made.copied_from, made.watch_seconds) == ("staging", 321)
    names = list(Environment.objects.values_list("name", flat=True))
    assert names == ["dev", "test", "staging", "rehearsal", "production"]
    assert ApiKey.objects.filter(environment=made, internal=True).count() == 1


@pytest.mark.django_db
def test_a_copy_of_the_last_one_is_offered_before_it_and_brings_what_is_live(admin, environments, redis, packages):
    for name in ("staging", "production"):
        put_live(packages[0], environments[name])
    page = text(admin.get("/environments/-/new/?copy_of=production"))
    assert '<option value="production" selected>Before production</option>' in page
    assert "Release here what is live in production" in page
    values = VALUES | {"name": "perf", "before": "production", "copy_of": "production", "packages": "on"}
    page = text(admin.post("/environments/-/new/?copy_of=production", values, follow=True))
    assert "1 release brings what is live in production." in page
    assert Release.objects.get(environment__name="perf").package == packages[0]
    assert "Release here" not in text(admin.get("/environments/-/new/"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "api"}, "is part of Slipway"),
        ({"name": "../etc"}, "Use small letters"),
        ({"name": "Dev"}, "Use small letters"),
        ({"name": ""}, "This field is required."),
        ({"name": "dev"}, "already exists"),
        ({"name": "<script>alert(1)</script>"}, "Use small letters"),
        ({"default_strategy": "hope"}, "Select a valid choice"),
        ({"watch_seconds": "-1"}, "greater than or equal to 0"),
        ({"requests_per_second": "0"}, "greater than or equal to 1"),
        ({"before": "nowhere"}, "Select a valid choice"),
    ],
)
def test_wrong_input_is_said_at_its_field_and_makes_nothing(admin, environments, redis, change, words):
    answer = admin.post("/environments/-/new/", VALUES | {"name": "rehearsal"} | change)
    assert answer.status_code == 400
    assert words in text(answer)
    assert "<script>alert" not in text(answer)
    assert Environment.objects.count() == 4


@pytest.mark.django_db
def test_settings_are_changed_and_the_page_shows_them(admin, environments, redis):
    answer = admin.post("/environments/staging/edit/", VALUES | {"keyless": "on", "requests_per_second": "50"})
    assert answer.url == "/environments/staging/"
    staging = Environment.objects.get(name="staging")
    assert (staging.keyless, staging.requests_per_second, staging.default_strategy) == (True, 50, "recreate")
    page = text(admin.get("/environments/staging/"))
    assert "50 requests per second" in page
    assert "Recreate" in page


@pytest.mark.django_db
def test_a_description_is_never_markup(admin, environments, redis):
    admin.post("/environments/dev/edit/", VALUES | {"description": "<img src=x onerror=alert(1)>"})
    for address in ("/environments/", "/environments/dev/", "/environments/dev/edit/"):
        assert "<img src=x" not in text(admin.get(address))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "steps", "order"),
    [
        ("test", "-1", ["test", "dev", "staging", "production"]),
        ("test", "1", ["dev", "staging", "test", "production"]),
        ("dev", "-1", ["dev", "test", "staging", "production"]),
        ("production", "1", ["dev", "test", "staging", "production"]),
        ("dev", "odd", ["test", "dev", "staging", "production"]),
    ],
)
def test_moving_swaps_with_the_neighbour_and_stops_at_the_ends(admin, environments, redis, name, steps, order):
    assert admin.post(f"/environments/{name}/move/", {"steps": steps}).url == "/environments/"
    assert list(Environment.objects.values_list("name", flat=True)) == order


@pytest.mark.django_db
def test_an_environment_without_history_is_deleted_after_a_question(admin, environments, redis):
    actions.create(actor=None, name="spare")
    assert "Delete spare?" in text(admin.get("/environments/spare/delete/"))
    assert Environment.objects.filter(name="spare").exists()
    assert admin.post("/environments/spare/delete/").url == "/environments/"
    assert admin.get("/environments/spare/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_an_environment_with_history_stays_and_the_page_says_why(admin, packages, environments, gateway, manager):
    go_live(packages[0], environments["dev"], gateway, manager)
    assert "history is never deleted" in text(admin.get("/environments/dev/delete/"))
    answer = admin.post("/environments/dev/delete/")
    assert answer.status_code == 409
    assert "It cannot be deleted." in text(answer)


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["nowhere/", "nowhere/edit/", "nowhere/parity/", "%2e%2e/", "-/"])
def test_an_environment_that_is_not_there_is_404(admin, environments, redis, address):
    assert admin.get(f"/environments/{address}").status_code == 404


@pytest.mark.django_db
def test_no_page_asks_more_queries_with_more_environments(
    signed_in, environments, redis, django_assert_max_num_queries
):
    client = signed_in("viewer")
    for number in range(20):
        Environment.objects.create(name=f"e{number}", position=100 + number)
    with django_assert_max_num_queries(6):
        client.get("/environments/")
    with django_assert_max_num_queries(18):
        client.get("/environments/staging/")
