from __future__ import annotations

import time
from dataclasses import replace

import pytest
from django.utils import timezone

from releases.actions import environments as actions
from releases.models import Environment, Route
from releases.queries import parity
from serving.exchange import EnvironmentState, Heartbeat

pytestmark = pytest.mark.django_db


def beat(name: str, *environments: str, **versions: str) -> Heartbeat:
    states = {each: EnvironmentState(1) for each in environments}
    return Heartbeat(name, "boot", 1, time.time(), states, 0, versions, "127.0.0.1:1")


def differing(left: Environment, right: Environment, beats) -> dict[str, tuple[str, str]]:
    return {line.name: (line.left, line.right) for line in parity.compare(left, right, beats) if not line.same}


def test_equal_environments_differ_in_nothing(environments):
    assert differing(environments["staging"], environments["production"], []) == {}


def test_each_setting_that_differs_is_named_in_words(environments):
    staging = actions.change(
        actor=None,
        environment=environments["staging"],
        keyless=True,
        default_strategy="recreate",
        watch_seconds=60,
        requests_per_second=1500,
        needs_previous=False,
        developers_deploy=True,
    )
    assert differing(staging, environments["production"], []) == {
        "Strategy": ("Recreate", "Blue/green"),
        "Watched after the switch": ("60 s", "not watched"),
        "Live one environment before": ("not required", "required"),
        "Developers may release": ("allowed", "refused"),
        "Calls without a key": ("allowed", "refused"),
        "Requests per second": ("1,500", "no limit"),
    }


def test_gateways_and_library_versions_are_compared_from_their_heartbeats(environments):
    beats = [
        beat("production", "production", onnxruntime="1.32.0", numpy="2.4.6"),
        beat("others", "dev", "test", "staging", onnxruntime="1.31.0", numpy="2.4.6"),
        beat("second", "staging", onnxruntime="1.32.0", numpy="2.4.6"),
    ]
    found = differing(environments["staging"], environments["production"], beats)
    assert found == {
        "Processes": ("2", "1"),
        "Shares its process with": ("dev, test", "nobody"),
        "onnxruntime": ("1.31.0 and 1.32.0", "1.32.0"),
    }


def test_a_lower_priority_and_fewer_cores_are_said(environments):
    low = replace(beat("others", "staging"), priority=10, cores=2)
    normal = replace(beat("production", "production"), cores=8)
    found = differing(environments["staging"], environments["production"], [low, normal])
    assert found == {"Priority": ("lower (10)", "normal"), "Cores of the machine": ("2", "8")}


def test_live_packages_are_compared_also_those_that_only_one_side_has(environments, model, packages):
    for name, package in (("staging", packages[1]), ("production", packages[0])):
        Route.objects.create(model=model, environment=environments[name], stable=package, changed_at=timezone.now())
    found = differing(environments["staging"], environments["production"], [])
    assert found == {"flight-eta": ("package 2", "package 1")}
    assert differing(environments["staging"], environments["dev"], [])["flight-eta"] == ("package 2", "none")


def test_every_line_says_why_it_matters(environments):
    lines = parity.compare(environments["staging"], environments["dev"], [beat("a", "staging", numpy="2")])
    assert all(line.why.endswith(".") for line in lines)


def test_the_page_compares_with_the_last_environment_unless_told_otherwise(signed_in, environments, redis):
    client = signed_in("viewer")
    page = client.get("/environments/staging/parity/").content.decode()
    assert "staging against production" in page
    assert "equal on both sides" in page
    other = client.get("/environments/staging/parity/?with=dev").content.decode()
    assert "staging against dev" in other
    assert "Calls without a key" in other
    assert "A client without a key works here and fails there." in other


@pytest.mark.parametrize("name", ["nowhere", "staging", "<script>"])
def test_comparing_with_nothing_or_with_itself_is_404(signed_in, environments, redis, name):
    assert signed_in("viewer").get("/environments/staging/parity/", {"with": name}).status_code == 404


def test_the_only_environment_has_nothing_to_compare_with(signed_in, environments, redis):
    for name in ("dev", "test", "production"):
        actions.delete(actor=None, environment=environments[name])
    page = signed_in("viewer").get("/environments/staging/parity/").content.decode()
    assert "There is nothing to compare with" in page


def test_with_redis_away_the_rest_is_compared_and_the_page_says_what_is_missing(signed_in, environments, settings):
    settings.REDIS_URL = "unix:///nowhere/valkey.sock?db=0"
    page = signed_in("viewer").get("/environments/staging/parity/?with=dev").content.decode()
    assert "gateways and library versions cannot be compared now" in page


def test_the_number_of_queries_does_not_grow_with_the_models(
    signed_in, environments, redis, django_assert_max_num_queries
):
    client = signed_in("viewer")
    with django_assert_max_num_queries(9):
        client.get("/environments/staging/parity/")
