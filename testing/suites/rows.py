"""Which rows a load run sends: those of the example, of a file in the package, or what clients asked in production."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import msgspec
from django.conf import settings as django

from releases import capture
from releases.models import Environment, Package
from serving.artefacts import folder_of
from serving.contract import ContractError, Decoder
from testing import target
from testing.loadgen import Call
from testing.suites import asking
from testing.suites.base import Stop

SOURCES = ("example", "file", "recorded")
FILE = "load.json"
RECORDED_MOST = 2000


def bodies(package: Package, source: str) -> list[bytes]:
    """Return V1 bodies of one row each; raises Stop where the source holds none that the signature takes."""
    rows = {"example": _example, "file": _file, "recorded": _recorded}[source](package)
    decoder, good = Decoder(asking.signature(package)), []
    for row in rows:
        body = msgspec.json.encode({"instances": asking.instances(package, [row])})
        try:
            decoder.decode_v1(body)
        except ContractError:
            continue
        good.append(body)
    if not good:
        raise Stop("errored", NOTHING[source])
    return good


NOTHING = {
    "example": "The package's example holds no row that its signature takes.",
    "file": f'The package brings no {FILE} with {{"instances": [...]}} that its signature takes.',
    "recorded": "No request of this model was recorded in production. Turn recording on, or choose other rows.",
}


def calls(package: Package, environment: Environment, source: str, pin: Package | None = None) -> Iterator[Call]:
    """Yield the rows over and over as calls of this model; `pin` names another package that shall answer."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {target.key(environment.name)}"}
    if pin is not None:
        headers["X-Package"] = str(pin.number)
    url = f"{target.address(environment.name)}/{environment.name}/v1/models/{package.model.name}:predict"
    return (Call(url, body, headers) for body in itertools.cycle(bodies(package, source)))


def _example(package: Package) -> list[Any]:
    return list(package.example)


def _file(package: Package) -> list[Any]:
    path = folder_of(django.PACKAGES, package.digest) / FILE
    try:
        found = json.loads(path.read_bytes())["instances"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return found if isinstance(found, list) else []


def _recorded(package: Package) -> list[Any]:
    """Newest hours would need reading backwards; the first records of what is kept are as true."""
    records = capture.read(package.model.name, "production", limit=RECORDED_MOST)
    return [row for record in records for row in record.instances()][:RECORDED_MOST]
