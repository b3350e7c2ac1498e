"""Drill: canaries of the demo's packages under real traffic, judged by nobody but the judge.

Steps and batches are shorter than by default; requests, gateways, counts and thresholds are the real ones.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import SHORT
from dashboard.demo.api import Api as DemoApi
from dashboard.demo.recipes import FLIGHT_ETA
from dashboard.demo.replay import flown
from dashboard.demo.steps import Steps
from dashboard.demo.story import EVERYWHERE, MODEL, PRODUCTION, TO_STAGING
from dashboard.demo.upload import zipped
from dashboard.tests.drills import material
from dashboard.tests.drills.running import Slipway, slipway, until
from dashboard.tests.drills.traffic import Traffic

pytestmark = pytest.mark.drill

RATE = 50.0
STEPS = [{"weight": 5, "seconds": 30}, {"weight": 25, "seconds": 30}, {"weight": 50, "seconds": 60}]
STEPS = STEPS[1:] if SHORT else STEPS
GOOD, FAULTY = 2, 4
KILLS, VICTIMS = 4 if SHORT else 20, ("quick", "beat", "gateway-production", "valkey")
DICE = random.Random(6)
SILENCE = 40.0  # seconds: longer than the first step


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    """The demo's flights: package 1 is live everywhere, 2 and 4 wait in staging."""
    with slipway(JUDGE_BATCH_SECONDS="1") as running:
        running.start()
        token = running.api().http.headers["Authorization"].removeprefix("Token ")
        api = DemoApi(running.web, token)
        running.closing.callback(api._http.close)
        steps = Steps(api, lambda line: None, tmp_path_factory.mktemp("demo"))
        steps.package(FLIGHT_ETA[0], EVERYWHERE)
        for recipe in FLIGHT_ETA[1:4]:
            steps.package(recipe, TO_STAGING if recipe.number in (GOOD, FAULTY) else ())
        running.until_quiet()
        yield running


@pytest.fixture(scope="module")
def key(demo: Slipway) -> str:
    return demo.api().key(PRODUCTION)


def traffic(demo: Slipway, key: str) -> Traffic:
    return Traffic(material.address(demo, PRODUCTION, MODEL), flown(), key, RATE)


def canary(demo: Slipway, package: int) -> int:
    body = {"model": MODEL, "package": package, "environment": PRODUCTION, "strategy": "canary", "steps": STEPS}
    return int(demo.api().post("/releases/", **body)["id"])


def at_first_share(demo: Slipway, release: int) -> None:
    until("the first share", lambda: demo.api().get(f"/releases/{release}/")["weight"] > 0)


def test_with_the_traffic_stopped_good_and_faulty_stay_on_hold(
    demo: Slipway, key: str, tell: Callable[[str], None]
) -> None:
    for package in (FAULTY,) if SHORT else (GOOD, FAULTY):
        release = canary(demo, package)
        at_first_share(demo, release)
        time.sleep(SILENCE)
        found = demo.api().get(f"/releases/{release}/")
        judge = demo.api().get(f"/releases/{release}/judge/")
        assert (found["state"], found["weight"]) == ("shifting", STEPS[0]["weight"])
        assert judge["verdict"]["evidence"] <= 1
        tell(f"package {package} without traffic, after {SILENCE:.0f} s: {found['state']}, {found['note']}")
        demo.api().post(f"/releases/{release}/abort/", reason="the drill goes on")


def test_a_faulty_package_is_taken_back_by_itself_and_the_page_says_why(
    demo: Slipway, key: str, tell: Callable[[str], None]
) -> None:
    with traffic(demo, key) as calls:
        calls.first_answer(1, 0.0)
        began = time.time()
        release = canary(demo, FAULTY)
        ended = demo.api().ended(release, 240)
        took = time.time() - began
        calls.first_answer(1, time.time())
        time.sleep(1)
        after = {each.package for each in calls.seen(time.time() - 0.5)}
    assert ended["state"] == "failed"
    assert [event["actor"] for event in ended["events"]][1:] == [None] * (len(ended["events"]) - 1)
    assert after <= {1, None}
    page = demo.browser().http.get(f"/releases/{release}/").text
    assert "A fault is proven" in page
    assert "rolled back" in page
    judge = demo.api().get(f"/releases/{release}/judge/")["verdict"]
    assert (judge["state"], judge["family"]) == ("rollback", "errors")
    tell(f"package {FAULTY} taken back {took:.0f} s after the click, {judge['requests']} requests: {judge['reason']}")
    replayed(demo, release)


