"""Drill: 500 devices take a release in steps, by the same act as the calls; failing ones stop one; a withdrawal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboard.demo.recipes import flight_eta
from dashboard.demo.upload import zipped
from dashboard.tests.drills.running import ROOT, Slipway, until
from serving.edge.documents import Offer, place_of

pytestmark = pytest.mark.drill

DEVICES = 60 if os.environ.get("SHORT") else 500
MODEL = "rolling"
AT = f"/models/{MODEL}/edge/stable/"
STEPS = [{"weight": weight, "seconds": 2} for weight in (1, 10, 50)]


def test_a_fleet_follows_what_is_released_for_calls(
    shared: Slipway, tell: Callable[[str], None], tmp_path: Path
) -> None:
    api = shared.api()
    api.post("/models/", name=MODEL, risk="low")
    first, second, third = (register(shared, number, tmp_path) for number in (2, 3, 1))
    everywhere(shared, first)
    api.post(AT, on=True)
    api.ended(api.post(f"{AT}release/")["id"])
    key = tmp_path / "key"
    key.write_text(api.key("production"))
    with fleet(shared, key, tmp_path / "fleet", failing=0) as lines:
        until("the fleet to have the first package", lambda: runs(shared, first) == DEVICES, 180)
        began = everywhere(shared, second)
        release = api.get(AT.removesuffix("stable/"))["channels"][0]["release"]
        assert began["state"] == "live"
        audit = api.get("/audit/", action="release.finish", model=MODEL, environment="production")["results"][0]
        assert audit["details"]["modes"] == ["rest", "batch", "stream", "edge stable"]
        go_by(shared, release, STEPS)
        shares = watched(shared, release, second)
        until("the fleet to have the second package", lambda: runs(shared, second) == DEVICES, 120)
        page = shared.browser().http.get(f"/models/{MODEL}/edge/").text
        assert f"Package {second}" in page
        api.post(f"{AT}withdraw/", reason="It is hot.")
        until("the fleet to have the first package again", lambda: runs(shared, first) == DEVICES, 120)
        assert f"Package {first}" in shared.browser().http.get(f"/models/{MODEL}/edge/").text
    assert lines, "the fleet said nothing"
    failing = by_themselves(shared, third, key, tmp_path)
    tell(
        f"edge: {DEVICES} devices took package {second} in shares of {', '.join(f'{s:.1%}' for s in shares)} (1, 10, "
        f"50, 100 % asked), and package {first} again after the withdrawal; a release of which 30 % of the devices "
        f"failed the self-test was taken back by itself at {failing['weight']:g} %: {failing['note']}"
    )


def by_themselves(shared: Slipway, package: int, key: Path, folder: Path) -> dict[str, Any]:
    """Release a package that 30 % of the devices cannot run; it must fail, and nobody keeps it."""
    api = shared.api()
    with fleet(shared, key, folder / "fleet", failing=30):
        everywhere(shared, package)
        release = api.get(AT.removesuffix("stable/"))["channels"][0]["release"]
        # It keeps the share that it has by now, for the time of the first of these.
        steps = [{"weight": 40, "seconds": 5}, {"weight": 90, "seconds": 600}]
        go_by(shared, release, steps)
        weights = []

        def ended() -> Any:
            found = api.get(f"/releases/{release}/")
            weights.append(found["weight"])
            return found["state"] == "failed" and found

        found = until("the failing release to end", ended, 180, why=lambda: api.get(f"/releases/{release}/"))
        until("nobody to run it", lambda: runs(shared, package) == 0, 120)
    return {**found, "weight": max(weights)}


def go_by(shared: Slipway, release: int, steps: list[dict[str, float]]) -> None:
    """Give a release other steps; while it moves somebody else may be first, and one asks again."""
    api = shared.api()
    until("other steps", lambda: api.http.post(f"/releases/{release}/steps/", json={"steps": steps}).status_code == 200)


def watched(shared: Slipway, release: int, package: int) -> list[float]:
    """Follow a release to its end; return the largest share of the fleet at each of its steps, then all of it."""
    api, seen = shared.api(), dict[float, float]()

    def ended() -> Any:
        found, share = api.get(f"/releases/{release}/"), runs(shared, package) / DEVICES
        same = api.get(f"/releases/{release}/")["weight"] == found["weight"]
        if found["state"] == "shifting" and same:  # else some of them have seen the next step already
            seen[found["weight"]] = max(seen.get(found["weight"], 0.0), share)
        return found["state"] == "live"

    until("the release to be live", ended, 300, why=lambda: api.get(f"/releases/{release}/"))
    names = [f"device-{number:04}" for number in range(DEVICES)]
    for weight, share in seen.items():
        wanted = sum(place_of(f"release {release}", name) < weight / 100 for name in names) / DEVICES
        assert share <= wanted + 1e-9, "more devices than their share had it"
    until("all of them", lambda: runs(shared, package) == DEVICES, 120)
    return [*(seen[weight] for weight in sorted(seen) if weight < 100), 1.0]


def runs(shared: Slipway, package: int) -> int:
    """Return how many devices say that they run the package, by REST."""
    (channel,) = shared.api().get(f"/models/{MODEL}/edge/")["channels"]
    return sum(each["devices"] for each in channel["versions"] if each["package"] == package)


def register(shared: Slipway, number: int, folder: Path) -> int:
    upload = folder / f"{number}.zip"
    upload.write_bytes(zipped(flight_eta.write(folder / str(number), number)))
    return shared.api().accepted(MODEL, upload)


def everywhere(shared: Slipway, package: int) -> dict[str, Any]:
    api = shared.api()
    return [api.promote(MODEL, package, name) for name in ("dev", "test", "staging", "production")][-1]


@contextmanager
def fleet(shared: Slipway, key: Path, home: Path, failing: float) -> Iterator[list[str]]:
    """Run the simulated devices beside; yields what they say, line by line, when it is over."""
    command = [sys.executable, "manage.py", "fleet", "--devices", str(DEVICES), "--model", MODEL, "--every", "0.2"]
    command += ["--key-file", str(key), "--home", str(home), "--failing", str(failing), "--server", shared.web]
    lines: list[str] = []
    process = subprocess.Popen(command, cwd=ROOT, env=shared.environment, stdout=subprocess.PIPE, text=True)
    try:
        yield lines
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=60)
        lines += output.splitlines()


def test_an_old_offer_cannot_come_back(shared: Slipway) -> None:
    """The number of a channel's offers only grows, whatever was released, withdrawn, closed and opened."""
    api = shared.api()
    numbers = [api.get(f"/models/{MODEL}/edge/")["channels"][0]["offer"]]
    for on in (False, True, False, True):
        numbers.append(api.post(AT, on=on)["offer"])
    assert numbers == sorted(set(numbers))
    text = shared.shell(
        f"from releases.models import EdgeChannel; print(EdgeChannel.objects.get(model__name='{MODEL}').offer)"
    )
    assert Offer.from_bytes(text.encode()).serial == numbers[-1]
    assert json.loads(text)["channel"] == "stable"
