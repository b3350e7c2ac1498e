"""Drill: table after table under steady load, at the gateway alone; no request fails, strays, or shifts a share."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from scipy.stats import binomtest

from conftest import SHORT
from dashboard.tests.drills.running import until
from dashboard.tests.drills.traffic import Adoptions, Seen, Traffic
from serving import exchange
from serving.metrics import store
from serving.routing import Key, Route, RouteTable, Target
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for

pytestmark = pytest.mark.drill

SWITCHES, RATE = 100 if SHORT else 1000, 500.0
QUIET_SECONDS, GAP_SECONDS = 4 if SHORT else 15, 0.03
PLACE, MODEL = "dev", "eta"
# Of every so many tables one stays a little, so that its shares are told from many requests.
STAY_EVERY, STAY_SECONDS = 20, 1.0
WEIGHTS = (0.0, 5.0, 50.0, 100.0, 25.0, 90.0)
UNLIKELY = 1e-6
SECRET = "drill-of-tables"
KEY = Key(hashlib.sha256(SECRET.encode()).hexdigest(), "drill", ("*",), False, None)


@pytest.fixture
def gateway(valkey: Valkey, tmp_path: Path) -> Iterator[GatewayProcess]:
    process = GatewayProcess(valkey.url, tmp_path / "data")
    yield process
    process.kill()


def test_no_client_notices_a_table(
    valkey: Valkey, gateway: GatewayProcess, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    packages = [package(tmp_path / "artefacts", number) for number in (1, 2, 3)]
    tables = [table(number, packages) for number in range(1, SWITCHES + 2)]
    exchange.put_table(valkey.redis, tables[0])
    gateway.start()
    wait_for(gateway.ready)
    url = f"http://127.0.0.1:{gateway.port}/{PLACE}/v1/models/{MODEL}:predict"
    began = time.time()
    with (
        Adoptions(valkey.redis, PLACE) as adoptions,
        Traffic(url, [ROW], SECRET, RATE) as traffic,
        witness(url) as lies,
    ):
        time.sleep(QUIET_SECONDS)
        switching = time.time()
        published = {1: began} | {each.generation: switch(each, valkey, adoptions) for each in tables[1:]}
        time.sleep(0.5)
    seen = traffic.seen()
    assert not traffic.failures()
    strangers = not_routed(seen, tables, published, adoptions)
    shares = unlikely(valkey, tables, began, len(seen) + lies[0])
    tell(told(seen, switching, strangers, lies, shares))
    assert not strangers
    assert not lies[1:]
    assert shares[0] > UNLIKELY


def table(generation: int, packages: list[Target]) -> RouteTable:
    """Return a table in which one of the three packages has no share, another one each time."""
    stable, candidate, spare = (packages[(generation + at) % 3] for at in range(3))
    weight = WEIGHTS[generation % len(WEIGHTS)]
    targets = (
        at(stable, "stable", 100.0 - weight),
        at(candidate, "candidate", weight),
        at(spare, "previous", 0.0),
    )
    return RouteTable(PLACE, generation, {MODEL: Route(MODEL, targets)}, keys=(KEY,))


def at(target: Target, arm: str, weight: float) -> Target:
    return Target(target.package, target.digest, target.artefact, target.url, target.runtime, arm, weight)  # type: ignore[arg-type]


def switch(each: RouteTable, valkey: Valkey, adoptions: Adoptions) -> float:
    """Publish the table, wait until the gateway says that it serves it; return when it was published."""
    published = time.time()
    exchange.put_table(valkey.redis, each)
    until(f"table {each.generation}", lambda: each.generation in adoptions.first, seconds=10, pause=0.002)
    time.sleep(STAY_SECONDS if each.generation % STAY_EVERY == 0 else GAP_SECONDS)
    return published


@contextmanager
def witness(url: str) -> Iterator[list[int]]:
    """Ask one request after the other: does the package that the header names give its own answer?

    Yields how many requests were asked, and after that the package of every answer that was another's.
    """
    found, ending = [0], threading.Event()

    def ask() -> None:
        headers = {"Authorization": f"Bearer {SECRET}"}
        with httpx.Client(timeout=10, trust_env=False, headers=headers) as client:
            while not ending.is_set():
                reply = client.post(url, json={"instances": [ROW]})
                found[0] += 1
                named = int(reply.headers["x-package"])
                if reply.json()["predictions"] != [float(named)]:
                    found.append(named)
                time.sleep(0.01)

    thread = threading.Thread(target=ask, name="witness")
    thread.start()
    try:
        yield found
    finally:
        ending.set()
        thread.join(15)


def not_routed(
    seen: list[Seen], tables: list[RouteTable], published: dict[int, float], adoptions: Adoptions
) -> list[Seen]:
    """Return the answers of packages that had a share in no table which may have been live meanwhile."""
    spans: dict[int, list[tuple[float, float]]] = {}
    for each in tables:
        for target in each.targets():
            if target.weight > 0:
                span = published[each.generation], adoptions.until(each.generation)
                spans.setdefault(target.package, []).append(span)
    return [
        one
        for one in seen
        if one.package is not None
        and not any(begin <= one.done and one.sent <= end for begin, end in spans[one.package])
    ]


def unlikely(valkey: Valkey, tables: list[RouteTable], began: float, asked: int) -> tuple[float, int]:
    """Return the smallest two-sided binomial p of any arm's share in any closed batch, and the number of batches."""
    read = lambda: store.read(valkey.redis, PLACE, began - 1, time.time() + 1)  # noqa: E731
    wait_for(lambda: sum(cell.completions for cell in read()) >= asked)
    starts: Counter[tuple[int, str]] = Counter()
    for cell in read():
        starts[cell.generation, cell.arm] += cell.starts
    assert sum(starts.values()) == asked
    tests = [
        binomtest(starts[each.generation, arm], sum(starts[each.generation, name] for name in shares), share).pvalue
        for each in tables
        for shares in [expected(each.routes[MODEL])]
        for arm, share in shares.items()
        if any(starts[each.generation, name] for name in shares)
    ]
    return min(tests), len(tests)


def expected(route: Route) -> dict[str, float]:
    """Return the share of each arm; with nothing to compare, part of stable's is the judge's control."""
    weights = {target.arm: target.weight / 100 for target in route.targets}
    if weights["candidate"]:
        return {"candidate": weights["candidate"], "stable": weights["stable"]}
    return {"control": route.control, "stable": 1 - route.control}


def told(seen: list[Seen], switching: float, strangers: list[Seen], lies: list[int], shares: tuple[float, int]) -> str:
    before = latency([one for one in seen if one.sent < switching - 0.5])
    during = latency([one for one in seen if one.sent >= switching])
    failures = sum(one.error is not None for one in seen)
    return (
        f"tables: {SWITCHES} switches under {RATE:.0f} requests a second ({len(seen)} in all), failures {failures}, "
        f"answers by a package that was not routed {len(strangers)}, answers under another package's name "
        f"{len(lies) - 1} of {lies[0]}; p99 before {before:.1f} ms, during {during:.1f} ms; "
        f"smallest p of {shares[1]} shares {shares[0]:.2g}"
    )


def latency(seen: list[Seen]) -> float:
    ranked = sorted(one.done - one.sent for one in seen)
    return ranked[int(len(ranked) * 0.99)] * 1000
