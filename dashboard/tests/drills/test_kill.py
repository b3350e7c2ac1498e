"""Drill: SIGKILL for each child in turn, and for all at once, in the middle of promotions; nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from conftest import SHORT
from dashboard.tests.drills import material, processes
from dashboard.tests.drills.counts import counted
from dashboard.tests.drills.database import Database, lost
from dashboard.tests.drills.people import Api
from dashboard.tests.drills.running import Slipway, until
from dashboard.tests.drills.traffic import Traffic
from releases.lifecycle import MOVES
from serving import exchange, routing

pytestmark = pytest.mark.drill

PLACE = "production"
GATEWAY_KILLS = 1 if SHORT else 4
LAST = 1.1  # the second that is lost at most, and the moment it takes to write one down
# A state to kill in: which children stand still so that the release stays in it, and the strategy.
MOMENTS = {
    "waiting": (("quick", "beat"), "blue_green"),
    "preparing": (("gateway-production",), "blue_green"),
    "shifting": (("gateway-production",), "recreate"),
}
# Besides: seconds after the click, wherever the release has come to by then.
RANDOM_MOMENTS = 0 if SHORT else 8


def test_each_child_may_be_killed_during_a_promotion(harmed: Slipway, tell: Callable[[str], None]) -> None:
    harmed.until_well()
    api, database, back = harmed.api(), Database(harmed.var), {}
    with Traffic(material.address(harmed), material.rows(), api.key(PLACE), 50.0) as traffic:
        traffic.first_answer(database.live(PLACE, material.MODEL) or 0, time.time())
        for name in processes.NAMES:
            began = time.time()
            before = kill_one(harmed, name, api, database)
            back[name] = time.time() - began
            check(harmed, database, before)
            if name != "gateway-production":
                assert not traffic.failures(began), f"{name}: {traffic.failures(began)}"
        failed = sum(traffic.failures().values())
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in back.items())
    tell(
        f"kill -9 of each child during a promotion: rows lost 0, audit chain whole, table in Redis = database; child "
        f"back and release live after: {times}; failed requests {failed}, all while production's gateway was away"
    )


def kill_one(harmed: Slipway, name: str, api: Api, database: Database) -> dict[str, set[tuple[Any, ...]]]:
    """Promote, kill the child at once, wait until it is back and the release live; return the rows that stood then."""
    release, _ = promote_other(api, database)
    pid, before = harmed.children()[name], database.kept()
    os.kill(pid, signal.SIGKILL)
    until(f"{name} to come back", lambda: harmed.children().get(name, pid) != pid, 60)
    until("everything to answer", harmed.answers, 120)
    until("the other gateway to be ready", lambda: httpx.get(f"{harmed.others}/v2/health/ready").is_success, 240)
    assert api.ended(release)["state"] == "live"
    return before


def test_a_killed_gateway_loses_at_most_its_last_second(harmed: Slipway, tell: Callable[[str], None]) -> None:
    database, client = Database(harmed.var), harmed.redis()
    live = database.live(PLACE, material.MODEL) or 0
    key, figures = harmed.api().key(PLACE), []
    for _ in range(GATEWAY_KILLS):
        harmed.until_well()
        harmed.until_quiet()
        with Traffic(material.address(harmed), material.rows(), key, 100.0) as traffic:
            begin = time.time()
            traffic.first_answer(live, begin)
            time.sleep(3 + random.random())
            pid, killed = harmed.children()["gateway-production"], time.time()
            os.kill(pid, signal.SIGKILL)
            traffic.first_answer(live, killed + 0.5, 60)
            time.sleep(1)
        time.sleep(2.5)  # the last cells are on their way
        answers = [each for each in traffic.seen() if not each.error]
        missing = len(answers) - counted(client, PLACE, material.MODEL, begin - 2, time.time() + 1)
        last = sum(killed - LAST <= each.done <= killed for each in answers)
        figures.append((missing, last, killed % 1))
    words = "; ".join(f"{missing} of {last} (killed {at:.2f} s into a second)" for missing, last, at in figures)
    tell(f"killed gateway: answers that no count shows, of those in its last second: {words}")
    assert all(0 <= missing <= last for missing, last, _ in figures)


@pytest.mark.parametrize("moment", [*MOMENTS, *range(RANDOM_MOMENTS)])
def test_everything_may_be_killed_at_once_during_a_promotion(
    harmed: Slipway, moment: str | int, tell: Callable[[str], None]
) -> None:
    database = Database(harmed.var)
    harmed.until_well()
    release, was_live, seen = promote_until(harmed, database, moment)
    before = database.kept()
    harmed.kill_everything()
    until("the last process to end", lambda: not processes.of(harmed.var), 10)
    found = database.copy()
    states = [new for _, new in found.history(release)]
    legal = {seen, *(new for (_, old), new in MOVES.items() if old == seen)}
    after_kill, lost_then = found.state(release), lost(before, found.kept())
    took = harmed.start()
    ended = harmed.api().ended(release)["state"]
    check(harmed, database, before)
    tell(
        f"kill -9 of everything, release last seen {seen}: on disk {after_kill}, after the restart {ended}; "
        f"rows lost {len(lost_then)}; up again after {took:.1f} s"
    )
    assert not lost_then
    assert states[-1] == after_kill, "The state is not what the last event says."
    assert after_kill in legal or isinstance(moment, int), f"{after_kill} does not follow on {seen}."
    assert database.live(PLACE, material.MODEL) == (database_number(database, release) if ended == "live" else was_live)


def promote_other(api: Api, database: Database, strategy: str = "blue_green") -> tuple[int, int]:
    """Ask REST to promote the package that is not live; return the release and the number of what was live."""
    live = database.live(PLACE, material.MODEL) or 0
    given = {"model": material.MODEL, "package": material.the_other(live), "environment": PLACE, "strategy": strategy}
    return int(api.post("/releases/", **given)["id"]), live


def promote_until(harmed: Slipway, database: Database, moment: str | int) -> tuple[int, int, str]:
    """Promote and come back in the middle of it; return release, what was live, and the state as last seen."""
    api = harmed.api()
    if isinstance(moment, int):
        release, live = promote_other(api, database)
        time.sleep(moment * 0.015)
        return release, live, database.state(release)
    still, strategy = MOMENTS[moment]
    pids = harmed.children()
    for name in still:
        os.kill(pids[name], signal.SIGSTOP)
    release, live = promote_other(api, database, strategy)
    until(f"the release to be {moment}", lambda: database.state(release) == moment, 30, 0.01)
    return release, live, moment


def check(harmed: Slipway, database: Database, before: dict[str, set[tuple[Any, ...]]]) -> None:
    """No committed row is lost, the audit chain is whole, and rows, tables, Redis and gateway say the same."""
    assert not lost(before, database.kept())
    assert harmed.api().get("/audit/check/")["whole"]
    client = harmed.redis()
    until("Redis to hold the newest tables", lambda: same_tables(client, database), 30)
    until("production's gateway to serve its newest table", lambda: is_served(client, database), 60)
    _, _, weights = database.tables(PLACE, material.MODEL)[-1]
    assert {package: weight for package, weight in weights.items() if weight} == {
        database.live(PLACE, material.MODEL): 100.0
    }


def same_tables(client: Any, database: Database) -> bool:
    """Say whether Redis holds, for every environment, the newest published table."""
    newest = {name: routing.loads(json.dumps(body).encode()) for name, body in database.newest().items()}
    return all(exchange.get_table(client, name) == table for name, table in newest.items())


def is_served(client: Any, database: Database) -> bool:
    newest = database.newest()[PLACE]["generation"]
    states = [beat.environments[PLACE] for beat in exchange.heartbeats(client) if PLACE in beat.environments]
    return [state.generation for state in states] == [newest]


def database_number(database: Database, release: int) -> int:
    question = "SELECT p.number FROM releases_release r JOIN releases_package p ON p.id = r.package_id WHERE r.id = ?"
    return int(database.all(question, release)[0][0])
