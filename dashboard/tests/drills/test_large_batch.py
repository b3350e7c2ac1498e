"""Drill: a file of 5 GB on one worker that is held, by the kernel where it allows that, to 512 MB."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.batch.material import rows
from dashboard.demo.recipes import flight_eta
from dashboard.demo.upload import zipped
from dashboard.tests.drills import processes
from dashboard.tests.drills.running import Slipway, slipway
from dashboard.tests.drills.test_batch import MODEL, begin, ended
from serving.batch.places import OUTPUT

pytestmark = pytest.mark.drill

BYTES = 200_000_000 if os.environ.get("SHORT") else 5_000_000_000
LIMIT = 512 * 2**20
# A remark beside the model's own columns, as files of the real world have them.
NOTE = "as it was written down by whoever stood at the gate, and never read again; "
PACKAGE, BLOCK = 2, 50_000


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    """An installation whose batch worker works on one chunk at a time."""
    folder = tmp_path_factory.mktemp("uploads")
    with slipway(BATCH_THREADS="1") as running:
        running.start()
        api = running.api()
        api.post("/models/", name=MODEL, risk="low")
        upload = folder / "package.zip"
        upload.write_bytes(zipped(flight_eta.write(folder / "package", PACKAGE)))
        api.promote(MODEL, api.accepted(MODEL, upload), "dev")
        yield running


def test_a_file_of_five_gigabytes_needs_no_more_than_512_megabytes(
    one_worker: Slipway, tell: Callable[[str], None], tmp_path: Path
) -> None:
    source = one_worker.var / "batch-inputs" / "flights.csv"
    lines = written(source, tmp_path)
    with caged(one_worker) as how, watched(one_worker) as peak:
        started = time.monotonic()
        done = ended(one_worker, begin(one_worker), 3000)
        seconds = time.monotonic() - started
    assert (done["rows"], done["answered"], done["wrong"]) == (lines, lines, 0)
    output = next((one_worker.var / "batches").glob(f"*/{OUTPUT}"))
    assert output.stat().st_size > source.stat().st_size
    assert newlines(output) == lines + 1
    assert peak["bytes"] < LIMIT
    tell(
        f"large batch: {source.stat().st_size / 1e9:.1f} GB, {lines:,} rows on one worker, {how}: largest memory of "
        f"worker and its process {peak['bytes'] / 2**20:.0f} MiB (limit 512), {lines / seconds:,.0f} rows a second"
    )


def written(path: Path, folder: Path) -> int:
    """Write the file, the same block of flights again and again; return its rows."""
    head, *flights = rows(folder / "block.csv", BLOCK).read_bytes().splitlines(keepends=True)
    block = b"".join(line.rstrip() + b',"' + NOTE.encode() * 2 + b'"\n' for line in flights)
    times = max(1, BYTES // len(block))
    with path.open("wb") as file:
        file.write(head.rstrip() + b",note\n")
        for _ in range(times):
            file.write(block)
    return times * BLOCK


@contextlib.contextmanager
def caged(running: Slipway) -> Iterator[str]:
    """Hold the worker and whatever it starts to 512 MB, where the kernel lets us; says which."""
    cage = Path("/sys/fs/cgroup/memory") / f"slipway-{os.getpid()}"
    try:
        cage.mkdir()
        (cage / "memory.limit_in_bytes").write_text(str(LIMIT))
    except OSError:
        yield "watched"
        return
    for process in family(running):
        (cage / "cgroup.procs").write_text(str(process.pid))
    try:
        yield "held by the kernel"
        assert "oom_kill 0" in (cage / "memory.oom_control").read_text(), "the kernel had to kill"
    finally:
        for pid in (cage / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (cage.parent / "cgroup.procs").write_text(pid)
        with contextlib.suppress(OSError):
            cage.rmdir()


@contextlib.contextmanager
def watched(running: Slipway) -> Iterator[dict[str, int]]:
    """Look at the memory of the worker and its processes; yields the largest sum, what they share counted once."""
    peak, over = {"bytes": 0}, threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            with contextlib.suppress(psutil.Error):
                peak["bytes"] = max(peak["bytes"], sum(process.memory_full_info().pss for process in family(running)))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def family(running: Slipway) -> list[psutil.Process]:
    """The batch worker, and the processes that answer for it."""
    worker = psutil.Process(running.children()["batch"])
    pids = {worker.pid, *(child.pid for child in worker.children(recursive=True)), *processes.batches_of(running.var)}
    return [psutil.Process(pid) for pid in sorted(pids)]


def newlines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(data.count(b"\n") for data in iter(lambda: file.read(1 << 22), b""))


@pytest.fixture(scope="module", autouse=True)
def _room() -> None:
    """Input, parts and output lie side by side."""
    if shutil.disk_usage("/tmp").free < 4 * BYTES:
        pytest.skip(f"needs {4 * BYTES / 1e9:.0f} GB of disk")
