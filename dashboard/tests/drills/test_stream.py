"""Drill: records of a stream while consumers and Valkey are killed: each id once, in order of its key, and the lag."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from dashboard.demo.flights import TRAFFIC, read
from dashboard.demo.recipes import flight_eta
from dashboard.demo.upload import zipped
from dashboard.tests.drills.running import Slipway, slipway, until
from serving.streams import broker
from serving.streams.names import Names

pytestmark = pytest.mark.drill

SHORT = bool(os.environ.get("SHORT"))
RECORDS, KILLS, RATE, SECONDS = (20_000, 4, 1000, 6) if SHORT else (200_000, 20, 2000, 20)
TOGETHER, PRODUCERS, KEYS = 250, 4, 50
MODEL = "flight-eta"
NAMES = Names("dev", MODEL)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    """Package 2 of the demo in dev, and a second consumer beside the one of `up`."""
    folder = tmp_path_factory.mktemp("uploads")
    with slipway() as running:
        running.start()
        api = running.api()
        api.post("/models/", name=MODEL, risk="low")
        upload = folder / "2.zip"
        upload.write_bytes(zipped(flight_eta.write(folder / "2", 2)))
        assert api.accepted(MODEL, upload) == 1
        api.promote(MODEL, 1, "dev")
        yield running


class Producer:
    """Sends its share of the records, each call until it is acknowledged; a key belongs to one producer alone."""

    def __init__(self, address: str, number: int, rows: list[dict[str, Any]], count: int) -> None:
        self.address, self.number, self.rows, self.count = address, number, rows, count
        self.acknowledged: list[str] = []
        self.told = {"429": 0, "failed": 0}

    def run(self) -> None:
        with httpx.Client(timeout=20, trust_env=False) as client:
            for start in range(0, self.count, TOGETHER):
                records = [self.record(at) for at in range(start, min(start + TOGETHER, self.count))]
                self.send(client, records)
                self.acknowledged += [record["id"] for record in records]

    def record(self, at: int) -> dict[str, Any]:
        row = self.rows[(at * PRODUCERS + self.number) % len(self.rows)]
        wrong = at % 1000 == 999
        key = f"{self.number}-{at % KEYS}"
        return {"id": f"{self.number}/{at}", "key": key, "row": row | ({"distance": -1} if wrong else {})}

    def send(self, client: httpx.Client, records: list[dict[str, Any]]) -> None:
        while True:
            try:
                answer = client.post(self.address, json={"records": records})
            except httpx.HTTPError:
                self.told["failed"] += 1
                time.sleep(0.2)
                continue
            if answer.status_code == 202:
                assert answer.json()["durable"] is True
                return
            assert answer.status_code in (429, 503), answer.text
            self.told["429" if answer.status_code == 429 else "failed"] += 1
            time.sleep(min(1.0, float(answer.headers["retry-after"])))


def test_every_record_ends_once_whoever_is_killed(installation: Slipway, tell: Callable[[str], None]) -> None:
    rows = [flight.features() for flight in read(TRAFFIC)]
    address = f"{installation.others}/dev/stream/{MODEL}"
    producers = [Producer(address, number, rows, RECORDS // PRODUCERS) for number in range(PRODUCERS)]
    killed, stop = {"stream": 0, "valkey": 0}, threading.Event()
    killer = threading.Thread(target=kill_now_and_then, args=(installation, killed, stop), daemon=True)
    began = time.monotonic()
    killer.start()
    with ThreadPoolExecutor(PRODUCERS) as threads:
        list(threads.map(Producer.run, producers))
        until("all kills", lambda: sum(killed.values()) >= KILLS, 300)
    stop.set()
    killer.join()
    until("everything to be settled", lambda: depth(installation) == 0, 300, pause=0.5)
    took = time.monotonic() - began
    acknowledged = [name for producer in producers for name in producer.acknowledged]
    answered, dead = outputs(address), letters(installation)
    failed = sum(producer.told["failed"] for producer in producers)
    full = sum(producer.told["429"] for producer in producers)
    tell(
        f"stream: {len(acknowledged):,} acknowledged in {took:.0f} s; killed: {killed['stream']} times the consumer, "
        f"{killed['valkey']} times Valkey; calls told to come again: {full} for a full stream, {failed} for an outage; "
        f"{len(answered):,} answered, {len(dead):,} dead letters, each once"
    )
    assert len(answered) == len(set(answered))
    assert len(dead) == len(set(dead))
    assert sorted(answered + dead) == sorted(acknowledged)
    assert sorted(dead) == sorted(name for name in acknowledged if int(name.partition("/")[2]) % 1000 == 999)
    in_order(answered)


def test_the_lag_stays_under_the_limit_at_a_steady_rate(installation: Slipway, tell: Callable[[str], None]) -> None:
    rows = [flight.features() for flight in read(TRAFFIC)][:1000]
    address, lags = f"{installation.others}/dev/stream/{MODEL}", []
    first = httpx.get(f"{address}/results", params={"limit": 1000}, trust_env=False).json()
    end, sent = time.monotonic() + SECONDS, 0
    with httpx.Client(timeout=20, trust_env=False) as client, ThreadPoolExecutor(8) as threads:
        while (now := time.monotonic()) < end:
            records = [{"row": row} for row in rows[: RATE // 10]]
            threads.submit(client.post, address, json={"records": records})
            sent += len(records)
            time.sleep(max(0.0, 0.1 - (time.monotonic() - now)))
    until("everything to be settled", lambda: depth(installation) == 0, 60, pause=0.1)
    cursor = first["next"]
    with httpx.Client(timeout=20, trust_env=False) as client:
        while (page := client.get(f"{address}/results", params={"after": cursor, "limit": 1000}).json())["results"]:
            cursor = page["next"]
            lags += [each["done"] - each["at"] for each in page["results"] if "/" not in each["id"]]
    lags.sort()
    tell(
        f"stream: {RATE:,} records a second for {SECONDS} s, two cores with everything else on them: from taken to "
        f"answered median {1000 * lags[len(lags) // 2]:.0f} ms, p99 {1000 * lags[int(len(lags) * 0.99)]:.0f} ms"
    )
    assert len(lags) == sent
    assert lags[int(len(lags) * 0.99)] < 60, "the limit that a model has unless it is set"


def kill_now_and_then(installation: Slipway, killed: dict[str, int], stop: threading.Event) -> None:
    dice = random.Random(6)
    while sum(killed.values()) < KILLS and not stop.wait(dice.uniform(0.5, 4.0)):
        name = "valkey" if killed["valkey"] * 4 < sum(killed.values()) else "stream"
        pid = installation.children().get(name)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed[name] += 1


def depth(installation: Slipway) -> int:
    with installation.redis() as redis:
        return broker.depth(redis, NAMES).records


def outputs(address: str) -> list[str]:
    found: list[str] = []
    cursor = "0-0"
    with httpx.Client(timeout=60, trust_env=False) as client:
        while (page := client.get(f"{address}/results", params={"after": cursor, "limit": 1000}).json())["results"]:
            found += [each["id"] for each in page["results"]]
            cursor = page["next"]
    return found


def letters(installation: Slipway) -> list[str]:
    with installation.redis() as redis:
        return [letter.id for _, letter in broker.letters(redis, NAMES, 1_000_000)]


def in_order(answered: list[str]) -> None:
    """Records of one key must come out as they went in."""
    last: dict[tuple[str, int], int] = {}
    for name in answered:
        producer, _, at = name.partition("/")
        key = (producer, int(at) % KEYS)
        assert last.get(key, -1) < int(at), name
        last[key] = int(at)
