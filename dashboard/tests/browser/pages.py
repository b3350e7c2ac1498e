"""Every page of the product with something on it, by a name; the numbers come from `filled`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx

from conftest import DRILL
from dashboard.tests.browser import uploads
from dashboard.tests.browser.site import Site
from dashboard.tests.drills.running import until

MODEL = "paged"
ENVIRONMENTS = ("dev", "test", "staging", "production")
TOMORROW = 24 * 3600
KEY_NAMES = ("shop", "nightly report", "old laptop")
OPEN = {
    "board": "/",
    "stop the line": "/line/",
    "models": "/models/",
    "models, searched": "/models/?q=paged",
    "models, nothing found": "/models/?q=nothing-is-called-this",
    "new model": "/models/-/new/",
    "model": "/models/paged/",
    "model, nothing in it": "/models/empty/",
    "package": "/models/paged/packages/1/",
    "package, compared": "/models/paged/packages/2/?with=1",
    "register": "/models/paged/register/",
    "register, inputs asked": "/models/paged/register/?inputs=1",
    "intake, accepted": "/intakes/{accepted}/",
    "intake, refused": "/intakes/{refused}/",
    "promote": "/models/paged/promote/?package=2&environment=test",
    "promote, blocked": "/models/paged/promote/?package=2&environment=production",
    "roll back": "/models/paged/production/roll-back/",
    "roll back, first package": "/models/paged/staging/roll-back/",
    "roll back, nothing live": "/models/empty/dev/roll-back/",
    "capture": "/models/paged/production/capture/",
    "releases": "/releases/",
    "releases, nothing found": "/releases/?model=empty",
    "release, live": "/releases/{live}/",
    "release, waiting": "/releases/{waiting}/",
    "release, rolled back": "/releases/{back}/",
    "release, canary": "/releases/{canary}/",
    "release, shadow": "/releases/{shadow}/",
    "shadow a package": "/models/planned/shadow/start/?package=2&environment=dev",
    "how packages are compared": "/models/paged/comparing/",
    "serving mode": "/models/paged/serving-mode/?latency=millisecond&arrival=calls&online=yes",
    "serving mode, nothing measured": "/models/empty/serving-mode/",
    "devices": "/models/paged/edge/",
    "devices, none": "/models/empty/edge/",
    "withdraw from devices": "/models/paged/edge/stable/withdraw/",
    "bundle": "/models/paged/packages/1/edge/",
    "bundle, not made": "/models/paged/packages/2/edge/",
    "bundle in the browser": "/models/paged/packages/1/edge/browser/",
    "quiet window": "/models/paged/quiet/?environment=production",
    "quiet window, nothing known": "/models/empty/quiet/?environment=dev",
    "what if": "/releases/{canary}/what-if/?alpha=1&tolerance=5&odds_effect=1.25&slower_effect=1.05"
    "&least_requests=400&error_ceiling=1&drift=off",
    "promote a canary now": "/releases/{canary}/promote/",
    "promote as canary": "/models/planned/promote/?package=2&environment=dev",
    "stop a release": "/releases/{waiting}/abort/",
    "override": "/releases/{waiting}/override/",
    "batches": "/batches/",
    "batches, nothing found": "/batches/?state=failed",
    "batch": "/batches/{batch}/",
    "batch, comparison": "/batches/{compared}/",
    "start a batch": "/models/paged/batches/start/",
    "schedules": "/batches/schedules/",
    "streams": "/streams/",
    "stream": "/streams/production/paged/",
    "stream, no record": "/streams/dev/empty/",
    "suites": "/suites/",
    "suites, nothing found": "/suites/?model=empty",
    "run, smoke": "/runs/{smoke}/",
    "run, load": "/runs/{load}/",
    "run, stress": "/runs/{stress}/",
    "start a suite": "/models/paged/suites/start/?package=1&environment=staging&kind=load",
    "tests of a model": "/models/paged/tests/",
    "set a suite up": "/models/paged/tests/load/",
    "sign-offs": "/uat/",
    "sheet": "/uat/{sheet}/",
    "sheet, rejected": "/uat/{rejected}/",
    "begin a sheet": "/models/paged/uat/start/?package=1&environment=staging",
    "plan": "/models/paged/uat/",
    "plan, nothing in it": "/models/empty/uat/",
    "new case": "/models/paged/uat/new/",
    "change a case": "/models/paged/uat/{case}/",
    "remove a case": "/models/paged/uat/{case}/remove/",
    "gates": "/environments/test/gates/",
    "change a gate": "/environments/test/gates/edit/?model=paged",
    "freezes": "/environments/staging/freezes/",
    "environments": "/environments/",
    "environment": "/environments/production/",
    "new environment": "/environments/-/new/?copy_of=staging",
    "edit an environment": "/environments/staging/edit/",
    "delete an environment": "/environments/staging/delete/",
    "parity": "/environments/staging/parity/?with=production",
    "playground": "/playground/?model=paged&environment=production&compare=dev",
    "playground, nothing live": "/playground/?model=empty&environment=dev",
    "activity": "/activity/",
    "activity, nothing found": "/activity/?model=nothing-is-called-this",
    "keys": "/keys/",
    "key, rotated": "/keys/{rotated}/",
    "key, revoked": "/keys/{revoked}/",
    "rotate a key": "/keys/{key}/rotate/",
    "end an old secret": "/keys/{rotated}/end-old/",
    "revoke a key": "/keys/{key}/revoke/",
    "account": "/account/",
    "revoke a token": "/account/tokens/{token}/revoke/",
    "api": "/api/docs/",
}


def filled(site: Site, folder: Path) -> dict[str, Any]:
    """Bring a package everywhere, a second one to dev and back, and call production; return the numbers of it all."""
    api = site.slipway.api()
    for name in (MODEL, "empty"):
        api.post("/models/", name=name, description="Time = distance / speed.")
    reports = [api.upload(MODEL, uploads.package(folder, number)) for number in (1, 2)]
    refused = api.upload(MODEL, uploads.disguised(folder, folder / "canary"))
    releases = [api.promote(MODEL, 1, name) for name in ENVIRONMENTS]
    api.promote(MODEL, 2, "dev")
    back = api.post(f"/models/{MODEL}/rollback/", environment="dev", reason="It answers twice the time.")
    api.ended(back["id"])
    waiting = api.post("/releases/", model=MODEL, package=2, environment="test", start_at=_tomorrow())
    limits = {"requests_per_second": 200, "concurrent_requests": 8, "origins": ["https://shop.example.com"]}
    key, rotated, revoked = [api.post("/keys/", environment="production", name=name, **limits) for name in KEY_NAMES]
    _call(site, key["secret"])
    api.post(f"/keys/{rotated['id']}/rotate/")
    api.post(f"/keys/{revoked['id']}/revoke/", reason="The laptop was lost.")
    site.slipway.shell(COUNTED.format(model=MODEL))
    weekly = {"name": "Payday", "cron": "0 18 * * 5", "minutes": 600, "zone": "Europe/Berlin"}
    api.post("/environments/staging/freezes/", **weekly)
    batch, compared = _batches(site, api)
    _stream(site, key["secret"])
    _devices(site, api, key["secret"])
    canary = _canary(site, api, folder)
    shadow = _shadow(site, api, key["secret"])
    tested = _tested(api) if DRILL else {}  # only the drill opens those pages
    return tested | {
        "accepted": reports[0]["id"],
        "refused": refused["id"],
        "live": releases[-1]["id"],
        "back": back["id"],
        "waiting": waiting["id"],
        "batch": batch,
        "compared": compared,
        "canary": canary,
        "shadow": shadow,
        "key": key["id"],
        "rotated": rotated["id"],
        "revoked": revoked["id"],
        "token": site.slipway.shell(TOKEN),
    }


def _stream(site: Site, secret: str) -> None:
    """Send records into a stream, one of them wrong, and wait until they are answered."""
    address = f"{site.slipway.production}/production/stream/{MODEL}"
    records = [{"id": f"trip-{number}", "row": {"distance": number, "speed": 2}} for number in range(-1, 30)]
    with httpx.Client(headers={"Authorization": f"Bearer {secret}"}, timeout=60, trust_env=False) as client:
        until("the stream", lambda: client.post(address, json={"records": records}).status_code == 202)
        until("its results", lambda: len(client.get(f"{address}/results").json()["results"]) > 28)


def _devices(site: Site, api: Any, secret: str) -> None:
    """Open a channel, send what is live to it, and let sixty devices check in, two of them in trouble."""
    at = f"/models/{MODEL}/edge/stable/"
    api.post(at, on=True)
    api.ended(api.post(f"{at}release/")["id"])
    address = f"{site.web}/api/edge/{MODEL}/stable/"
    with httpx.Client(headers={"Authorization": f"Bearer {secret}"}, timeout=60, trust_env=False) as client:
        offer = json.loads(client.get(f"{address}manifest/").json()["offer"])
        for number in range(60):
            told = {
                "device": f"till-{number:02}",
                "bundle": offer["bundle"]["id"],
                "state": "passed",
                "seconds": 0.0004,
            }
            if number % 30 == 7:
                words = "The golden rows are answered 1.0e+00 away from what was signed."
                told |= {"bundle": "", "state": "failed", "words": words}
            client.post(f"{address}check-in/", json=told).raise_for_status()


def _batches(site: Site, api: Any) -> tuple[int, int]:
    """Answer a file with a wrong row in it, compare two packages on it, and make a schedule; return both jobs."""
    monthly = {"name": "Monthly forecast", "cron": "0 6 1 * *", "pattern": "trips-{yyyy}-{mm}.csv"}
    place = {"model": MODEL, "environment": "production"}
    api.post("/batches/schedules/", **place, **monthly, zone="Europe/Berlin")
    lines = ["trip,distance,speed", *(f"{number},{number},{2 + number % 3}" for number in range(1, 400)), "400,-1,2"]
    inputs = site.slipway.var / "batch-inputs"
    (inputs / "trips.csv").write_text("\n".join(lines))
    jobs = [int(api.post("/batches/", **place, stored="trips.csv", **more)["id"]) for more in ({}, {"against": 2})]
    for job in jobs:
        until("the batch", lambda: api.get(f"/batches/{job}/")["state"] == "done", 120)  # noqa: B023 - called at once
    return jobs[0], jobs[1]


def _canary(site: Site, api: Any, folder: Path) -> int:
    """Start a canary, and let the judge see 25 minutes of made batches in which nothing is proven yet."""
    api.post("/models/", name="planned")
    for number in (1, 2):
        api.upload("planned", uploads.package(folder, number))
    api.promote("planned", 1, "dev")
    body = {"model": MODEL, "package": 2, "environment": "dev", "strategy": "canary"}
    release = int(api.post("/releases/", **body)["id"])
    until("the first share", lambda: api.get(f"/releases/{release}/")["weight"] > 0)
    api.post(f"/releases/{release}/pause/")
    site.slipway.shell(JUDGED.format(release=release))
    return release


def _shadow(site: Site, api: Any, secret: str) -> int:
    """Start a shadow, and let it compare some pairs."""
    body = {"model": MODEL, "package": 2, "environment": "production", "strategy": "shadow"}
    release = int(api.post("/releases/", **body)["id"])
    until("the shadow", lambda: api.get(f"/releases/{release}/")["state"] == "shifting")
    for _ in range(3):
        _call(site, secret)
    until("pairs", lambda: api.get(f"/releases/{release}/comparison/")["pairs"] > 20)
    return release


def _tested(api: Any) -> dict[str, int]:
    """Run suites on what is live, and look at it as QA does; short ones, because only their pages are looked at."""
    api.patch(f"/models/{MODEL}/suites/load/", values={"seconds": 1.0, "rate": 40.0})
    stress = {"most_rate": 60.0, "step_seconds": 1.0, "repeats": 0, "start_rate": 30.0}
    api.patch(f"/models/{MODEL}/suites/stress/", values=stress)
    place = {"model": MODEL, "package": 1, "environment": "staging"}
    runs = {kind: api.post("/runs/", kind=kind, **place)["id"] for kind in ("load", "stress")}
    runs["smoke"] = until("the smoke test after the switch", lambda: _smoke(api))["id"]
    wants = [{"kind": "unit", "where": "test"}, {"kind": "uat", "where": "dev"}]
    api.post("/environments/test/gates/", model=MODEL, wants=wants)
    row = {"distance": 100.0, "speed": 50.0}
    first = {"title": "A hundred miles at fifty", "row": row, "look_at": "Two hours, as anybody would reckon."}
    case = api.post(f"/models/{MODEL}/uat/", **first, expectation="tolerance", wanted="2", tolerance=0.01)
    api.post(f"/models/{MODEL}/uat/", title="A crawl", row={"distance": 1.0, "speed": 1.0})
    rejected = api.post("/uat/sheets/", **place | {"environment": "test"})["sheet"]
    api.post(f"/uat/sheets/{rejected}/reject/", reason="The second answer is twice what it should be.")
    sheet = api.post("/uat/sheets/", **place)["sheet"]
    asked = api.post(f"/uat/sheets/{sheet}/ask/")
    api.patch(f"/uat/sheets/{sheet}/cases/{asked['cases'][0]['id']}/", mark="pass", note="As it should be.")
    for number in runs.values():
        until(f"run {number}", lambda: api.get(f"/runs/{number}/")["ended_at"])  # noqa: B023 - called at once
    return runs | {"case": case["id"], "sheet": sheet, "rejected": rejected}


def _smoke(api: Any) -> Any:
    """It starts by itself, so none may be started beside it."""
    found = api.get("/runs/", model=MODEL, kind="smoke", environment="staging")["results"]
    return found[0] if found else None


# So that nothing else is judged, the windows of the next day count as judged.
JUDGED = """
from releases.analysis.verdict import Judge, Settings
from releases.models import JudgedBatch, Judgement
from releases.tests.analysis.made import history, run
row = Judgement.objects.get(release={release})
judge = Judge(Settings.from_json(row.settings), history(1))
for batch in run(3, count=150, size=120, weight=0.1, errors=0.014):
    verdict = judge.observe(batch)
    JudgedBatch.objects.update_or_create(release=row.release, number=batch.number, defaults=dict(
        at=row.began + 10 * batch.number - 1500, batch=batch.to_json(), verdict=verdict.to_json(),
        state=verdict.state, evidence=verdict.evidence))
