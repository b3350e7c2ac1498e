"""Smoke at weight 0: before a package gets its first share, every gateway must give its known answer (D8).

It is asked as a pinned package, with Slipway's own key, so that no caller and no judge sees anything of it. What cannot
be asked from here, because a gateway stands behind another network, is said and holds nothing up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from releases import gateways, known
from releases.actions.keys import internal_secret
from releases.models import Package, Release, SuiteSetting
from serving.gateway.tls import trusting

# A worker stays with one gateway for so long at most.
MOST_SECONDS, TOLERANCE = 10.0, 1e-4
# Full queues say nothing about the package.
BUSY = frozenset({429, 503})
ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


def smoke(release: Release) -> dict[str, str]:
    """Return {"smoke": "pass", "hold: why", "fail: why" or "skip: why"} of the worst gateway; empty without rows."""
    package = release.package
    if package is None or not package.example or not package.answers:
        return {}
    found = [_ask(address, release.environment.name, package) for address in _addresses(release.environment.name)]
    worst = max(found, key=lambda words: ("pass", "skip", "hold", "fail").index(words.partition(":")[0]), default="")
    return {"smoke": worst} if worst else {}


def _addresses(environment: str) -> list[str]:
    return [beat.address for beat in gateways.alive() or [] if environment in beat.environments]


def _ask(address: str, environment: str, package: Package) -> str:
    # One row, as the smoke suite asks it: what a model of ties says to several depends on how many they are.
    rows = package.example[:1]
    if urlsplit(address).hostname in ANYWHERE:
        return f"skip: {address} names no machine."
    url = f"{address}/{environment}/v1/models/{package.model.name}:predict"
    headers = {"Authorization": f"Bearer {internal_secret(environment)}", "X-Package": package.digest}
    seconds = min(MOST_SECONDS, package.model.deadline)
    try:
        with httpx.Client(timeout=seconds, trust_env=False, verify=_trust()) as client:
            answer = client.post(url, json={"instances": known.instances(package, rows)}, headers=headers)
    except httpx.TimeoutException:
        return f"fail: {address} did not answer its example within {seconds:g} s."
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"skip: {address} cannot be reached from here ({type(error).__name__})."
    if answer.status_code in BUSY:
        return f"hold: {address} is too busy to answer its example."
    if answer.status_code != 200:
        return f"fail: {address} answered its example with {answer.status_code}: {_sentence(answer)}"
    return _compared(address, package, [known.plain(each) for each in answer.json()["predictions"]])


def _compared(address: str, package: Package, found: list[Any]) -> str:
    setting = SuiteSetting.objects.filter(model=package.model, kind="smoke").first()
    tolerance = float((setting.values if setting else {}).get("tolerance", TOLERANCE))
    asked = min(len(found), len(package.answers))
    if known.apart(found[:asked], package.answers[:asked]) <= tolerance:
        return "pass"
    pairs = zip(found, package.answers, strict=False)
    one, other = next(pair for pair in pairs if known.apart(pair[:1], pair[1:]) > tolerance)
    return f"fail: {address} answers its example with {one!r}, the intake saw {other!r}."


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])[:200]
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _trust() -> Any:
    return trusting(Path(settings.GATEWAY_TLS_CERT)) if settings.GATEWAY_TLS_CERT else True