def test_a_good_package_goes_all_the_way_with_a_certificate(
    demo: Slipway, key: str, tell: Callable[[str], None]
) -> None:
    with traffic(demo, key) as calls:
        calls.first_answer(1, 0.0)
        began = time.time()
        release = canary(demo, GOOD)
        ended = demo.api().ended(release, 400)
        took = time.time() - began
        calls.first_answer(GOOD, time.time())
        failures = calls.failures(began)
    assert ended["state"] == "live", ended["note"]
    judge = demo.api().get(f"/releases/{release}/judge/")["verdict"]
    assert judge["state"] == "promote"
    assert min(judge["safety"].values()) >= 20
    assert not failures
    tell(
        f"package {GOOD} live {took:.0f} s after the click, {judge['requests']} requests, no failure: {judge['reason']}"
    )
    replayed(demo, release)


def test_killed_again_and_again_the_judge_neither_condemns_the_innocent_nor_lets_anything_pass(
    demo: Slipway, key: str, tell: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """kill -9 of workers, beat, gateway and Valkey at random moments: A/A, then the faulty package."""
    twin = the_same_again(demo, tmp_path_factory.mktemp("twin"))
    said = []
    with traffic(demo, key) as calls:
        for package, kills, right in ((twin, KILLS - KILLS // 4, "promote"), (FAULTY, KILLS // 4, "rollback")):
            calls.first_answer(live(demo), time.time(), 60)
            release = canary(demo, package)
            for number in range(kills):
                time.sleep(DICE.uniform(0.5, 6.0))
                kill(demo, VICTIMS[number % len(VICTIMS)])
            demo.until_well()
            found = until("an end, or the last step", lambda: settled(demo, release), 300, pause=0.5)  # noqa: B023
            judge = demo.api().get(f"/releases/{release}/judge/")
            said.append(f"package {package}, {kills} kills: {found['state']}, {judge['verdict']['reason']}")
            tell(f"{said[-1]} ({judge['skipped']} batches left out)")
            wrong = "failed" if right == "promote" else "live"
            assert found["state"] != wrong, found["note"]
            if found["state"] == "live":
                assert judge["verdict"]["state"] == "promote"
            replayed(demo, release)
            if found["state"] not in ("live", "failed"):
                demo.api().post(f"/releases/{release}/abort/", reason="the drill goes on")


def the_same_again(demo: Slipway, folder: Path) -> int:
    """Register the live package with one more line in its notes: other bytes, the same answers."""
    number = live(demo)
    source = FLIGHT_ETA[number - 1].write(folder / "source")
    (source / "NOTES.md").write_text("The same again.\n")
    file = folder / "twin.zip"
    file.write_bytes(zipped(source))
    twin = demo.api().accepted(MODEL, file)
    for environment in TO_STAGING:
        demo.api().promote(MODEL, twin, environment)
    return twin


def live(demo: Slipway) -> int:
    return int(demo.api().get(f"/models/{MODEL}/")["live"][PRODUCTION])


def kill(demo: Slipway, name: str) -> None:
    """SIGKILL, and on as soon as it is back."""
    pid = demo.children().get(name)
    if pid:
        os.kill(pid, signal.SIGKILL)
        until(f"{name} to come back", lambda: demo.children().get(name, pid) != pid, 60)


def settled(demo: Slipway, release: int) -> dict[str, Any] | None:
    """The release when it has ended, or stands in its last step and only the judge is waited for."""
    found: dict[str, Any] = demo.api().get(f"/releases/{release}/")
    waits = found["step"] == len(STEPS) and "Neither a fault nor safety" in found["note"]
    return found if found["state"] in ("live", "failed", "aborted") or waits else None


def replayed(demo: Slipway, release: int) -> None:
    """The stored batches, judged again, end in the same verdict and evidence."""
    recorded: dict[str, Any] = demo.api().get(f"/releases/{release}/judge/")["verdict"]
    again = demo.api().post(f"/releases/{release}/what-if/")
    assert again["same"]
    assert again["verdict"]["batch"] == recorded["batch"]
    assert again["verdict"]["evidence"] == pytest.approx(recorded["evidence"], rel=1e-9)
