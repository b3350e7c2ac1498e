"""What a promote or a rollback would change, and the lists of releases and packages."""

from __future__ import annotations

from releases.models import Environment, Package
from releases.queries import packages as package_queries
from releases.queries import releases as queries
from releases.tests.scenes import put_live, put_moving

Environments = dict[str, Environment]


def test_a_switch_names_what_is_live_and_what_is_missing(packages: list[Package], environments: Environments) -> None:
    put_live(packages[0], environments["dev"])
    switch = queries.switch(packages[1], environments["dev"])
    assert (switch.stable, switch.unmet, switch.is_blocked) == (packages[0], [], False)
    later = queries.switch(packages[1], environments["test"])
    assert [gate.name for gate in later.unmet] == ["order"]
    assert later.is_blocked


def test_the_mark_changes_with_the_route_and_with_the_release(
    packages: list[Package], environments: Environments
) -> None:
    def mark() -> str:
        return queries.switch(packages[2], environments["dev"]).seen

    marks = [mark()]
    put_live(packages[0], environments["dev"])
    marks.append(mark())
    release = put_moving(packages[1], environments["dev"])
    marks.append(mark())
    release.state = "shifting"
    release.save()
    marks.append(mark())
    assert len(set(marks)) == 4
    assert mark() == marks[-1]


def test_a_rollback_goes_to_the_package_before_and_may_go_to_any_that_was_live(
    packages: list[Package], environments: Environments
) -> None:
    for package in packages:
        put_live(package, environments["dev"])
    way = queries.way_out(packages[0].model, environments["dev"])
    assert (way.leaving, way.back) == (packages[2], packages[1])
    assert way.choices == [packages[1], packages[0]]


def test_a_rollback_with_nothing_before_goes_off(packages: list[Package], environments: Environments) -> None:
    put_live(packages[0], environments["dev"])
    way = queries.way_out(packages[0].model, environments["dev"])
    assert (way.leaving, way.back, way.choices, way.stops_only) == (packages[0], None, [], False)


def test_a_rollback_of_a_release_on_its_way_only_stops_it(packages: list[Package], environments: Environments) -> None:
    put_live(packages[0], environments["dev"])
    release = put_moving(packages[1], environments["dev"])
    way = queries.way_out(packages[0].model, environments["dev"])
    assert (way.stops_only, way.running, way.leaving) == (True, release, packages[1])


def test_where_nothing_ever_was_there_is_nothing_to_roll_back(
    packages: list[Package], environments: Environments
) -> None:
    assert queries.way_out(packages[0].model, environments["dev"]).nothing_live


def test_the_arms_are_those_of_the_route_and_of_the_release(
    packages: list[Package], environments: Environments
) -> None:
    assert queries.arms(packages[0].model, "dev") == {}
    put_live(packages[0], environments["dev"])
    put_moving(packages[1], environments["dev"])
    assert queries.arms(packages[0].model, "dev") == {1: "stable", 2: "candidate"}


def test_a_package_knows_where_it_goes_next_and_why_it_stays(
    packages: list[Package], environments: Environments
) -> None:
    assert package_queries.next_environment(packages[0]) == environments["dev"]
    assert package_queries.kept_because(packages[0]) == ""
    put_live(packages[0], environments["dev"])
    assert package_queries.next_environment(packages[0]) == environments["test"]
    assert "dev" in package_queries.kept_because(packages[0])
    put_live(packages[1], environments["dev"])
    put_live(packages[2], environments["dev"])
    assert "history" in package_queries.kept_because(packages[0])
    assert package_queries.places(packages[0].model) == {
        packages[2].pk: [("dev", "live")],
        packages[1].pk: [("dev", "warm")],
    }


def test_the_search_reads_digests_and_numbers_and_nothing_else(packages: list[Package]) -> None:
    start = packages[0].digest.removeprefix("sha256:")
    assert package_queries.search(start[:6]) == [packages[0]]
    assert package_queries.search(packages[0].digest) == [packages[0]]
    assert package_queries.search("flight 3") == [packages[2]]
    assert package_queries.search(start[:5]) == []
    assert package_queries.search("zzzzzzz") == []
    assert package_queries.search("flight 99999999999999") == []
