"""Start, cancel, again: who may, what is refused, and what stands in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from releases.actions.gates import Asked, set_rule
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, Environment, Evidence, Package
from releases.queries.wanted import settings_for
from releases.tests.scenes import put_live, put_moving
from testing import actions, runner, tasks
from testing.models import Run
from testing.suites import SUITES, quiet

Environments = dict[str, Environment]


def start(package: Package, place: Environment, kind: str = "smoke", actor: User | None = None, **more: Any) -> Run:
    return actions.start(actor=actor, package=package, environment=place, kind=kind, **more)


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", False), ("developer", True), ("QA", True), ("release manager", True)]
)
def test_who_may_start_a_suite(
    role: str, may: bool, live: Package, environments: Environments, person: Callable[[str], User]
) -> None:
    if not may:
        with pytest.raises(Forbidden):
            start(live, environments["staging"], actor=person(role))
        return
    run = start(live, environments["staging"], actor=person(role))
    row = AuditRow.objects.get(action="suite.start")
    assert (row.actor_name, row.details["digest"]) == (role.replace(" ", "-"), live.digest)
    assert run.digest == live.digest


def test_only_what_is_live_can_be_asked_but_unit_needs_no_place(
    packages: list[Package], environments: Environments
) -> None:
    with pytest.raises(Conflict, match="not live in staging"):
        start(packages[0], environments["staging"])
    assert start(packages[0], environments["staging"], "unit").kind == "unit"


def test_one_suite_on_one_package_in_one_place_is_open_once(live: Package, environments: Environments) -> None:
    start(live, environments["staging"])
    with pytest.raises(Conflict, match="is open"):
        start(live, environments["staging"])


def test_an_unknown_kind_is_refused_by_name(live: Package, environments: Environments) -> None:
    with pytest.raises(Refused) as error:
        start(live, environments["staging"], "magic")
    assert error.value.field == "kind"


def test_nothing_else_of_the_model_runs_while_a_rehearsal_moves_the_traffic(
    live: Package, environments: Environments
) -> None:
    smoke = start(live, environments["staging"])
    with pytest.raises(Conflict, match="Smoke of flight-eta in staging is open"):
        start(live, environments["staging"], "rehearsal")
    runner.end(smoke, "passed", "")
    start(live, environments["staging"], "rehearsal")
    with pytest.raises(Conflict, match="Rehearsal of flight-eta"):
        start(live, environments["staging"], "load")
    assert start(live, environments["staging"], "unit")


def test_a_queued_run_is_cancelled_at_once_and_once(queued: Run, manager: User) -> None:
    assert actions.cancel(actor=manager, run=queued).state == "cancelled"
    with pytest.raises(Conflict):
        actions.cancel(actor=manager, run=queued)
    assert AuditRow.objects.filter(action="suite.cancel").count() == 1


def test_an_ended_run_can_be_run_again_with_todays_settings(queued: Run, person: Callable[[str], User]) -> None:
    with pytest.raises(Conflict, match="Cancel it first"):
        actions.again(actor=None, run=queued)
    runner.end(queued, "failed", "no")
    admin = person("admin")
    actions.set_up(actor=admin, model=queued.package.model, kind="smoke", values={"requests": 5})
    again = actions.again(actor=admin, run=Run.objects.get(pk=queued.pk))
    assert (again.again_of, again.values) == (queued, {"requests": 5})
    assert again.settings_digest != queued.settings_digest


@pytest.mark.parametrize(
    ("values", "field"),
    [({"requests": 0}, "requests"), ({"requests": 1.5}, "requests"), ({"requests": True}, "requests"),
     ({"limit_ms": "x"}, "limit_ms"), ({"limit_ms": float("nan")}, "limit_ms"), ({"nothing": 1}, "nothing")],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused_by_name(
    values: dict[str, Any], field: str, live: Package, person: Callable[[str], User]
) -> None:
    with pytest.raises(Refused) as error:
        actions.set_up(actor=person("admin"), model=live.model, kind="smoke", values=values)
    assert error.value.field == field
    assert settings_for(live.model, "smoke")[0] == {}


def want(environments: Environments, live: Package, person: Callable[[str], User], *asked: Asked) -> None:
    set_rule(actor=person("admin"), environment=environments["production"], model=live.model, wants=list(asked))
    put_moving(live, environments["production"], state="waiting")


def kinds() -> set[tuple[str, str]]:
    return set(Run.objects.filter(state="queued").values_list("kind", "environment__name"))


def test_what_a_waiting_release_misses_starts_by_itself_and_once(
    live: Package, environments: Environments, person: Callable[[str], User], sent: list[Any]
) -> None:
    want(environments, live, person, Asked("integration", "staging"), Asked("load", "staging"), Asked("uat", "staging"))
    for _ in range(3):
        tasks.run_missing()
    assert kinds() == {("integration", "staging"), ("load", "staging"), ("smoke", "staging")}
    assert Run.objects.get(kind="load").cause.startswith("release ")


def test_a_suite_without_a_verdict_is_not_started_over_and_over(
    live: Package, environments: Environments, person: Callable[[str], User], sent: list[Any]
) -> None:
    want(environments, live, person, Asked("integration", "staging"))
    tasks.run_missing()
    runner.end(Run.objects.get(kind="integration"), "errored", "our side")
    tasks.run_missing()
    assert Run.objects.filter(kind="integration").count() == 1


def test_nothing_heavy_begins_while_a_measurement_is_tried_again(
    live: Package, environments: Environments, person: Callable[[str], User], redis: object, sent: list[Any]
) -> None:
    want(environments, live, person, Asked("integration", "staging"))
    with quiet.please("staging"):
        tasks.run_missing()
        assert kinds() == {("smoke", "staging")}
    tasks.run_missing()
    assert ("integration", "staging") in kinds()


def test_smoke_runs_after_each_switch_and_not_because_of_an_older_result(
    live: Package, environments: Environments, sent: list[Any]
) -> None:
    Evidence.objects.create(
        digest=live.digest, kind="smoke", environment=environments["staging"], verdict="pass",
        at=timezone.now() - timedelta(hours=1), reference="run 1",
    )  # fmt: skip
    tasks.run_missing()
    assert kinds() == {("smoke", "staging")}


def test_runs_that_lost_their_worker_or_never_met_one_are_sent_again(queued: Run, sent: list[Any]) -> None:
    old = timezone.now() - timedelta(minutes=5)
    Run.objects.filter(pk=queued.pk).update(created_at=old)
    tasks.resume_runs()
    tasks.resume_runs()  # it waits behind others now; it is not sent each time
    assert sent == [("testing.tasks.run", (queued.pk,))]
    Run.objects.filter(pk=queued.pk).update(state="running", beat_at=old)
    tasks.resume_runs()
    assert len(sent) == 2


def test_what_dead_suites_left_is_removed(settings: Any) -> None:
    import os

    old, new = settings.VAR / "suite-old", settings.VAR / "suite-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (1, 1))
    tasks.prune()
    assert (old.exists(), new.exists()) == (False, True)


def test_every_suite_says_what_it_is_and_every_setting_its_limits() -> None:
    from testing.suites.settings import described, read

    for kind, suite in SUITES.items():
        assert suite.kind == kind
        assert suite.label
        assert suite.summary.endswith(".")
        for each in described(suite.Settings):
            assert each["words"]
        read(suite.Settings, {each["name"]: each["default"] for each in described(suite.Settings)})


def test_a_live_package_counts_where_it_is(packages: list[Package], environments: Environments) -> None:
    put_live(packages[0], environments["dev"])
    assert start(packages[0], environments["dev"]).environment.name == "dev"


@pytest.mark.parametrize("kind", ["load", "stress", "rehearsal"])
def test_what_clients_would_feel_is_never_run_in_production(
    kind: str, packages: list[Package], environments: Environments, person: Callable[[str], User]
) -> None:
    put_live(packages[0], environments["production"])
    with pytest.raises(Refused, match="would hurt the clients"):
        start(packages[0], environments["production"], kind)
    with pytest.raises(Refused, match="would hurt the clients"):
        set_rule(
            actor=person("admin"), environment=environments["production"], risk="low", wants=[Asked(kind, "production")]
        )


def test_a_rehearsal_needs_the_right_to_release_there(
    live: Package, environments: Environments, person: Callable[[str], User]
) -> None:
    with pytest.raises(Forbidden):
        start(live, environments["staging"], "rehearsal", person("developer"))
    assert start(live, environments["staging"], "rehearsal", person("release manager"))
