"""Drill: switch after switch by the pages' own forms under steady traffic; no client may notice any of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import SHORT
from dashboard.tests.drills import material
from dashboard.tests.drills.database import Database
from dashboard.tests.drills.people import Browser, release_of
from dashboard.tests.drills.running import Slipway, until
from dashboard.tests.drills.traffic import Adoptions, Seen, Traffic

pytestmark = pytest.mark.drill

SWITCHES, RATE = 30 if SHORT else 200, 100.0
LATE_ALLOWED, LIMIT = 2, 1.0
PLACE = "production"


def test_no_client_notices_a_switch(shared: Slipway, folder: Path, tell: Callable[[str], None]) -> None:
    old, new = material.fill(shared, folder)
    database, browser, key = Database(shared.var), shared.browser(), shared.api().key(PLACE)
    with (
        Adoptions(shared.redis(), PLACE) as adoptions,
        Traffic(material.address(shared), material.rows(), key, RATE) as traffic,
    ):
        traffic.first_answer(new, time.time())
        waits = [switch(number, browser, traffic, database, (old, new)) for number in range(SWITCHES)]
        time.sleep(0.5)
    seen = traffic.seen()
    strangers = not_routed(seen, database, adoptions)
    tell(told(waits, seen, strangers))
    assert not traffic.failures()
    assert not strangers
    assert sum(wait > LIMIT for wait in waits) <= LATE_ALLOWED


def switch(number: int, browser: Browser, traffic: Traffic, database: Database, packages: tuple[int, int]) -> float:
    """Roll back to the older package, or promote the newer one; return the seconds from the click to its answer."""
    back = number % 2 == 0
    old, new = packages
    action, fields = browser.form(roll_back_page() if back else promote_page(new), "reason")
    fields |= {"reason": f"drill {number}"} if back else {"strategy": "blue_green"}
    clicked = time.time()
    answer = browser.send(action, fields)
    wait = traffic.first_answer(old if back else new, clicked)
    release = release_of(answer)
    state = until(f"the end of release {release}", lambda: database.ended(release), pause=0.02)
    assert state == "live", f"Release {release} ended {state}."
    return wait


def roll_back_page() -> str:
    return f"/models/{material.MODEL}/{PLACE}/roll-back/"


def promote_page(package: int) -> str:
    return f"/models/{material.MODEL}/promote/?package={package}&environment={PLACE}"


def not_routed(seen: list[Seen], database: Database, adoptions: Adoptions) -> list[Seen]:
    """Return the answers whose package had no weight in any table that may have been live while they were made.

    A table may be live from its publication until the gateway says that it serves a later one.
    """
    spans: dict[int, list[tuple[float, float]]] = {}
    for generation, at, weights in database.tables(PLACE, material.MODEL):
        for package, weight in weights.items():
            if weight > 0:
                spans.setdefault(package, []).append((at, adoptions.until(generation)))
    answered = [each for each in seen if each.package is not None]
    return [
        each
        for each in answered
        if not any(begin <= each.done and each.sent <= end for begin, end in spans.get(each.package or 0, []))
    ]


def told(waits: list[float], seen: list[Seen], strangers: list[Seen]) -> str:
    ranked = sorted(waits)
    failures = sum(each.error is not None for each in seen)
    return (
        f"switches: {len(waits)}, under {RATE:.0f} requests a second ({len(seen)} in all), failures {failures}, "
        f"answers by a package that was not routed {len(strangers)}, click to first answer "
        f"median {ranked[len(ranked) // 2]:.2f} s, p90 {ranked[int(len(ranked) * 0.9)]:.2f} s, max {ranked[-1]:.2f} s, "
        f"over 1 s {sum(wait > LIMIT for wait in waits)}"
    )
