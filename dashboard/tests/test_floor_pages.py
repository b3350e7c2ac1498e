"""The pages of the test floor: suites, runs, what a model must show, gates, overrides; by role and with wrong input."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.tests.test_promotions import text
from releases.actions import gates as gate_verbs
from releases.actions import releases as verbs
from releases.actions.gates import Asked
from releases.gates import check
from releases.models import Environment, Override, Package, Release, Rule
from releases.queries.wanted import settings_for
from releases.tests.scenes import put_live
from testing import actions, runner
from testing.models import Run
from testing.suites.base import Figure, Found, Report
from testing.tests.test_pure import Sink

Environments = dict[str, Environment]
Person = Callable[[str], User]
MEASURED = {
    "arms": [
        {
            "name": "package 1",
            "latency": {"400": 90, "420": 10},
            "line": [{"at": 0, "asked": 40, "failed": 1, "p50": 3.0, "p99": 4.0}],
        }
    ],
    "limits": {"p50": 250.0, "p99": 1000.0},
}
STEPS = {
    "steps": [{"rate": 20.0, "broke": "", "throughput": 20.0, "p50": 1.0, "p99": 2.0, "failed": 0.0}],
    "limit": 500.0,
}


@pytest.fixture
def client(signed_in: Callable[[str], Client]) -> Client:
    return signed_in("release manager")


@pytest.fixture
def live(packages: list[Package], environments: Environments) -> Package:
    put_live(packages[0], environments["staging"])
    return packages[0]


@pytest.fixture
def load(live: Package, environments: Environments) -> Run:
    """A load test that has ended."""
    run = actions.start(actor=None, package=live, environment=environments["staging"], kind="load", cause="release 7")
    report = Report(
        Sink(), figures=[Figure("p99", 4.0, "ms", 1000.0), Figure("errors", 2.5, "%", 0.1)], charts=MEASURED
    )
    found = runner.claim(run.pk)
    assert found
    runner.Keeper(found, runner.Life(found.pk, 1, 1e12)).ended(
        Found("p99 is within its limit", "failed", 0.1, "too <slow>")
    )
    runner.end(found, "failed", "p99 is within its limit: too <slow>", report)
    run.refresh_from_db()
    return run


@pytest.fixture
def waiting(live: Package, environments: Environments, person: Person) -> Release:
    place = environments["production"]
    wants = [Asked("load", "staging"), Asked("uat", "staging")]
    gate_verbs.set_rule(actor=person("admin"), environment=place, model=live.model, wants=wants)
    return verbs.promote(actor=None, package=live, environment=place)


def test_the_list_shows_what_is_open_and_what_was_and_filters_it(client: Client, load: Run) -> None:
    page = text(client.get("/suites/"))
    assert "No suite runs at the moment." in page
    assert f"/runs/{load.pk}/" in page
    assert "release 7" in page
    assert "No run fits these filters" in text(client.get("/suites/?state=open"))
    assert client.get("/suites/?kind=magic").status_code == 400
    assert "<html" not in text(client.get("/suites/?part=open"))


def test_a_run_shows_its_figures_cases_and_charts_and_escapes_what_was_said(client: Client, load: Run) -> None:
    page = text(client.get(f"/runs/{load.pk}/"))
    for words in ("limit 1.00", "too &lt;slow&gt;", "chart-percentiles", "chart-over-time", "chart-rate", "JUnit XML"):
        assert words in page
    assert client.get(f"/runs/{load.pk}/?part=now").status_code == 286


def test_the_knee_is_drawn(client: Client, load: Run) -> None:
    Run.objects.filter(pk=load.pk).update(charts=STEPS)
    page = text(client.get(f"/runs/{load.pk}/"))
    assert "chart-knee" in page
    assert "Good answers by rate" in page


def test_an_open_run_goes_on_asking(client: Client, live: Package, environments: Environments) -> None:
    run = actions.start(actor=None, package=live, environment=environments["staging"], kind="smoke")
    page = client.get(f"/runs/{run.pk}/?part=now")
    assert (page.status_code, "Waits for a worker" in text(page)) == (200, True)


def test_a_suite_is_started_cancelled_and_run_again(
    client: Client, signed_in: Callable[[str], Client], live: Package
) -> None:
    where = {"package": "1", "environment": "staging", "kind": "smoke"}
    assert "Start it" in text(client.get("/models/flight-eta/suites/start/", where))
    answer = client.post("/models/flight-eta/suites/start/", where)
    assert answer.status_code == 302
    assert client.post("/models/flight-eta/suites/start/", where).status_code == 409
    path = answer["Location"]
    assert client.post(f"{path}cancel/").status_code == 302
    assert client.post(f"{path}cancel/").status_code == 409
    assert client.post(f"{path}again/").status_code == 302
    assert signed_in("viewer").post(f"{path}again/").status_code == 403
    assert client.get("/models/flight-eta/suites/start/", where | {"kind": "magic"}).status_code == 404


def test_the_risk_and_the_settings_are_an_admins(
    client: Client, signed_in: Callable[[str], Client], live: Package
) -> None:
    admin = signed_in("admin")
    assert "Set the risk" in text(admin.get("/models/flight-eta/tests/"))
    assert "Set the risk" not in text(signed_in("developer").get("/models/flight-eta/tests/"))
    assert signed_in("developer").post("/models/flight-eta/tests/risk/", {"risk": "low"}).status_code == 403
    admin = signed_in("admin")
    assert admin.post("/models/flight-eta/tests/risk/", {"risk": "high"}).status_code == 302
    assert admin.post("/models/flight-eta/tests/risk/", {"risk": "none"}).status_code == 400
    path = "/models/flight-eta/tests/load/"
    assert admin.get(path).status_code == 200
    assert admin.post(path, {"load-rate": "50", "load-seconds": "20"}).status_code == 302
    assert settings_for(live.model, "load")[0] == {"rate": 50.0}
    wrong = admin.post(path, {"load-rate": "-1"})
    assert (wrong.status_code, "greater than or equal to 0" in text(wrong, 400)) == (400, True)
    assert admin.get("/models/flight-eta/tests/magic/").status_code == 404


def test_figures_are_drawn_over_packages(client: Client, load: Run) -> None:
    page = text(client.get("/models/flight-eta/tests/?kind=load&environment=staging"))
    assert "chart-history-p99" in page
    assert "Load in staging" in page


def test_gates_are_read_by_everybody_and_written_by_an_admin(signed_in: Callable[[str], Client], live: Package) -> None:
    assert "Medium risk" in text(signed_in("viewer").get("/environments/production/gates/"))
    edit = "/environments/production/gates/edit/?model=flight-eta"
    assert signed_in("release manager").get(edit).status_code == 403
    admin = signed_in("admin")
    assert admin.get(edit).status_code == 200
    fields = {"load-where": "staging", "load-days": "7", "uat-where": "staging", "least_hours": "2"}
    assert admin.post(edit, fields).status_code == 302
    rule = Rule.objects.get(model=live.model)
    assert [(want.kind, want.where.name, want.most_days) for want in rule.wants.all()] == [
        ("load", "staging", 7),
        ("uat", "staging", None),
    ]
    assert "not older than 7 days" in text(admin.get("/environments/production/gates/"))
    assert admin.post(edit, fields | {"load-days": "0"}).status_code == 400
    assert admin.post(edit, fields | {"load-where": "nowhere"}).status_code == 400
    assert admin.post("/environments/production/gates/drop/", {"model": "flight-eta"}).status_code == 302
    assert admin.post("/environments/production/gates/drop/", {"model": "flight-eta"}).status_code == 409


def test_a_waiting_release_lists_what_it_waits_for_with_what_mends_it(client: Client, waiting: Release) -> None:
    page = text(client.get(f"/releases/{waiting.pk}/"))
    assert "Load has not run in staging yet." in page
    assert "/models/flight-eta/suites/start/?package=1&amp;kind=load&amp;environment=staging" in page
    assert "/models/flight-eta/uat/start/?package=1" in page
    assert "Start it now" in page
    assert "Sign it off" in page


def test_an_override_takes_two_people_and_stands_for_ever(signed_in: Callable[[str], Client], waiting: Release) -> None:
    path = f"/releases/{waiting.pk}/override/"
    assert signed_in("release manager").get(path).status_code == 403
    admin = signed_in("admin")
    assert "UAT has not been signed" in text(admin.get(path))
    assert "Say why" in text(admin.post(path, {"reason": ""}), 400)
    assert admin.post(path, {"reason": "The fair opens today."}).status_code == 302
    assert admin.post(path, {"reason": "again"}).status_code == 409
    assert admin.post(f"/releases/{waiting.pk}/consent/").status_code == 409
    manager = signed_in("release manager")
    assert "Consent" in text(manager.get(f"/releases/{waiting.pk}/"))
    assert manager.post(f"/releases/{waiting.pk}/consent/").status_code == 302
    assert Override.objects.get().consented_by
    Release.objects.filter(pk=waiting.pk).update(state="live")
    assert "The fair opens today." in text(manager.get(f"/releases/{waiting.pk}/"))


def test_the_promote_page_says_what_is_waited_for(signed_in: Callable[[str], Client], waiting: Release) -> None:
    Release.objects.filter(pk=waiting.pk).update(state="aborted")
    page = text(signed_in("release manager").get("/models/flight-eta/promote/?package=1&environment=production"))
    assert "It will wait" in page
    assert "Load has not run in staging yet." in page
    assert 'name="strategy"' in page


def test_it_is_sent_all_the_way_from_the_promote_page(
    signed_in: Callable[[str], Client], packages: list[Package]
) -> None:
    manager = signed_in("release manager")
    fields = {"package": "2", "environment": "production", "through": "1"}
    answer = manager.post("/models/flight-eta/promote/", fields)
    assert answer.status_code == 302
    places = list(
        Release.objects.filter(package=packages[1]).order_by("id").values_list("environment__name", flat=True)
    )
    assert places == ["dev", "test", "staging", "production"]
    assert manager.post("/models/flight-eta/promote/", fields).status_code == 409


def test_badges_say_what_a_package_has_shown(client: Client, load: Run) -> None:
    page = text(client.get("/models/flight-eta/packages/1/"))
    assert 'title="Load: failed"' in page
    assert 'title="UAT: not run"' in page
    assert "Load" in text(client.get("/"))


def test_what_failed_can_be_released_all_the_same_by_two_people(
    signed_in: Callable[[str], Client], load: Run, person: Person, environments: Environments
) -> None:
    place = environments["production"]
    wants = [Asked("load", "staging")]
    gate_verbs.set_rule(actor=person("admin"), environment=place, model=load.package.model, wants=wants)
    path, fields = "/models/flight-eta/promote/", {"package": "1", "environment": "production"}
    manager = signed_in("release manager")
    assert "Ask for an override" not in text(manager.get(path, fields))
    assert manager.post(path, fields | {"override": "Now."}).status_code == 403
    admin = signed_in("admin")
    assert "Ask for an override" in text(admin.get(path, fields))
    assert "Say why" in text(admin.post(path, fields | {"override": " "}), 400)
    answer = admin.post(path, fields | {"override": "The fair opens today."})
    assert answer.status_code == 302
    release = Release.objects.get(environment=place)
    assert (release.state, release.override.reason, release.override.gates) == (
        "waiting",
        "The fair opens today.",
        ["load in staging"],
    )
    assert manager.post(f"/releases/{release.pk}/consent/").status_code == 302
    assert [gate.verdict for gate in check(load.package, place, release) if gate.kind] == ["overridden"]


def test_what_is_being_run_is_said_so_and_not_offered_to_be_started(
    client: Client, waiting: Release, live: Package, environments: Environments
) -> None:
    run = actions.start(actor=None, package=live, environment=environments["staging"], kind="load")
    page = text(client.get(f"/releases/{waiting.pk}/"))
    assert "Load in staging is queued." in page
    assert f'href="/runs/{run.pk}/">Watch it' in page
    assert "Start it now" not in page


def test_the_button_of_a_promote_that_will_wait_says_so(client: Client, waiting: Release) -> None:
    Release.objects.filter(pk=waiting.pk).update(state="aborted")
    page = text(client.get("/models/flight-eta/promote/?package=1&environment=production"))
    assert "Release package 1 to production as soon as all is met" in page
