"""Drill: four clients do at random what can be done with a release, at once; no caller notices, and all agree then.

Neither package ever fails, so whatever the judge finds is chance. There are two gateways; only between the moments that
a recreate has announced may a call be told to retry.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import SHORT
from dashboard.tests.drills import material
from dashboard.tests.drills.running import Slipway, slipway, until
from dashboard.tests.drills.traffic import Seen, Traffic
from serving.tests.processes import GatewayProcess

pytestmark = pytest.mark.drill

OPERATIONS, CLIENTS, RATE, PLACE = 60 if SHORT else 200, 4, 100.0 if SHORT else 200.0, "production"
STEPS = [{"weight": 5, "seconds": 20}, {"weight": 50, "seconds": 20}]
LEAST_P, MOST_ROUTING = 1e-6, 1000.0
# What a client who was too late may be told.
EXPECTED = {200, 201, 400, 409}


def test_random_operations_at_once_are_noticed_by_no_caller(tmp_path: Path, tell: Callable[[str], None]) -> None:
    with slipway(JUDGE_BATCH_SECONDS="1") as running:
        running.start()
        packages = material.fill(running, tmp_path)
        key, answers = running.api().key(PLACE), Counter[str]()
        name = {"GATEWAY_NAME": "second"}
        second = GatewayProcess(running.redis_url(), tmp_path / "second", PLACE, more=name).start()
        doors = [running.production, f"http://127.0.0.1:{second.port}"]
        with ExitStack() as stack:
            stack.callback(second.kill)
            until("the second gateway", second.ready)
            ours = material.address(running)
            addresses = [ours.replace(running.production, door) for door in doors]
            for url in addresses:
                material.wait_for_key(url, key)
            loads = [stack.enter_context(Traffic(url, material.rows(), key, RATE / 2)) for url in addresses]
            for load in loads:
                load.first_answer(packages[-1], time.time())
            clients = [Client(running, packages, seed, answers) for seed in range(CLIENTS)]
            for client in clients:
                client.start()
            for client in clients:
                client.join(600)
            time.sleep(2)
            seen = [each for load in loads for each in load.seen()]
            all_agree(running, addresses)
        told, failures = told_to_retry(running, [each for each in seen if each.error])
        odd = Counter({words: count for words, count in answers.items() if int(words.split()[-1]) not in EXPECTED})
        least, routing, batches = evidence(running)
        done = sum(count for words, count in answers.items() if words.split()[-1] in ("200", "201"))
        tell(
            f"{sum(answers.values())} random operations from {CLIENTS} clients, {done} took effect, the others were "
            f"told why not; {len(seen)} requests by two gateways, {told} told to retry while a recreate was announced, "
            f"failed otherwise {len(failures)}; smallest binomial p of {batches} batches "
            f"{least:.2g} (limit {LEAST_P:g}), most evidence of misrouting {routing:.2g} (limit {MOST_ROUTING:g})"
        )
        assert not failures
        assert not odd
        assert least >= LEAST_P
        assert routing < MOST_ROUTING


class Client(threading.Thread):
    """Does what it finds possible, or no more possible, at random."""

    def __init__(self, running: Slipway, packages: list[int], seed: int, answers: Counter[str]) -> None:
        super().__init__(name=f"client {seed}")
        self.api, self.packages, self.dice, self.answers = running.api().http, packages, random.Random(seed), answers

    def run(self) -> None:
        for _ in range(OPERATIONS // CLIENTS):
            name, path, body = self.choose()
            answer = self.api.post(path, json=body)
            self.answers[f"{name} {answer.status_code}"] += 1
            time.sleep(self.dice.uniform(0.05, 3.0))

    def choose(self) -> tuple[str, str, dict[str, Any]]:
        found = self.api.get("/releases/", params={"model": material.MODEL, "environment": PLACE, "page_size": 1})
        newest = found.json()["results"][0]["id"]
        why = {"reason": "the drill"}
        start = {"model": material.MODEL, "environment": PLACE, "package": self.dice.choice(self.packages)}
        again = start | {"strategy": self.dice.choice(["recreate", "blue_green"])}
        start |= {"strategy": "canary", "steps": STEPS}
        back = {"environment": PLACE, "package": self.dice.choice(self.packages), **why}
        operations: list[tuple[int, str, str, dict[str, Any]]] = [
            (5, "start", "/releases/", start),
            (2, f"start {again['strategy']}", "/releases/", again),
            (8, "weight", f"/releases/{newest}/weight/", {"weight": self.dice.randint(1, 99)}),
            (2, "pause", f"/releases/{newest}/pause/", {}),
            (5, "resume", f"/releases/{newest}/resume/", {}),
            (1, "promote", f"/releases/{newest}/promote/", why),
            (1, "abort", f"/releases/{newest}/abort/", why),
            (1, "rollback", f"/models/{material.MODEL}/rollback/", back),
        ]
        often = [each[0] for each in operations]
        return self.dice.choices([each[1:] for each in operations], often)[0]


def evidence(running: Slipway) -> tuple[float, float, int]:
    """Return the smallest two-sided binomial p of all closed batches, the most evidence of misrouting, their number."""
    api, smallest, most, count = running.api(), 1.0, 0.0, 0
    for release in api.get("/releases/", model=material.MODEL, environment=PLACE, page_size=200)["results"]:
        after: int | None = None
        while True:
            query = {"page_size": 200} | ({} if after is None else {"after": after})
            rows = api.get(f"/releases/{release['id']}/verdicts/", **query)["results"]
            for row in rows:
                batch = row["batch"]
                ours, theirs = batch["candidate"]["starts"], batch["stable"]["starts"]
                smallest, count = min(smallest, binomial(ours, ours + theirs, batch["weight"])), count + 1
                most = max(most, row["verdict"]["routing"])
            if not rows:
                break
            after = rows[-1]["number"]
    return smallest, most, count


def binomial(hits: int, size: int, share: float) -> float:
    """Return the two-sided p: twice the smaller tail."""
    chances = [
        math.exp(
            math.lgamma(size + 1)
            - math.lgamma(k + 1)
            - math.lgamma(size - k + 1)
            + k * math.log(share)
            + (size - k) * math.log1p(-share)
        )
        for k in range(size + 1)
    ]
    return min(1.0, 2 * min(sum(chances[: hits + 1]), sum(chances[hits:])))


def told_to_retry(running: Slipway, failed: list[Seen]) -> tuple[int, list[Seen]]:
    """Return how many were told to retry while a recreate was off, as its release says, and all other failures.

    A gateway adopts the table a moment after it was published.
    """
    found = running.api().get("/releases/", model=material.MODEL, environment=PLACE, page_size=200)["results"]
    spans = [(epoch(each["off_at"]), epoch(each["on_at"] or each["ended_at"])) for each in found if each["off_at"]]
    late = 1.0
    inside = [
        each
        for each in failed
        if each.error == "status 503" and any(off <= each.done and each.sent <= on + late for off, on in spans)
    ]
    return len(inside), [each for each in failed if each not in inside]


def epoch(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else math.inf


def all_agree(running: Slipway, addresses: list[str]) -> None:
    """Database, published table and both gateways say the same, once everything has come to rest."""
    api = running.api()
    newest = api.get("/releases/", model=material.MODEL, environment=PLACE, page_size=1)["results"][0]
    if "abort" in api.get(f"/releases/{newest['id']}/")["actions"]:
        api.post(f"/releases/{newest['id']}/abort/", reason="the drill is over")
    until("the adoption of the last table", lambda: adopted(running), 30)
    live = api.get(f"/models/{material.MODEL}/")["live"][PLACE]
    targets = api.get(f"/environments/{PLACE}/table/")["body"]["routes"][material.MODEL]["targets"]
    assert {target["package"]: target["weight"] for target in targets if target["weight"]} == {live: 100.0}
    key = api.key(PLACE)
    for address in addresses:
        material.wait_for_key(address, key)
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(address, json={"instances": material.rows(1)}, headers=headers, timeout=10)
        assert answer.headers["X-Package"] == str(live)


def adopted(running: Slipway) -> bool:
    found = running.api().get(f"/environments/{PLACE}/adoption/")
    return bool(found["complete"])
