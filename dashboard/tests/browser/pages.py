"""Every page of the product with something on it, by a name; the numbers come from `filled`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx

from dashboard.tests.browser import uploads
from dashboard.tests.browser.site import Site

MODEL = "paged"
ENVIRONMENTS = ("dev", "test", "staging", "production")
TOMORROW = 24 * 3600
KEY_NAMES = ("shop", "nightly report", "old laptop")
OPEN = {
    "board": "/",
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
    "stop a release": "/releases/{waiting}/abort/",
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
    return {
        "accepted": reports[0]["id"],
        "refused": refused["id"],
        "live": releases[-1]["id"],
        "back": back["id"],
        "waiting": waiting["id"],
        "key": key["id"],
        "rotated": rotated["id"],
        "revoked": revoked["id"],
        "token": site.slipway.shell(TOKEN),
    }


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
