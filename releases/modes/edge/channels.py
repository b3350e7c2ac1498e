"""Channels: what devices are offered, signed anew with each change, and numbered so that no old offer comes back."""

from __future__ import annotations

import time
from dataclasses import replace

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from releases import lifecycle
from releases.actions import audit
from releases.errors import Conflict, Refused
from releases.models import EdgeBundle, EdgeChannel, Environment, MLModel, Release
from releases.modes.edge.signing import private_key
from releases.rights import DEPLOY, require
from serving.edge.documents import CHANNEL, Bundle, Offer, sign


def channel_of(release: Release) -> EdgeChannel | None:
    """Return the channel that a release to devices goes to."""
    return followers(release.model, release.environment).first()


def followers(model: MLModel, environment: Environment) -> QuerySet[EdgeChannel]:
    """Return the channels that follow what is live for the model there."""
    return EdgeChannel.objects.filter(model=model, environment=environment, on=True).select_related("bundle__package")


def switch(*, actor: User | None, model: MLModel, name: str, on: bool) -> EdgeChannel:
    """Open a channel, or close it: its devices keep what they have, and are told that the model is off.

    Raises Forbidden, Refused (no such channel, or nothing to follow).
    """
    if name not in EdgeChannel.Name.values:
        raise Refused(f"There is no channel {name!r}. Choose one of: {', '.join(EdgeChannel.Name.values)}.", "channel")
    followed = EdgeChannel.FOLLOWS[EdgeChannel.Name(name)]
    environment = Environment.objects.filter(name=followed).first()
    if environment is None:
        raise Conflict(f"The channel {name} follows the environment {followed}, which there is not.")
    require(actor, DEPLOY, environment)
    with transaction.atomic():
        columns = {"environment": environment, "changed_at": timezone.now(), "on": False}
        EdgeChannel.objects.get_or_create(model=model, name=name, defaults=columns)
        channel = EdgeChannel.objects.select_for_update().get(model=model, name=name)
        if channel.on != on:
            channel.on, channel.changed_at = on, timezone.now()
            channel.save(update_fields=["on", "changed_at"])
            if not on and (running := held(channel)):
                lifecycle.move(running, "abort", at=channel.changed_at, actor=actor, reason="The channel was closed.")
            details = {"channel": name, "on": on}
            audit.record(
                "edge.channel", channel, actor=actor, model=model.name, environment=environment.name, details=details
            )
        publish(channel)
    return channel


def lock(channel: EdgeChannel) -> EdgeChannel:
    """Take the channel for the rest of the transaction, and return it as it is now."""
    rows = EdgeChannel.objects.select_for_update(of=("self",))
    return rows.select_related("model", "environment", "bundle__package").get(pk=channel.pk)


def publish(channel: EdgeChannel) -> Offer:
    """Sign what the channel offers now, in the caller's transaction; what has not changed keeps its number."""
    with transaction.atomic():
        locked = lock(channel)
        wanted = render(locked)
        before = Offer.from_bytes(locked.offer.encode()) if locked.offer else None
        if before and replace(wanted, serial=before.serial) == before:
            return before
        # By the clock, so that a database that was restored does not count again what devices have seen.
        offer = replace(wanted, serial=max(locked.serial + 1, int(1000 * time.time())))
        data = offer.to_bytes()
        locked.serial, locked.offer = offer.serial, data.decode()
        locked.signature, locked.changed_at = sign(CHANNEL, data, private_key()), timezone.now()
        locked.save(update_fields=["serial", "offer", "signature", "changed_at"])
    return offer


def render(channel: EdgeChannel) -> Offer:
    """Return the offer without its number, from the rows alone."""
    offer = Offer(channel.model.name, channel.name, 0)
    if not channel.on:
        return offer
    bundle = _bundle(channel.bundle)
    release = coming(channel)
    if release is None or release.state != Release.State.SHIFTING:
        return replace(offer, bundle=bundle)
    found = EdgeBundle.objects.filter(bundle=release.plan.get("bundle")).select_related("package").first()
    if release.package is None or release.weight >= 100:
        return replace(offer, bundle=_bundle(found))
    return replace(
        offer, bundle=bundle, coming=_bundle(found), share=release.weight / 100, seed=f"release {release.pk}"
    )


def coming(channel: EdgeChannel) -> Release | None:
    """Return the release that is on its way to the channel's devices."""
    return _coming(Release.objects.all(), channel)


def held(channel: EdgeChannel) -> Release | None:
    """Return that release, and let nobody else change it for the rest of the transaction."""
    return _coming(Release.objects.select_for_update(of=("self",)), channel)


def _coming(rows: QuerySet[Release], channel: EdgeChannel) -> Release | None:
    found = rows.filter(model=channel.model_id, environment=channel.environment_id, strategy="edge")
    return found.filter(state__in=Release.UNFINISHED).select_related("package", "model", "environment").first()


def _bundle(row: EdgeBundle | None) -> Bundle | None:
    return Bundle(row.bundle, row.package.number) if row and row.bundle else None
