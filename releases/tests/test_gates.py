"""Forty cases of gates, each with the answer that is expected; and what comes of an answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from releases import gates, reconciler, smoke
from releases.actions import evidence, releases
from releases.actions import gates as verbs
from releases.actions.gates import Asked
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, Environment, Evidence, MLModel, Package, Release, Route, Rule
from releases.queries.wanted import settings_for, wanted_checks
from releases.tests.conftest import make_package
from releases.tests.scenes import put_live
from releases.wants import settings_digest

PLAIN = settings_digest({})
OTHER = "of other settings"


@dataclass(frozen=True)
class Shown:
    """One result: kind, environment, verdict, how many days ago, with which settings, and of which bytes."""

    kind: str
    where: str
    verdict: str = "pass"
    days: float = 0.0
    settings: str = PLAIN
    digest: str = ""


UNIT, INTEGRATION, SMOKE = Shown("unit", "test"), Shown("integration", "test"), Shown("smoke", "staging")
IN_TEST, IN_STAGING = Asked("unit", "test"), Asked("smoke", "staging")
WEEK = Asked("smoke", "staging", 7)
# What is asked, what was shown (oldest first), and the verdict of each gate, `missing` where it would start by itself.
SUITES: dict[str, tuple[list[Asked], list[Shown], list[str]]] = {
    "nothing is asked": ([], [], []),
    "nothing is asked, something failed": ([], [Shown("smoke", "staging", "fail")], []),
    "it has not run": ([IN_STAGING], [], ["missing"]),
    "it passed": ([IN_STAGING], [SMOKE], ["pass"]),
    "it failed": ([IN_STAGING], [Shown("smoke", "staging", "fail")], ["fail"]),
    "it came to no verdict": ([IN_STAGING], [Shown("smoke", "staging", "hold")], ["hold"]),
    "it failed and then passed": ([IN_STAGING], [Shown("smoke", "staging", "fail"), SMOKE], ["pass"]),
    "it passed and then failed": ([IN_STAGING], [SMOKE, Shown("smoke", "staging", "fail")], ["fail"]),
    "it passed and then came to no verdict": ([IN_STAGING], [SMOKE, Shown("smoke", "staging", "hold")], ["hold"]),
    "another kind passed": ([IN_STAGING], [Shown("integration", "staging")], ["missing"]),
    "it passed in another environment": ([IN_STAGING], [Shown("smoke", "test")], ["missing"]),
    "it passed in production itself": ([IN_STAGING], [Shown("smoke", "production")], ["missing"]),
    "it failed in another environment": ([IN_STAGING], [SMOKE, Shown("smoke", "test", "fail")], ["pass"]),
    "another package passed": ([IN_STAGING], [Shown("smoke", "staging", digest="sha256:other")], ["missing"]),
    "another package failed": ([IN_STAGING], [SMOKE, Shown("smoke", "staging", "fail", digest="o")], ["pass"]),
    "it passed with other settings": ([IN_STAGING], [Shown("smoke", "staging", settings=OTHER)], ["missing"]),
    "it failed with other settings": ([IN_STAGING], [Shown("smoke", "staging", "fail", settings=OTHER)], ["missing"]),
    "with other settings, then with these": (
        [IN_STAGING],
        [Shown("smoke", "staging", settings=OTHER), SMOKE],
        ["pass"],
    ),
    "with these settings, then with others": (
        [IN_STAGING],
        [SMOKE, Shown("smoke", "staging", settings=OTHER)],
        ["missing"],
    ),
    "any age will do": ([IN_STAGING], [Shown("smoke", "staging", days=1000)], ["pass"]),
    "young enough": ([WEEK], [Shown("smoke", "staging", days=6.9)], ["pass"]),
    "too old": ([WEEK], [Shown("smoke", "staging", days=7.1)], ["missing"]),
    "an old failure stays one": ([WEEK], [Shown("smoke", "staging", "fail", days=8)], ["fail"]),
    "too old, then again": ([WEEK], [Shown("smoke", "staging", days=8), SMOKE], ["pass"]),
    "both are asked, one passed": ([IN_TEST, IN_STAGING], [UNIT], ["pass", "missing"]),
    "both are asked, one failed": (
        [IN_TEST, IN_STAGING],
        [UNIT, Shown("smoke", "staging", "fail")],
        ["pass", "fail"],
    ),
    "both are asked and passed": ([IN_TEST, IN_STAGING], [SMOKE, UNIT], ["pass", "pass"]),
    "the same kind in two environments": (
        [Asked("smoke", "test"), IN_STAGING],
        [SMOKE],
        ["missing", "pass"],
    ),
}


@pytest.fixture
def production(environments: dict[str, Environment]) -> Environment:
    return environments["production"]


@pytest.fixture
def package(packages: list[Package], environments: dict[str, Environment]) -> Package:
    """One that has been live in staging."""
    put_live(packages[0], environments["staging"])
    return packages[0]


def show(package: Package, shown: Shown) -> Evidence:
    made = evidence.record(
        shown.digest or package.digest,
        shown.kind,
        shown.verdict,
        reference="run 1",
        environment=Environment.objects.get(name=shown.where),
        settings_digest=shown.settings,
    )
    Evidence.objects.filter(pk=made.pk).update(at=timezone.now() - timedelta(days=shown.days))
    return made


def verdicts(package: Package, environment: Environment, release: Release | None = None) -> list[str]:
    """The verdicts of all but order and intake."""
    found = gates.check(package, environment, release)
    return ["missing" if gate.missing else gate.verdict for gate in found if gate.name not in ("order", "intake")]


def ask(environment: Environment, *wants: Asked, risk: str = "medium", **more: Any) -> Rule:
    return verbs.set_rule(actor=None, environment=environment, risk=risk, wants=wants, **more)


def step(release: Release) -> tuple[str, str]:
    """Take the release's next step: its action and why."""
    plan = reconciler.reconcile(release.pk)
    assert plan
    return plan.action, plan.reason


