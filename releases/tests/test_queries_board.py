"""The board's rows: what is live, what is offered next, what stands in its way, in a fixed number of queries."""

from __future__ import annotations

from typing import Any

from releases.models import Environment, Intake, MLModel, Package
from releases.queries import board
from releases.tests.conftest import make_package
from releases.tests.scenes import put_live, put_moving

Environments = dict[str, Environment]


def places(environments: Environments) -> dict[str, board.Place]:
    (row,) = board.rows(list(environments.values()))
    return {place.environment.name: place for place in row.places}


def offers(environments: Environments) -> dict[str, int | None]:
    return {name: place.offer and place.offer.number for name, place in places(environments).items()}


def test_the_newest_package_is_offered_to_the_first_environment_only(
    packages: list[Package], environments: Environments
) -> None:
    assert offers(environments) == {"dev": 3, "test": None, "staging": None, "production": None}


def test_what_is_live_one_environment_before_is_offered_next(
    packages: list[Package], environments: Environments
) -> None:
    put_live(packages[1], environments["dev"])
    put_live(packages[0], environments["test"])
    assert offers(environments) == {"dev": 3, "test": 2, "staging": 1, "production": None}


def test_an_older_package_is_never_offered(packages: list[Package], environments: Environments) -> None:
    put_live(packages[0], environments["dev"])
    put_live(packages[1], environments["test"])
    assert offers(environments)["test"] is None


def test_nothing_is_offered_where_a_release_is_under_way(packages: list[Package], environments: Environments) -> None:
    release = put_moving(packages[2], environments["dev"])
    here = places(environments)["dev"]
    assert (here.offer, here.running) == (None, release)


def test_a_package_that_was_rolled_back_is_marked(packages: list[Package], environments: Environments) -> None:
    put_live(packages[2], environments["dev"])
    put_live(packages[0], environments["dev"])
    assert places(environments)["dev"].again


def test_refusals_between_the_offer_and_the_live_package_are_listed(model: MLModel, environments: Environments) -> None:
    signature: dict[str, Any] = {"inputs": [{"name": "speed", "type": "double", "required": True}], "outputs": []}
    put_live(make_package(model, 1), environments["dev"])
    make_package(model, 2, signature=signature, digest=f"sha256:{'5' * 64}")
    assert "distance: the candidate does not know it" in places(environments)["dev"].refuses


def test_open_uploads_are_counted(packages: list[Package], environments: Environments) -> None:
    for state in ("queued", "running", "refused"):
        Intake.objects.create(model=packages[0].model, filename="m.skops", state=state)
    (row,) = board.rows(list(environments.values()))
    assert row.uploads == 2
    assert row.newest == packages[2]


def test_it_takes_four_queries_whatever_the_number_of_models(
    packages: list[Package], environments: Environments, django_assert_num_queries: Any
) -> None:
    for number in range(8):
        other = MLModel.objects.create(name=f"model-{number}")
        put_live(make_package(other, 1), environments["dev"])
        put_moving(make_package(other, 2), environments["dev"])
    order = list(environments.values())
    with django_assert_num_queries(4):
        for row in board.rows(order):
            for place in row.places:
                assert place.stable is None or place.stable.number
                assert place.running is None or place.running.package
                assert place.refuses == ()
