"""Drill: the same flights by REST, batch, stream and on devices: the same numbers, the same refusals."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import _browser_path
from dashboard.demo.flights import TRAFFIC, read
from dashboard.demo.recipes import flight_eta
from dashboard.demo.upload import zipped
from dashboard.tests.drills.running import Slipway, until
from serving.streams import broker
from serving.streams.names import Names

pytestmark = pytest.mark.drill

ROWS = 500 if os.environ.get("SHORT") else 5_000
NUMBERS = (2,) if os.environ.get("SHORT") else (1, 2, 3)
LIMIT, BROWSER_LIMIT = 1e-6, 1e-5
# What stands in every fiftieth row instead, and so must be refused in each mode.
WRONG: list[dict[str, Any]] = [{"distance": -1}, {"month": 13}, {"origin": "LHR"}, {"hour": 24}, {"carrier": None}]
Refusals = dict[int, list[tuple[str, str]]]
Found = tuple[dict[int, float], Refusals]
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.needs("browser")
def test_every_mode_gives_the_same_numbers_and_the_same_refusals(
    shared: Slipway, tell: Callable[[str], None], tmp_path: Path
) -> None:
    flights = [flight.features() for flight in read(TRAFFIC)][:ROWS]
    rows = [{**row, **WRONG[at // 50 % len(WRONG)]} if at % 50 == 49 else row for at, row in enumerate(flights)]
    worst, in_browser, refused = 0.0, 0.0, 0
    for number in NUMBERS:
        model = f"parity-{number}"
        release(shared, model, number, tmp_path)
        numbers, refusals = by_rest(shared, model, rows)
        for mode in (by_batch, by_stream, by_runner):
            worst = max(worst, apart(mode(shared, model, rows), (numbers, refusals)))
        in_browser = max(in_browser, apart(by_chromium(shared, model, rows), (numbers, refusals)))
        refused = len(refusals)
    tell(
        f"parity: {ROWS:,} flights, packages {', '.join(map(str, NUMBERS))}, by REST, batch, stream and the bundle's "
        f"own runner: largest relative difference {worst:.1e} (limit {LIMIT:.0e}); the bundle in Chromium: "
        f"{in_browser:.1e} (limit {BROWSER_LIMIT:.0e}); the same {refused} rows refused by the same rules in each"
    )
    assert refused == ROWS // 50
    assert worst <= LIMIT
    assert in_browser <= BROWSER_LIMIT


def apart(theirs: Found, ours: Found) -> float:
    """Return the largest relative difference, of the same rows; the refusals must be the same."""
    assert theirs[1] == ours[1]
    assert theirs[0].keys() == ours[0].keys()
    return max(abs(theirs[0][at] - found) / abs(found) for at, found in ours[0].items())


def release(shared: Slipway, model: str, number: int, folder: Path) -> None:
    api = shared.api()
    api.post("/models/", name=model, risk="low")
    upload = folder / f"{number}.zip"
    upload.write_bytes(zipped(flight_eta.write(folder / str(number), number)))
    api.promote(model, api.accepted(model, upload), "dev")


def by_rest(shared: Slipway, model: str, rows: list[dict[str, Any]]) -> Found:
    """One call a row, so that a refusal is one row's own."""
    found: dict[int, float] = {}
    refusals: Refusals = {}
    address = f"{shared.others}/dev/v1/models/{model}:predict"
    with httpx.Client(timeout=60, trust_env=False) as client:
        for at, row in enumerate(rows):
            answer = client.post(address, json={"instances": [row]})
            if answer.status_code == 200:
                found[at] = answer.json()["predictions"][0]
            else:
                assert answer.status_code == 400
                refusals[at] = [(each["field"], each["rule"]) for each in answer.json()["details"]]
    return found, refusals