@pytest.mark.parametrize("case", SUITES)
def test_a_gate_says_what_was_shown(package: Package, production: Environment, case: str) -> None:
    wants, shown, expected = SUITES[case]
    ask(production, *wants)
    for one in shown:
        show(package, one)
    assert verdicts(package, production) == expected


# Hours asked, hours live in staging, retired how many hours ago, and the verdict.
AGES = {
    "long enough": (24, 25.0, None, "pass"),
    "not yet": (24, 23.0, None, "hold"),
    "long enough before it was replaced": (24, 40.0, 10.0, "pass"),
    "replaced too soon": (24, 30.0, 10.0, "hold"),
}


@pytest.mark.parametrize("case", AGES)
def test_a_gate_says_how_long_it_was_live(package: Package, production: Environment, case: str) -> None:
    hours, live, retired, verdict = AGES[case]
    now = timezone.now()
    gone = now - timedelta(hours=retired) if retired else None
    Release.objects.update(ended_at=now - timedelta(hours=live), retired_at=gone)
    ask(production, least_hours=hours)
    assert verdicts(package, production) == [verdict]


# The model's risk, who has a rule, and which of the rules' kinds is asked.
RULES = {
    "by risk": ("low", ["low", "high"], ["low"]),
    "of a risk without a rule": ("medium", ["low", "high"], []),
    "its own goes first": ("low", ["low", "model"], ["model"]),
    "another model's does not count": ("low", ["low", "other"], ["low"]),
}
KIND = {"low": "smoke", "high": "unit", "model": "integration", "other": "unit"}


@pytest.mark.parametrize("case", RULES)
def test_a_rule_is_found_by_risk_and_by_model(package: Package, production: Environment, case: str) -> None:
    risk, rules, expected = RULES[case]
    other = MLModel.objects.create(name="other")
    for name in rules:
        whose = {"model": package.model, "other": other}.get(name)
        ask(production, Asked(KIND[name], "staging"), risk="" if whose else name, model=whose)
    verbs.set_risk(actor=None, model=package.model, risk=risk)
    found = [gate.kind for gate in gates.check(package, production) if gate.kind]
    assert found == [KIND[name] for name in expected]


@pytest.fixture
def waiting(package: Package, production: Environment, manager: User) -> Release:
    """A release into production that waits for smoke in staging and for its age."""
    ask(production, IN_STAGING, least_hours=24)
    return releases.promote(actor=manager, package=package, environment=production)


# Who asks, who consents (role and a name's ending), what is raised, and the verdicts then.
OVERRIDES: dict[str, tuple[str, str, type[Exception] | None, list[str]]] = {
    "two people": ("admin", "release manager", None, ["overridden", "overridden"]),
    "the same one twice": ("admin", "admin", Conflict, ["hold", "missing"]),
    "a manager cannot ask": ("release manager", "admin", Forbidden, ["hold", "missing"]),
    "a developer cannot consent in production": ("admin", "developer", Forbidden, ["hold", "missing"]),
    "QA cannot consent": ("admin", "QA", Forbidden, ["hold", "missing"]),
    "nobody consents": ("admin", "", None, ["hold", "missing"]),
}


