"""Channels, fleets and releases to devices as the tests want them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from releases import reconciler, routes
from releases.actions import releases
from releases.models import EdgeChannel, EdgeDevice, Environment, Package, Release
from releases.modes.edge import fleet, signing
from releases.tests.conftest import FakeGateway
from serving.edge.documents import CHANNEL, Offer, verify

NAMES = [f"till-{number}" for number in range(40)]


def to_the_end(release: Release, most: int = 30) -> Release:
    """Look at a release until it waits, or has ended."""
    for _ in range(most):
        plan = reconciler.reconcile(release.pk)
        if plan is None or plan.action == "hold":
            break
    release.refresh_from_db()
    return release


def offer_of(channel: EdgeChannel) -> Offer:
    channel.refresh_from_db()
    data = channel.offer.encode()
    verify(CHANNEL, data, channel.signature, signing.private_key().public_key())
    return Offer.from_bytes(data)


def offered(channel: EdgeChannel) -> tuple[int | None, int | None, float]:
    offer = offer_of(channel)
    return offer.bundle and offer.bundle.package, offer.coming and offer.coming.package, offer.share


def check_in(channel: EdgeChannel, name: str, bundle: str, state: str = "passed", **more: Any) -> EdgeDevice:
    told = {"device": name, "bundle": bundle, "state": state, "words": "", "seconds": 0.001, "memory": 1, **more}
    return fleet.check_in(channel, told)


def follow_offer(channel: EdgeChannel, failing: bool = False) -> None:
    """All devices do what they are offered; `failing`: those of the coming bundle cannot."""
    offer = offer_of(channel)
    for name in NAMES:
        wanted = offer.wanted(name)
        if failing and wanted and wanted == offer.coming:
            check_in(channel, name, offer.bundle.id if offer.bundle else "", "failed", words="no")
        else:
            check_in(channel, name, wanted.id if wanted else "", "passed" if wanted else "off")


def later(release: Release, seconds: float) -> None:
    since = timezone.now() - timedelta(seconds=seconds)
    Release.objects.filter(pk=release.pk).update(step_since=since)


def go_live(package: Package, environment: Environment, gateway: FakeGateway) -> Release:
    """Release a package for calls, all the way."""
    Environment.objects.filter(pk=environment.pk).update(needs_previous=False)
    environment.refresh_from_db()
    release = releases.promote(actor=None, package=package, environment=environment, strategy="recreate")
    for _ in range(20):
        routes.send_all()
        gateway.adopt()
        reconciler.reconcile(release.pk)
    release.refresh_from_db()
    assert release.state == "live", release.note
    return release


def finish(release: Release, channel: EdgeChannel) -> Release:
    for _ in range(len(release.plan["steps"]) + 1):
        follow_offer(channel)
        later(release, 100_000)
        to_the_end(release)
    assert release.state == "live", release.note
    return release
