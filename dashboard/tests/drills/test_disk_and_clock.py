"""Drill: a gateway whose disk is full, and one whose clock is an hour behind and is set while it runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import SHORT
from dashboard.tests.drills.counts import counted
from dashboard.tests.drills.running import until
from dashboard.tests.drills.traffic import Traffic
from serving import exchange
from serving.metrics import store as cells
from serving.routing import Key, Target
from serving.tests.builders import table
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for

pytestmark = pytest.mark.drill

PLACE, MODEL, RATE = "dev", "eta", 100.0
SECONDS = 3.0 if SHORT else 30.0
DISK = "2m"
SECRET, EXPIRED = "the-key-of-the-drill", "the-key-that-has-expired"


def api_key(text: str, expires: float | None = None) -> Key:
    return Key(hashlib.sha256(text.encode()).hexdigest(), text[:4], ("*",), False, expires)


KEYS = (api_key(SECRET),)


@pytest.fixture
def targets(tmp_path: Path) -> list[Target]:
    """Two packages; each answers with its own number."""
    store = tmp_path / "artefacts"
    store.mkdir()
    return [package(store, 1), package(store, 2, "previous", 0)]


@pytest.mark.needs("namespaces")
def test_a_full_disk(valkey: Valkey, targets: list[Target], tmp_path: Path, tell: Callable[[str], None]) -> None:
    exchange.put_table(valkey.redis, table(*targets, keys=KEYS))
    data = tmp_path / "data"
    data.mkdir()
    with small_disk(data) as (inside, enter):
        gateway = GatewayProcess(valkey.url, data, through=enter).start()
        try:
            wait_for(gateway.ready)
            begin = time.time()
            with traffic_to(gateway) as traffic:
                traffic.first_answer(1, begin)
                filled = fill(inside / "filling")
                time.sleep(SECONDS / 2)
                switched = switch(valkey, targets, gateway, traffic)
                time.sleep(SECONDS / 2)
            answers = traffic.seen()
            shown = shown_of(valkey, begin, len(answers))
            back = killed(gateway, 2)
            os.unlink(inside / "filling")
            until("the table to be kept", lambda: b'"generation":2' in kept(inside), 20)
            valkey.kill()
            alone = killed(gateway, 2)
        finally:
            gateway.kill()
    tell(
        f"disk full (its last {filled:,} bytes taken), {answers[-1].done - begin:.0f} s: {len(answers)} predictions, "
        f"failures {sum(traffic.failures().values())}, counted {shown}; a new table live after {switched:.2f} s; "
        f"killed gateway back after {back:.1f} s; with room again and without Valkey, from its own disk, {alone:.1f} s"
    )
    assert not traffic.failures()
    assert shown == len(answers)


@pytest.mark.needs("faketime")
def test_a_clock_an_hour_behind_that_is_set_while_it_runs(
    valkey: Valkey, targets: list[Target], tmp_path: Path, tell: Callable[[str], None]
) -> None:
    exchange.put_table(valkey.redis, table(*targets, keys=(*KEYS, api_key(EXPIRED, time.time() - 60))))
    dial = tmp_path / "dial"
    dial.write_text("-3600")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    settings = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(dial),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    gateway = GatewayProcess(valkey.url, tmp_path / "data", more=settings).start()
    try:
        wait_for(gateway.ready)
        begin = time.time()
        with traffic_to(gateway) as traffic:
            traffic.first_answer(1, begin)
            old = gateway.predict(ROW, headers={"authorization": f"Bearer {EXPIRED}"}).status_code
            for offset in ("-3600", "+0", "+1800", "-86400", "-3600"):
                dial.write_text(offset)
                time.sleep(SECONDS / 3)
        answers = traffic.seen()
        shown = shown_of(valkey, begin, len(answers))
        tens = sum(cell.completions for cell in cells.read(valkey.redis, PLACE, begin - 20, time.time() + 1, step=10))
        behind = "clock is off by -3600" in gateway.log.read_text()
    finally:
        gateway.kill()
    tell(
        f"clock an hour behind, then set four times, by up to a day: {len(answers)} predictions, "
        f"failures {sum(traffic.failures().values())}; counted in the right seconds {shown}, by ten seconds {tens}; "
        f"a key that expired a minute ago answered {old}"
    )
    assert behind, "The clock was not off at all."
    assert not traffic.failures()
    assert shown == tens == len(answers)
    assert old == 401


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Mount a small file system there in a namespace of its own.

    Yields where it is seen from outside, and the command that enters the namespace.
    """
    mount = f'mount -t tmpfs -o size={DISK} tmpfs "{folder}" && echo mounted && exec sleep 600'
    holder = subprocess.Popen(["unshare", "-rm", "sh", "-c", mount], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mounted\n"
        enter = ("nsenter", "--preserve-credentials", "-U", "-m", "-t", str(holder.pid))
        yield Path(f"/proc/{holder.pid}/root{folder}"), enter
    finally:
        holder.kill()
        holder.wait(5)
        if holder.stdout is not None:
            holder.stdout.close()


def fill(path: Path) -> int:
    """Write until not a byte fits any more; return how many did."""
    written = 0
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            with suppress(OSError):
                while True:
                    written += file.write(b"x" * size)
    return written


def kept(inside: Path) -> bytes:
    return (inside / "tables" / f"{PLACE}.json").read_bytes()


def traffic_to(gateway: GatewayProcess) -> Traffic:
    return Traffic(f"http://127.0.0.1:{gateway.port}/{PLACE}/v1/models/{MODEL}:predict", [ROW], SECRET, RATE)


def switch(valkey: Valkey, targets: list[Target], gateway: GatewayProcess, traffic: Traffic) -> float:
    """Publish a table in which the other package answers; return the seconds until it does."""
    first, second = targets
    swapped = [replace(first, arm="previous", weight=0.0), replace(second, arm="stable", weight=100.0)]
    published = time.time()
    exchange.put_table(valkey.redis, table(*swapped, generation=2, keys=KEYS))
    seconds = traffic.first_answer(2, published)
    until(
        "the gateway to say what its disk cannot keep", lambda: "No space left" in str(gateway.beat(valkey.redis)), 10
    )
    return seconds


def killed(gateway: GatewayProcess, number: int) -> float:
    """Kill the gateway and start it again; return the seconds until the package answers."""
    gateway.kill()
    began = time.time()
    gateway.start()
    wait_for(gateway.ready)
    assert gateway.predict(ROW).json() == {"predictions": [float(number)]}
    return time.time() - began


def shown_of(valkey: Valkey, begin: float, answers: int) -> int:
    """Wait until the counts show every answer, in the seconds in which they were given; return how many they show."""

    def count() -> int:
        return counted(valkey.redis, PLACE, MODEL, begin - 2, time.time() + 1)

    with suppress(AssertionError):
        until("the counts", lambda: count() >= answers, 15, 0.2)
    return count()