Judgement.objects.filter(pk=row.pk).update(state=judge.to_json(), upto=row.upto + 86400)
"""
# Two weeks of calls, fewer at night and on Sundays.
COUNTED = """
from datetime import timedelta
from django.utils import timezone
from releases.models import Count
first = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=336)
named = dict(seconds=3600, environment="production", model="{model}", package="sha256:" + "0" * 64)
named |= dict(arm="stable", mode="rest", protocol="v1", completions=0)
def calls(at):
    return 60 * (5 + 3 * min(at.hour, 24 - at.hour)) // (2 if at.weekday() == 6 else 1)
hours = [first + timedelta(hours=number) for number in range(336)]
Count.objects.bulk_create([Count(at=at, starts=calls(at), **named) for at in hours])
"""
TOKEN = (
    "from django.contrib.auth.models import User; from releases.actions import keys;"
    "print(keys.issue_token(user=User.objects.get(username='ada'), name='CI')[0].pk)"
)


def _tomorrow() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + TOMORROW))


def _call(site: Site, secret: str) -> None:
    """Give the charts something to draw: good calls and a wrong one."""
    address = f"{site.slipway.production}/production/v1/models/{MODEL}:predict"
    with httpx.Client(headers={"Authorization": f"Bearer {secret}"}, timeout=60, trust_env=False) as client:
        for distance in (*range(1, 20), -1):
            client.post(address, json={"instances": [{"distance": distance, "speed": 2}]})
