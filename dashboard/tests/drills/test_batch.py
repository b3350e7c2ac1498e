"""Drill: a file of flights is answered while workers and their processes are killed, and its bytes are the same."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.batch.material import rows
from dashboard.demo.recipes import flight_eta
from dashboard.demo.upload import zipped
from dashboard.tests.drills import processes
from dashboard.tests.drills.running import Slipway, slipway, until

pytestmark = pytest.mark.drill

SHORT = bool(os.environ.get("SHORT"))
ROWS, KILLS, CHUNK = (120_000, 4, 5_000) if SHORT else (1_000_000, 20, 10_000)
MODEL = "flight-eta"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    """Packages 1 and 2 of the demo in dev, the second one as a paused canary with 30 % of the traffic."""
    folder = tmp_path_factory.mktemp("uploads")
    with slipway(BATCH_CHUNK_ROWS=str(CHUNK)) as running:
        running.start()
        api = running.api()
        api.post("/models/", name=MODEL, risk="low")
        for number in (1, 2):
            upload = folder / f"{number}.zip"
            upload.write_bytes(zipped(flight_eta.write(folder / str(number), number)))
            assert api.accepted(MODEL, upload) == number
        api.promote(MODEL, 1, "dev")
        release = api.post("/releases/", model=MODEL, package=2, environment="dev", strategy="canary")["id"]
        until("the first share", lambda: api.get(f"/releases/{release}/")["weight"] > 0)
        api.post(f"/releases/{release}/pause/")
        api.post(f"/releases/{release}/weight/", weight=30)
        rows(running.var / "batch-inputs" / "flights.csv", ROWS)
        yield running


def begin(running: Slipway) -> str:
    body = {"model": MODEL, "environment": "dev", "stored": "flights.csv"}
    return str(running.api().post("/batches/", **body)["url"])


def ended(running: Slipway, url: str, seconds: float = 900) -> dict[str, Any]:
    api = running.api()
    address = url.partition("/api")[2]

    def look() -> Any:
        found = api.get(address)
        return found if found["ended_at"] else None

    found: dict[str, Any] = until("the batch to end", look, seconds, pause=0.2)
    assert found["state"] == "done", found["words"]
    return found


def output(found: dict[str, Any]) -> bytes:
    return httpx.get(found["output_url"], timeout=120, trust_env=False).content


def test_whoever_is_killed_and_whenever_the_bytes_are_the_same(
    installation: Slipway, tell: Callable[[str], None]
) -> None:
    began = time.monotonic()
    undisturbed = ended(installation, begin(installation))
    quiet = time.monotonic() - began
    wanted = output(undisturbed)
    lines = wanted.count(b"\n") - 1
    share = undisturbed["packages"]["2"] / ROWS
    dice, killed, jobs = random.Random(6), {"worker": 0, "process": 0}, 0
    while sum(killed.values()) < KILLS:
        url, jobs = begin(installation), jobs + 1
        while sum(killed.values()) < KILLS:
            time.sleep(dice.uniform(0.3, 4.0))
            if installation.api().get(url.partition("/api")[2])["ended_at"]:
                break
            what = dice.choice(list(killed))
            killed[what] += kill(installation, what, dice)
        found = ended(installation, url)
        assert (found["answered"], found["wrong"], found["packages"]) == (ROWS, 0, undisturbed["packages"])
        assert output(found) == wanted
    tell(
        f"batch: {ROWS:,} flights in {quiet:.1f} s, {lines:,} answered, {100 * share:.2f} % by the canary of 30 %; "
        f"{killed['worker']} workers and {killed['process']} of their processes killed in {jobs} jobs: "
        "every output equal to the byte"
    )
    assert lines == ROWS
    assert abs(share - 0.3) < 5 * (0.3 * 0.7 / ROWS) ** 0.5


def kill(installation: Slipway, what: str, dice: random.Random) -> int:
    """Kill the worker, or one of the processes that answer for it; say whether there was one."""
    worker = installation.children().get("batch")
    pids = processes.batches_of(installation.var) if what == "process" else [worker] if worker else []
    if not pids:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(dice.choice(pids), signal.SIGKILL)
        return 1
    return 0


def test_all_of_it_killed_at_once_goes_on_where_it_was(
    installation: Slipway, tell: Callable[[str], None], tmp_path: Path
) -> None:
    url = begin(installation)
    api = installation.api()
    until("some rows", lambda: api.get(url.partition("/api")[2])["answered"] > 0, 120)
    installation.kill_everything()
    done = int(installation.shell("from releases.models import BatchJob; print(BatchJob.objects.first().answered)"))
    installation.start()
    found = ended(installation, url)
    tell(f"batch: everything killed after {done:,} rows; the same job ended with {found['answered']:,}, none twice")
    assert found["answered"] == ROWS
    assert output(found).count(b"\n") == ROWS + 1
