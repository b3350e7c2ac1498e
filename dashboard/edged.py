"""Channels, fleets and bundles in words: what devices are offered, what they run, and what a bundle is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from dashboard import figures
from releases.actions import steering
from releases.models import EdgeBundle, EdgeChannel, Environment, MLModel, Package, Release, Route
from releases.modes.edge import bundles, channels, fleet
from releases.rights import DEPLOY, may
from serving.edge.documents import MANIFEST, Manifest
from serving.edge.making import FULL, SMALLER

if TYPE_CHECKING:
    from releases.rights import Person

NAMES = {FULL: "Full", SMALLER: "Smaller"}
WORDS = {
    "passed": "runs what it is offered",
    "failed": "could not run it",
    "refused": "refused it",
    "off": "was told to stop",
}


def page(model: MLModel, person: Person) -> dict[str, Any]:
    """Return both channels of a model, its fleet by version, and the devices in trouble."""
    rows = {row.name: row for row in _channels(model)}
    versions = fleet.versions(rows.values())
    places = {place.name: place for place in Environment.objects.filter(name__in=EdgeChannel.FOLLOWS.values())}
    live = {
        route.environment_id: route.stable
        for route in Route.objects.filter(model=model, environment__in=places.values()).select_related("stable")
    }
    shown = [
        _channel(model, name, rows.get(name), places.get(EdgeChannel.FOLLOWS[name]), live, versions, person)
        for name in EdgeChannel.Name
    ]
    return {"channels": shown, "troubled": [_device(each) for each in fleet.troubled(rows.values())]}


def _channels(model: MLModel) -> QuerySet[EdgeChannel]:
    return EdgeChannel.objects.filter(model=model).select_related("environment", "bundle__package")


def _channel(
    model: MLModel,
    name: EdgeChannel.Name,
    row: EdgeChannel | None,
    place: Environment | None,
    live: dict[int, Package | None],
    versions: list[fleet.Version],
    person: Person,
) -> dict[str, Any]:
    package = live.get(place.pk) if place else None
    running = channels.coming(row) if row else None
    own = [each for each in versions if row and each.channel.pk == row.pk]
    offered = row.bundle.package if row and row.on and row.bundle else None
    return {
        "name": name.value,
        "title": f"Devices of {name.value} by package",
        "stays": f"Package {package.number} cannot go to devices; they keep what they have." if package else "",
        "follows": EdgeChannel.FOLLOWS[name],
        "place": place,
        "row": row,
        "on": bool(row and row.on),
        "offered": offered,
        "live": package,
        "why_not": bundles.why_not(package) if package else "",
        "behind": bool(package and package != offered and running is None),
        "running": _running(running),
        "versions": (shown := _versions(own, offered, running)),
        "parts": [{"weight": each["weight"], "label": each["name"], "arm": each["role"]} for each in shown],
        "devices": sum(each.devices for each in own),
        "may": place is not None and may(person, DEPLOY, place),
    }


def _running(release: Release | None) -> dict[str, Any] | None:
    if release is None:
        return None
    number = release.package.number if release.package else None
    parts = [
        {"weight": release.weight, "label": f"Package {number}" if number else "Off", "arm": "candidate"},
        {"weight": 100.0 - release.weight, "label": "As before", "arm": "stable"},
    ]
    return {"release": release, "parts": parts, "steering": steering.legal(release), "number": number}


def shares(release: Release) -> list[dict[str, Any]]:
    """Return how a release parts the devices, as a split bar shows it."""
    running = _running(release)
    return running["parts"] if running else []


def facts(release: Release) -> list[dict[str, Any]]:
    """Return the strip of figures of a release to devices: what they said about it."""
    channel = EdgeChannel.objects.filter(model=release.model, environment=release.environment).first()
    if channel is None:
        return []
    seen = fleet.seen(channel, release)
    return [
        {"label": "Devices", "value": figures.count(seen.devices), "note": "seen within a day"},
        {"label": "In the share", "value": figures.count(seen.chosen)},
        {"label": "Run it", "value": figures.count(seen.took)},
        {
            "label": "Could not",
            "value": figures.count(seen.failed),
            **({"tone": "bad", "note": "what they had goes on"} if seen.failed else {}),
        },
    ]


def _versions(own: list[fleet.Version], offered: Package | None, running: Release | None) -> list[dict[str, Any]]:
    devices = sum(each.devices for each in own) or 1
    roles = {running.package.number: "candidate"} if running and running.package else {}
    roles |= {offered.number: "stable"} if offered else {}
    return [
        {
            "number": each.package,
            "name": f"Package {each.package}" if each.package else "Nothing",
            "role": roles.get(each.package or 0, "previous"),
            "devices": each.devices,
            "share": figures.percent(each.devices / devices),
            "weight": 100.0 * each.devices / devices,
            "failed": each.failed,
            "silent": each.silent,
            "time": figures.duration(each.seconds) if each.seconds else figures.NOTHING,
            "seen_at": each.seen_at,
        }
        for each in own
    ]


def _device(device: Any) -> dict[str, Any]:
    return {"device": device, "said": device.words or WORDS[device.state]}


def of_package(package: Package) -> dict[str, Any]:
    """Return the fleet by version with this package in it, by channel, and whether a bundle can be made of it."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for each in fleet.counted(package.model_id):
        rows.setdefault(each["channel"], []).append(each)
    return {"why_not": bundles.why_not(package), "fleet": [_fleet(package, *item) for item in rows.items()]}


def _fleet(package: Package, channel: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    everybody = sum(each["devices"] for each in rows)
    mine = next((each for each in rows if each["package"] == package.number), {"devices": 0, "failed": 0})
    parts = [
        {
            "weight": 100.0 * each["devices"] / everybody,
            "label": f"Package {each['package']}" if each["package"] else "Nothing",
            "arm": "candidate" if each["package"] == package.number else "previous",
        }
        for each in rows
    ]
    return {"channel": channel, "parts": parts, "everybody": everybody, **mine}


def bundle(package: Package) -> dict[str, Any]:
    """Return the bundles of a package: the full one, and the smaller one or why there is none."""
    full, small = bundles.newest(package, FULL), bundles.newest(package, SMALLER)
    refused = EdgeBundle.objects.filter(package=package, variant=SMALLER).first()
    return {
        "why_not": bundles.why_not(package),
        "bundles": [_bundle(each) for each in (full, small) if each],
        "full": full,
        "smaller": small,
        "no_smaller": "" if small or refused is None else refused.words,
        "files": _files(full) if full else [],
    }


def _bundle(row: EdgeBundle) -> dict[str, Any]:
    return {
        "row": row,
        "name": NAMES[row.variant],
        "size": figures.size(row.size),
        "memory": figures.size(row.memory) if row.memory else figures.NOTHING,
        "time": figures.duration(row.seconds),
        "apart": f"{row.apart:.2%}" if row.variant == SMALLER else "the same",
        "tolerance": f"{row.tolerance:.0%}" if row.tolerance >= 0.01 else f"{row.tolerance:.0e}",
    }


def _files(row: EdgeBundle) -> list[dict[str, Any]]:
    data = (bundles.folder(row.bundle or "") / MANIFEST).read_bytes()
    return [vars(file) for file in Manifest.from_bytes(data).files]
