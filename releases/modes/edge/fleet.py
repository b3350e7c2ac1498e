"""The fleet: devices check in, and are counted by the package that they run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from releases.errors import Refused
from releases.models import EdgeBundle, EdgeChannel, EdgeDevice, Release
from releases.strategies.base import Fleet
from serving.edge.documents import place_of

# Who has not checked in for so long is not counted on.
LATELY = timedelta(hours=24)
# More devices of one channel are more likely a mistake, or an attack with a key that was stolen.
MOST = 100_000
FAILED = (EdgeDevice.State.FAILED, EdgeDevice.State.REFUSED)


@dataclass
class Version:
    """The devices of one channel that run one package (None: nothing); `seconds` is the median of their rows."""

    channel: EdgeChannel
    package: int | None
    devices: int = 0
    failed: int = 0
    silent: int = 0
    times: list[float] = field(default_factory=list)
    seen_at: datetime | None = None

    @property
    def seconds(self) -> float | None:
        return median(self.times) if self.times else None


def check_in(channel: EdgeChannel, told: dict[str, Any]) -> EdgeDevice:
    """Keep what a device tells; raises Refused for a bundle that was never made here, and for one device too many."""
    now, package = timezone.now(), None
    if told["bundle"]:
        made = EdgeBundle.objects.filter(bundle=told["bundle"]).select_related("package").first()
        if made is None or made.package.model_id != channel.model_id:
            raise Refused("This bundle was not made here for this model.", "bundle")
        package = made.package.number
    columns = {name: told[name] for name in ("bundle", "state", "seconds", "memory")}
    columns |= {"words": told["words"][:300], "package": package, "seen_at": now}
    known = EdgeDevice.objects.filter(channel=channel, name=told["device"]).exists()
    if not known and EdgeDevice.objects.filter(channel=channel).count() >= MOST:
        raise Refused(f"A channel holds {MOST:,} devices. Remove the channel's old ones first.", "device")
    device, _ = EdgeDevice.objects.update_or_create(
        channel=channel, name=told["device"], defaults=columns, create_defaults={**columns, "first_at": now}
    )
    return device


def seen(channel: EdgeChannel, release: Release) -> Fleet:
    """Return what the devices of a channel have said about a release."""
    bundle, since = release.plan.get("bundle", ""), timezone.now() - LATELY
    seed, share = f"release {release.pk}", release.weight / 100
    devices = chosen = took = failed = 0
    rows = EdgeDevice.objects.filter(channel=channel, seen_at__gte=since)
    for name, runs, state, at in rows.values_list("name", "bundle", "state", "seen_at").iterator():
        devices += 1
        if place_of(seed, name) >= share:
            continue
        chosen += 1
        took += runs == bundle and state == EdgeDevice.State.PASSED
        failed += state in FAILED and at >= release.step_since and release.state == Release.State.SHIFTING
    return Fleet(devices, chosen, took, failed, ready=bool(bundle), error=release.plan.get("error", ""))


def versions(channels: Iterable[EdgeChannel]) -> list[Version]:
    """Return the devices by channel and package, the newest package first."""
    found: dict[tuple[int, int | None], Version] = {}
    known = {channel.pk: channel for channel in channels}
    silent = timezone.now() - LATELY
    rows = EdgeDevice.objects.filter(channel__in=known)
    columns = ("channel", "package", "state", "seconds", "seen_at")
    for pk, package, state, seconds, at in rows.values_list(*columns).iterator():
        each = found.setdefault((pk, package), Version(known[pk], package))
        each.devices += 1
        each.failed += state in FAILED
        each.silent += at < silent
        each.seen_at = max(filter(None, (each.seen_at, at)))
        if seconds and state == EdgeDevice.State.PASSED:
            each.times.append(seconds)
    return sorted(found.values(), key=lambda each: (-known[each.channel.pk].pk, -(each.package or 0)))


def counted(model: int) -> list[dict[str, Any]]:
    """Return how many devices of a model (its id) run what: [{channel, package, devices, failed}]."""
    rows = EdgeDevice.objects.filter(channel__model=model)
    failed = Count("pk", filter=Q(state__in=FAILED))
    found = rows.values("channel__name", "package").annotate(devices=Count("pk"), failed=failed)
    names = ("channel__name", "package", "devices", "failed")
    told = ("channel", "package", "devices", "failed")
    ordered = found.order_by("-channel__name", "-package")
    return [dict(zip(told, each, strict=True)) for each in ordered.values_list(*names)]


def troubled(channels: Iterable[EdgeChannel], most: int = 20) -> list[EdgeDevice]:
    """Return devices that could not run what they were offered, the newest first."""
    rows = EdgeDevice.objects.filter(channel__in=list(channels), state__in=FAILED)
    return list(rows.select_related("channel").order_by("-seen_at")[:most])