@pytest.mark.parametrize("case", OVERRIDES)
def test_an_override_takes_two(waiting: Release, person: Callable[[str], User], case: str) -> None:
    asks, consents, raised, expected = OVERRIDES[case]
    with pytest.raises(raised) if raised else nullcontext():
        verbs.ask_override(actor=person(asks), release=waiting, reason="the customer waits")
        if consents:
            verbs.consent(actor=person(consents), release=waiting)
    assert waiting.package
    assert verdicts(waiting.package, waiting.environment, waiting) == expected
    assert verdicts(waiting.package, waiting.environment) == ["hold", "missing"], "it is one release's alone"


def test_it_makes_forty_cases() -> None:
    assert len(SUITES) + len(AGES) + len(RULES) + len(OVERRIDES) >= 40


def test_a_release_waits_for_what_is_missing_and_goes_on_when_it_is_shown(waiting: Release, manager: User) -> None:
    Rule.objects.update(least_hours=0)
    assert step(waiting) == ("hold", "Waits: Smoke has not run in staging yet.")
    assert waiting.package
    show(waiting.package, SMOKE)
    assert step(waiting)[0] == "begin"


def test_a_result_wakes_the_releases_that_wait_for_it(
    waiting: Release, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    monkeypatch.setattr("releases.wake.enqueue", lambda task, pk: woken.append(pk))
    assert waiting.package
    with django_capture_on_commit_callbacks(execute=True):
        show(waiting.package, SMOKE)
    assert woken == [waiting.pk]


def test_a_failed_gate_refuses_and_names_its_page(package: Package, production: Environment, manager: User) -> None:
    ask(production, IN_STAGING)
    show(package, Shown("smoke", "staging", "fail"))
    with pytest.raises(Conflict) as refused:
        releases.promote(actor=manager, package=package, environment=production)
    assert "Smoke failed in staging" in refused.value.message
    assert refused.value.legal == ["/runs/1/"]


def test_changed_settings_make_a_result_void(package: Package, production: Environment) -> None:
    ask(production, IN_STAGING)
    show(package, SMOKE)
    assert verdicts(package, production) == ["pass"]
    verbs.set_suite(actor=None, model=package.model, kind="smoke", values={"limit_ms": 20})
    assert verdicts(package, production) == ["missing"]
    show(package, Shown("smoke", "staging", settings=settings_for(package.model, "smoke")[1]))
    assert verdicts(package, production) == ["pass"]


def test_an_override_stays_on_the_audit_trail(waiting: Release, person: Callable[[str], User]) -> None:
    verbs.ask_override(actor=person("admin"), release=waiting, reason="the customer waits")
    with pytest.raises(Conflict):
        verbs.ask_override(actor=person("admin"), release=waiting, reason="again")
    verbs.consent(actor=person("release manager"), release=waiting)
    with pytest.raises(Conflict):
        verbs.consent(actor=person("release manager"), release=waiting)
    rows = AuditRow.objects.filter(action__startswith="gates.").exclude(action="gates.change").order_by("id")
    assert [(row.action, row.actor_name) for row in rows] == [
        ("gates.override", "admin"),
        ("gates.consent", "release-manager"),
    ]
    assert step(waiting)[0] == "begin"


@pytest.mark.parametrize("role", ["release manager", "developer", "QA", "viewer"])
def test_only_an_admin_says_what_is_asked(production: Environment, person: Callable[[str], User], role: str) -> None:
    with pytest.raises(Forbidden):
        verbs.set_rule(actor=person(role), environment=production, risk="low", wants=[])


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("wants", {"wants": [Asked("magic", "test")]}),
        ("wants", {"wants": [Asked("smoke", "nowhere")]}),
        ("wants", {"wants": [IN_STAGING, WEEK]}),
        ("wants", {"wants": [Asked("smoke", "test", 0)]}),
        ("least_hours", {"wants": [], "least_hours": -1}),
        ("least_hours", {"wants": [], "least_hours": float("nan")}),
        ("risk", {"wants": [], "risk": "none"}),
        ("risk", {"wants": [], "risk": ""}),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(production: Environment, field: str, values: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        verbs.set_rule(actor=None, environment=production, **{"risk": "low"} | values)
    assert refused.value.field == field
    assert not Rule.objects.exists()


def test_a_seeded_installation_asks_by_risk(environments: dict[str, Environment], model: MLModel) -> None:
    verbs.seed()
    verbs.seed()
    asked = {}
    for risk in ("low", "medium", "high"):
        model.risk = risk
        rules = {name: gates.rule_for(model, place) for name, place in environments.items()}
        asked[risk] = {name: [str(want) for want in rule.wants.all()] for name, rule in rules.items() if rule}
    assert asked["low"] == {"production": ["smoke in staging"]}
    assert asked["medium"]["test"] == ["unit in test"]
    assert asked["medium"] == asked["high"]


def test_it_is_sent_all_the_way_and_each_release_waits_for_the_one_before(
    packages: list[Package], production: Environment, manager: User
) -> None:
    ask(production, IN_STAGING)
    last = releases.send(actor=manager, package=packages[0], environment=production)
    made = Release.objects.order_by("id")
    assert [release.environment.name for release in made] == ["dev", "test", "staging", "production"]
    assert last == made[3]
    assert verdicts(packages[0], production) == ["missing"]
    assert [gate.verdict for gate in gates.check(packages[0], production)][:1] == ["hold"]
    with pytest.raises(Conflict):
        releases.send(actor=manager, package=packages[1], environment=production)
    assert Release.objects.count() == 4, "all or none"


def test_who_may_release_in_test_may_not_send_to_production(
    packages: list[Package], production: Environment, person: Callable[[str], User]
) -> None:
    with pytest.raises(Forbidden):
        releases.send(actor=person("developer"), package=packages[0], environment=production)
    assert not Release.objects.exists()


def test_it_is_wanted_where_the_package_is_live(waiting: Release, environments: dict[str, Environment]) -> None:
    def wanted() -> list[tuple[str, str, int]]:
        return [(check.kind, check.environment.name, check.package.number) for check in wanted_checks()]

    assert wanted() == [("smoke", "staging", 1)]
    put_live(make_package(waiting.model, 9), environments["staging"])
    assert wanted() == [("smoke", "staging", 9)], "package 1 answers there no more"


def test_every_switch_wants_smoke_again(package: Package, environments: dict[str, Environment]) -> None:
    show(package, SMOKE)
    assert wanted_checks() == []
    put_live(package, environments["staging"], switched_at=timezone.now())
    assert [check.kind for check in wanted_checks()] == ["smoke"]


def test_a_registration_wants_unit_where_it_is_asked(package: Package, environments: dict[str, Environment]) -> None:
    show(package, SMOKE)
    ask(environments["test"], IN_TEST, risk="low")
    assert wanted_checks() == [], "not of this risk"
    ask(environments["test"], IN_TEST)
    newest = Package.objects.latest("number")
    assert [(check.kind, check.package) for check in wanted_checks()] == [("unit", newest)]
    show(newest, Shown("unit", "test", "fail"))
    assert wanted_checks() == []


@pytest.fixture
def switched(packages: list[Package], production: Environment) -> Release:
    """Package 2 went live in production, package 1 was there before."""
    put_live(packages[0], production)
    return put_live(packages[1], production, switched_at=timezone.now())


def test_a_failed_smoke_test_rolls_back(redis: object, switched: Release, production: Environment) -> None:
    smoke.undo_failed()
    assert Release.objects.count() == 2, "nothing is known yet"
    show(switched.package or Package(), Shown("smoke", "production", "fail"))
    smoke.undo_failed()
    smoke.undo_failed()
    back = Release.objects.get(is_rollback=True)
    assert (back.rolls_back, back.created_by, back.package and back.package.number) == (switched, None, 1)
    assert "Smoke failed" in back.reason
    assert Route.objects.get(environment=production).stable == back.package


def test_a_rollback_is_never_taken_back(redis: object, switched: Release) -> None:
    for package in (switched.package, switched.replaces):
        show(package or Package(), Shown("smoke", "production", "fail"))
        smoke.undo_failed()
    assert Release.objects.filter(is_rollback=True).count() == 1


@pytest.mark.parametrize("verdict", ["pass", "hold"])
def test_only_a_failure_rolls_back(redis: object, switched: Release, verdict: str) -> None:
    show(switched.package or Package(), Shown("smoke", "production", "fail"))
    show(switched.package or Package(), Shown("smoke", "production", verdict))
    smoke.undo_failed()
    assert not Release.objects.filter(is_rollback=True).exists()


def test_without_a_way_back_it_stays_and_says_so(redis: object, package: Package, production: Environment) -> None:
    only = put_live(package, production, switched_at=timezone.now())
    show(package, Shown("smoke", "production", "fail"))
    smoke.undo_failed()
    only.refresh_from_db()
    assert (only.state, only.retired_at) == ("live", None)
    assert "No package is left to return to" in only.note


def test_elsewhere_a_failure_is_only_told(
    redis: object, packages: list[Package], environments: dict[str, Environment]
) -> None:
    put_live(packages[0], environments["test"])
    put_live(packages[1], environments["test"], switched_at=timezone.now())
    show(packages[1], Shown("smoke", "test", "fail"))
    smoke.undo_failed()
    assert not Release.objects.filter(is_rollback=True).exists()
