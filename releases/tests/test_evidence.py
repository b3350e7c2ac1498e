"""What is read out of the evidence: badges, failed smoke tests, a signature for another plan; what reading costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User

from releases import gates, smoke
from releases.actions import evidence
from releases.actions import gates as verbs
from releases.actions.gates import Asked
from releases.models import Environment, MLModel, Package
from releases.queries import badges
from releases.tests.conftest import make_package
from releases.tests.scenes import put_live

Environments = dict[str, Environment]


def test_looking_for_failed_smoke_tests_costs_the_same_however_much_is_live(
    packages: list[Package], environments: Environments, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        model = MLModel.objects.create(name=f"model-{number}")
        put_live(make_package(model, 1), environments["production"])
    with django_assert_max_num_queries(2):
        smoke.undo_failed()


def test_a_badge_is_the_worst_of_the_newest_results(packages: list[Package], environments: Environments) -> None:
    digest = packages[0].digest
    shown = [("test", "fail"), ("test", "pass"), ("staging", "pass"), ("staging", "hold"), ("production", "pass")]
    for where, verdict in shown:
        evidence.record(digest, "smoke", verdict, reference="run 1", environment=environments[where])
    evidence.record(digest, "unit", "pass", reference="run 2", environment=environments["test"])
    assert badges.of([digest, "sha256:none"]) == {digest: {"smoke": "hold", "unit": "pass"}, "sha256:none": {}}


def test_a_signature_for_another_plan_is_said_so(
    packages: list[Package], environments: Environments, person: Callable[[str], User]
) -> None:
    place, model = environments["production"], packages[0].model
    verbs.set_rule(actor=person("admin"), environment=place, model=model, wants=[Asked("uat", "staging")])
    where = environments["staging"]
    evidence.record(packages[0].digest, "uat", "pass", reference="sheet 1", environment=where, settings_digest="old")
    gate = next(gate for gate in gates.check(packages[0], place) if gate.kind)
    assert (gate.verdict, gate.words) == (
        "hold",
        "UAT was signed in staging for another plan than today's, so that counts no more.",
    )
