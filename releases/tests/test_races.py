"""Two at once, on a real database with real threads: exactly one wins, and the loser is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from releases import reconciler, routes
from releases.actions import audit, packages, releases, rollbacks, setup
from releases.actions.intake import claim
from releases.errors import Conflict
from releases.models import AuditRow, Environment, Intake, MLModel, Package, PublishedTable, Release
from releases.tests.conftest import FakeGateway, accepted, make_package

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at the same moment in threads of their own; return each one's result or exception."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        barrier.wait(10)
        try:
            results[index] = call()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.fixture
def world(transactional_db: None, redis: object) -> tuple[MLModel, Environment, User]:
    setup.first_start()
    model = MLModel.objects.create(name="flight-eta")
    return model, Environment.objects.get(name="dev"), User.objects.create(username="root", is_superuser=True)


def test_of_two_promotions_at_once_one_wins(world: tuple[MLModel, Environment, User]) -> None:
    model, dev, root = world
    first, second = make_package(model, 1), make_package(model, 2)
    results = at_once(
        lambda: releases.promote(actor=root, package=first, environment=dev),
        lambda: releases.promote(actor=root, package=second, environment=dev),
    )
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "Release"]
    assert Release.objects.count() == 1


def test_two_workers_on_one_release_take_each_step_once(world: tuple[MLModel, Environment, User]) -> None:
    model, dev, root = world
    gateway = FakeGateway("all", "dev")
    release = releases.promote(actor=root, package=make_package(model, 1), environment=dev)
    for _ in range(6):
        routes.send_all()
        gateway.adopt()
        results = at_once(*[lambda: reconciler.reconcile(release.pk)] * 3)
        assert not [result for result in results if isinstance(result, Exception)]
    release.refresh_from_db()
    assert release.state == "live"
    assert list(release.events.values_list("action", flat=True)) == ["create", "begin", "shift", "finish"]


def test_a_rollback_is_never_held_by_a_worker_that_finishes_the_release(
    world: tuple[MLModel, Environment, User],
) -> None:
    model, dev, root = world
    gateway = FakeGateway("all", "dev")
    for number in (1, 2):
        release = releases.promote(actor=root, package=make_package(model, number), environment=dev)
        while Release.objects.get(pk=release.pk).state != ("live" if number == 1 else "shifting"):
            routes.send_all()
            gateway.adopt()
            reconciler.reconcile(release.pk)
    gateway.adopt()
    results = at_once(
        lambda: reconciler.reconcile(release.pk),
        lambda: rollbacks.roll_back(actor=root, model=model, environment=dev, reason="stop"),
    )
    assert not [result for result in results if isinstance(result, Exception)]
    body = routes.render(dev)["routes"]["flight-eta"]["targets"]
    assert [target["package"] for target in body if target["weight"] > 0] == [1]


def test_many_uploads_accepted_at_once_get_numbers_without_gap_or_clash(
    world: tuple[MLModel, Environment, User],
) -> None:
    model = world[0]
    intakes = [Intake.objects.create(model=model, filename=f"{n}.zip") for n in range(6)]
    results = at_once(
        *[lambda n=n, intake=intake: packages.accept(intake, accepted(str(n))) for n, intake in enumerate(intakes)]
    )
    assert not [result for result in results if isinstance(result, Exception)]
    assert sorted(Package.objects.values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6]


def test_the_same_files_at_once_are_one_package(world: tuple[MLModel, Environment, User]) -> None:
    intakes = [Intake.objects.create(model=world[0], filename="same.zip") for _ in range(4)]
    results = at_once(*[lambda intake=intake: packages.accept(intake, accepted("1")) for intake in intakes])
    assert {result.number for result in results} == {1}
    assert Intake.objects.filter(was_known=True).count() == 3


def test_an_intake_is_claimed_by_one_worker(world: tuple[MLModel, Environment, User]) -> None:
    intake = Intake.objects.create(model=world[0], filename="x.zip")
    assert sum(result is not None for result in at_once(*[lambda: claim(intake.pk)] * 4)) == 1


def test_an_intake_ends_once(world: tuple[MLModel, Environment, User]) -> None:
    intakes = [Intake.objects.create(model=world[0], filename="x.zip")] * 3
    results = at_once(*[lambda intake=intake: packages.accept(intake, accepted("1")) for intake in intakes])
    assert sum(isinstance(result, Conflict) for result in results) == 2


def test_the_audit_chain_and_the_generations_hold_under_load(world: tuple[MLModel, Environment, User]) -> None:
    _, dev, root = world

    def work(number: int) -> None:
        for _ in range(5):
            Environment.objects.filter(pk=dev.pk).update(requests_per_second=number * 100 + _ + 1)
            routes.publish(dev, "test")
            audit.record("test", f"thing {number}", actor=root)

    results = at_once(*[lambda n=n: work(n) for n in range(4)])
    assert results == [None] * 4
    assert AuditRow.objects.filter(action="test").count() == 20
    assert audit.first_break() is None
    generations = list(
        PublishedTable.objects.filter(environment=dev).order_by("id").values_list("generation", flat=True)
    )
    assert generations == list(range(1, len(generations) + 1))
