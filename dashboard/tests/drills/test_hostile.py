"""Drill: hostile uploads to a running server: refused in words, nothing executed, nothing left, still alive."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from conftest import SHORT
from dashboard.tests.drills.people import Api
from dashboard.tests.drills.running import Slipway, until
from releases.tests import hostile, models
from testing.client import GatewayClient

pytestmark = pytest.mark.drill

MODEL, PROBE = "hostile", "travel-time"
# The kinds that were promised by name; the short form sends these.
PROMISED = (
    "a .pkl",
    "a .joblib",
    "a pickle renamed .skops",
    "a pickle in a zip",
    "a skops file of a foreign class",
    "a skops file that calls os.system",
    "a package that trusts itself",
    "a tree with a child outside",
    "a zip that climbs out of its folder",
    "a zip with a link",
    "a zip of 10 GB",
    "a zip of 10 GB that says 1 kB",
    "a tar of 10 GB",
)
MOST_SECONDS, MOST_BYTES = 120.0, 700 * hostile.MIB


def test_every_hostile_upload_is_refused(shared: Slipway, folder: Path, tell: Callable[[str], None]) -> None:
    api = shared.api()
    probe = one_that_answers(shared, api, folder)
    api.post("/models/", name=MODEL)
    before, slowest, most = files(shared.var), ("", 0.0), ("", 0)
    names = [name for name in hostile.CASES if name in PROMISED or not SHORT]
    for number, name in enumerate(names):
        place, canary = folder / str(number), folder / f"canary-{number}"
        place.mkdir()
        with disk_use(shared.var) as use:
            began = time.monotonic()
            reason = refused(api, hostile.CASES[name], place, canary, name)
            seconds = time.monotonic() - began
        slowest, most = max(slowest, (name, seconds), key=last), max(most, (name, use.most), key=last)
        assert not canary.exists(), f"{name}: it was executed."
        assert hostile.CASES[name].words in reason, f"{name}: {reason}"
        probe()
    until("nothing to be left", lambda: files(shared.var) == before, 10)
    assert set(PROMISED) <= set(names)
    assert not api.get(f"/models/{MODEL}/packages/")["results"]
    tell(
        f"hostile uploads: {len(names)} refused in words, 0 executed, 0 files left, a prediction and a page answered "
        f"after each; slowest {slowest[1]:.1f} s ({slowest[0]}), most disk {most[1] / hostile.MIB:.0f} MiB ({most[0]})"
    )
    assert slowest[1] < MOST_SECONDS
    assert most[1] < MOST_BYTES


def refused(api: Api, case: hostile.Case, place: Path, canary: Path, name: str) -> str:
    """Upload and return the sentence of the refusal, whether the door or the intake gave it."""
    upload = as_a_file(case.build(place, canary))
    with upload.open("rb") as data:
        answer = api.http.post(f"/models/{MODEL}/packages/", files={"file": (upload.name, data)})
    upload.unlink()
    if answer.status_code == 400:
        return str(answer.json())
    assert answer.status_code == 202, f"{name}: {answer.status_code} {answer.text[:300]}"
    path = f"/intakes/{answer.json()['id']}/"
    report = until(f"the intake of {name}", lambda: ended(api.get(path)), MOST_SECONDS, 0.1)
    assert report["state"] == "refused", f"{name}: {report}"
    assert report["package"] is None
    return str(report["reason"])


def as_a_file(upload: Path) -> Path:
    """A folder comes as a zip, its links as links."""
    if upload.is_file():
        return upload
    members = {file.relative_to(upload).as_posix(): file for file in upload.rglob("*") if not file.is_dir()}
    link = any(file.is_symlink() for file in members.values())
    content = {
        name: os.readlink(file).encode() if file.is_symlink() else file.read_bytes() for name, file in members.items()
    }
    options: dict[str, Any] = {"attributes": 0o120777 << 16} if link else {}
    return hostile.zipped(upload.with_suffix(".zip"), content, **options)


def one_that_answers(slipway: Slipway, api: Api, folder: Path) -> Callable[[], None]:
    """Release a model to dev; return a call that fails unless it and a page answer."""
    file = folder / "travel-time.onnx"
    file.write_bytes(models.travel_time())
    api.post("/models/", name=PROBE)
    api.promote(PROBE, api.accepted(PROBE, file), "dev")

    def ask() -> None:
        with GatewayClient(slipway.others, "dev") as client:
            assert client.predict_v1(PROBE, [{"distance": 100.0, "speed": 50.0}]).predictions == [2.0]
        assert httpx.get(f"{slipway.web}/sign-in/", timeout=20).status_code == 200

    return ask


def files(var: Path) -> set[str]:
    """Return every file and folder of the installation that an upload may have made."""
    ours = ("log", "valkey", "redis", "gateway", "beat", "static")
    found = {path.relative_to(var).as_posix() for path in var.rglob("*")}
    return {path for path in found if path.split("/")[0] not in ours and not path.startswith("db.sqlite3")}


@contextmanager
def disk_use(var: Path) -> Iterator[SimpleNamespace]:
    """Watch how many bytes the installation holds at most, beyond what it holds now."""
    use, ending, first = SimpleNamespace(most=0), threading.Event(), size(var)

    def watch() -> None:
        while not ending.wait(0.05):
            use.most = max(use.most, size(var) - first)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield use
    finally:
        ending.set()
        thread.join()


def size(var: Path) -> int:
    total = 0
    for folder, _, names in os.walk(var):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
    return total


def ended(report: dict[str, Any]) -> dict[str, Any] | None:
    return report if report["state"] not in ("queued", "running") else None


def last(pair: tuple[str, float]) -> float:
    return pair[1]
