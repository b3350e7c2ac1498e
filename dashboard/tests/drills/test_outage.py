"""Drill: the database out of reach, Valkey held down, and both at once; predictions go on, and all of it heals."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from conftest import SHORT
from dashboard.tests.drills import material
from dashboard.tests.drills.counts import counted
from dashboard.tests.drills.database import Database
from dashboard.tests.drills.people import Browser
from dashboard.tests.drills.running import Slipway, until
from dashboard.tests.drills.traffic import Traffic

pytestmark = pytest.mark.drill

PLACE, RATE = "production", 50.0
SECONDS = 6.0 if SHORT else 30.0  # Valkey stands still for half of it, then it is killed again and again
AWAY = {"database": ("database",), "Valkey": ("Valkey",), "database and Valkey at once": ("database", "Valkey")}
BEFORE = 2.0  # seconds that are counted too, in case the clocks of machine and Valkey differ
WORDS = "The database is away or busy"


@pytest.mark.parametrize("name", AWAY)
def test_predictions_outlive_an_outage(harmed: Slipway, tell: Callable[[str], None], name: str) -> None:
    harmed.until_well()
    live = Database(harmed.var).live(PLACE, material.MODEL) or 0
    key, browser = harmed.api().key(PLACE), harmed.browser()
    harmed.until_quiet()  # whoever asked before is not counted here
    with Traffic(material.address(harmed), material.rows(), key, RATE) as traffic:
        begin = time.time()
        traffic.first_answer(live, begin)
        with away(harmed, browser, AWAY[name]):
            time.sleep(SECONDS)
            outage = time.time() - begin
        healed = heal(harmed)
        time.sleep(2)
    answers = sum(each.error is None for each in traffic.seen())
    shown = shown_of(harmed, begin, answers)
    failures = traffic.failures()
    tell(
        f"outage of {name}, {outage:.0f} s: {len(traffic.seen())} predictions, "
        f"failures {sum(failures.values())}; healed after {healed:.1f} s; counted afterwards {shown} of {answers}"
    )
    assert not failures
    assert shown == answers
    harmed.api().promote(material.MODEL, material.the_other(live), PLACE)


@contextmanager
def away(slipway: Slipway, browser: Browser, what: tuple[str, ...]) -> Iterator[None]:
    """Take them away; where the database is among them, pages say so at the end."""
    with ExitStack() as stack:
        if "database" in what:
            stack.enter_context(out_of_reach(slipway.var))
        if "Valkey" in what:
            stack.enter_context(held_down(slipway))
        if "database" in what:
            restart_what_reads_the_database(slipway)
        yield
        if "database" in what:
            pages_say_so(slipway, browser)


def test_a_gateway_that_is_killed_in_the_dark_serves_from_its_own_disk(
    harmed: Slipway, tell: Callable[[str], None]
) -> None:
    harmed.until_well()
    live = Database(harmed.var).live(PLACE, material.MODEL) or 0
    key = harmed.api().key(PLACE)
    material.wait_for_key(material.address(harmed), key)
    one_killed_in_the_dark(harmed, live, key, tell)


def one_killed_in_the_dark(harmed: Slipway, live: int, key: str, tell: Callable[[str], None]) -> None:
    """A gateway that is killed while both are away serves again from its own disk."""
    with Traffic(material.address(harmed), material.rows(), key, RATE) as traffic:
        traffic.first_answer(live, time.time())
        with out_of_reach(harmed.var), held_down(harmed):
            time.sleep(1)
            assert not traffic.failures()
            pid, killed = harmed.children()["gateway-production"], time.time()
            os.kill(pid, signal.SIGKILL)
            back = traffic.first_answer(live, killed + 0.5, 90) + 0.5
            again = time.time()
            time.sleep(SECONDS)
            failures = traffic.failures(again)
        heal(harmed)
    tell(
        f"gateway killed while both are away: answers again from its own disk after {back:.1f} s; "
        f"{len(traffic.seen(again))} predictions after that, failures {sum(failures.values())}"
    )
    assert not failures


@contextmanager
def out_of_reach(var: Path) -> Iterator[None]:
    """Rename the database and its side files, then back; in between nobody may make a new one."""
    database = var / "db.sqlite3"
    moved = [(path, path.with_name(f"away-{path.name}")) for path in var.glob("db.sqlite3*")]
    for path, away in moved:
        path.rename(away)
    try:
        yield
        assert not database.exists(), "A missing database was made anew."
    finally:
        for path, away in moved:
            away.rename(path)


@contextmanager
def held_down(slipway: Slipway) -> Iterator[None]:
    """Valkey stands still for a while, then is killed again and again; when the block ends it may come back."""
    ending = threading.Event()
    os.kill(slipway.children()["valkey"], signal.SIGSTOP)

    def kill() -> None:
        ending.wait(SECONDS / 2)
        while not ending.wait(0.2):
            if pid := slipway.children().get("valkey"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill, name="killer")
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        if pid := slipway.children().get("valkey"):
            os.kill(pid, signal.SIGCONT)


def restart_what_reads_the_database(slipway: Slipway) -> None:
    """A process that has the file open goes on with it; one that starts now finds none."""
    before = slipway.children()
    for name in ("web", "quick"):
        os.kill(before[name], signal.SIGKILL)
    until("the web process to come back", lambda: httpx.get(f"{slipway.web}/health/", timeout=10).status_code, 90)
    assert slipway.children()["web"] != before["web"]


def pages_say_so(slipway: Slipway, browser: Browser) -> None:
    """Pages, REST and health answer 503 in words."""
    page, health = browser.http.get("/"), browser.http.get("/health/")
    rest = slipway.api().http.get("/models/")
    assert page.status_code == health.status_code == rest.status_code == 503, (page, health, rest)
    assert WORDS in page.text
    assert "Traceback" not in page.text
    assert WORDS in rest.json()["detail"]


def heal(slipway: Slipway) -> float:
    began = time.monotonic()
    slipway.until_well()
    assert Database(slipway.var).newest()
    return time.monotonic() - began


def shown_of(slipway: Slipway, begin: float, answers: int) -> int:
    """Wait until the counts show every answer; return how many they show."""
    client = slipway.redis()

    def count() -> int:
        return counted(client, PLACE, material.MODEL, begin - BEFORE, time.time() + 1)

    with suppress(AssertionError):
        until("the counts of the outage", lambda: count() >= answers, 60, 0.5)
    return count()