def by_batch(shared: Slipway, model: str, rows: list[dict[str, Any]]) -> Found:
    """As JSON lines, in which texts and numbers are what they are for REST."""
    body = "\n".join(json.dumps({"at": at, **row}) for at, row in enumerate(rows)).encode()
    api = shared.api()
    files = {"file": ("flights.jsonl", body)}
    token = {"Authorization": f"Token {(shared.var / 'secrets' / 'drill-token').read_text()}"}
    with httpx.Client(timeout=60, trust_env=False) as client:
        where = {"model": model, "environment": "dev"}
        made = client.post(f"{shared.web}/api/batches/", data=where, files=files, headers=token)
        assert made.status_code == 202, made.text
        url = f"/batches/{made.json()['id']}/"
        done = until("the batch", lambda: (job := api.get(url))["ended_at"] and job, 120)
        assert done["state"] == "done", done["words"]
        output = client.get(done["output_url"]).text
        errors = client.get(done["errors_url"]).text
    found = {line["at"]: line["prediction"] for line in map(json.loads, output.splitlines())}
    refusals: Refusals = {}
    for row, field, rule in list(csv.reader(io.StringIO(errors)))[1:]:
        refusals.setdefault(int(row) - 1, []).append((field, rule))
    return found, refusals


def by_stream(shared: Slipway, model: str, rows: list[dict[str, Any]]) -> Found:
    address, names = f"{shared.others}/dev/stream/{model}", Names("dev", model)
    found: dict[int, float] = {}
    with httpx.Client(timeout=60, trust_env=False) as client:
        records = [{"id": str(at), "row": row} for at, row in enumerate(rows)]
        for start in range(0, len(records), 1000):
            assert client.post(address, json={"records": records[start : start + 1000]}).status_code == 202
        with shared.redis() as redis:
            until("the stream", lambda: broker.depth(redis, names).records == 0, 120)
            letters = broker.letters(redis, names, len(rows))
        cursor = "0-0"
        while (page := client.get(f"{address}/results", params={"after": cursor, "limit": 1000}).json())["results"]:
            found |= {int(each["id"]): each["prediction"] for each in page["results"]}
            cursor = page["next"]
    refusals = {int(letter.id): [(each["field"], each["rule"]) for each in letter.details] for _, letter in letters}
    return found, refusals


def by_runner(shared: Slipway, model: str, rows: list[dict[str, Any]]) -> Found:
    """Export the package, unpack it as a device does, and ask its own runner."""
    api, folder = shared.api(), shared.var.parent / "devices" / model
    api.post(f"/models/{model}/packages/1/edge/")
    archive = api.http.get(f"/models/{model}/packages/1/edge/zip/").content
    zipfile.ZipFile(io.BytesIO(archive)).extractall(folder / "bundle")
    (folder / "slipway.key").write_text(api.get(f"/models/{model}/edge/")["key"])
    runner = [sys.executable, str(folder / "bundle" / "runner.pyz")]
    home = ["--home", str(folder / "home")]
    install = ["install", str(folder / "bundle"), "--key", str(folder / "slipway.key"), *home]
    subprocess.run([*runner, *install], check=True, capture_output=True, timeout=120)
    lines = "\n".join(bodies(rows))
    done = subprocess.run([*runner, "predict", *home], input=lines, capture_output=True, text=True, timeout=300)
    return read_answers([json.loads(line) for line in done.stdout.splitlines()])


def by_chromium(shared: Slipway, model: str, rows: list[dict[str, Any]]) -> Found:
    """Ask the page that runs the same bundle with onnxruntime-web."""
    given = {
        "chromium": _browser_path(),
        "web": shared.web,
        "session": shared.browser().http.cookies["sessionid"],
        "path": f"/models/{model}/packages/1/edge/browser/",
        "bodies": bodies(rows),
    }
    command = [sys.executable, "-m", "dashboard.tests.drills.in_chromium"]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return read_answers(json.loads(done.stdout))


def bodies(rows: list[dict[str, Any]]) -> list[str]:
    """One request a row, so that a refusal is one row's own."""
    return [json.dumps({"instances": [row]}) for row in rows]


def read_answers(found: list[dict[str, Any]]) -> Found:
    numbers = {at: each["predictions"][0] for at, each in enumerate(found) if "predictions" in each}
    refused = {at: each["details"] for at, each in enumerate(found) if "details" in each}
    return numbers, {at: [(each["field"], each["rule"]) for each in details] for at, details in refused.items()}
