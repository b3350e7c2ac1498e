"""What must not go unnoticed: the one place that whoever sends e-mail or calls webhooks listens to."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.dispatch import Signal

from releases import broker, pulse
from releases.models import BatchJob, Event, Release

log = logging.getLogger(__name__)
# For so long every page tells of it.
LOUD = timedelta(hours=1)
# By nobody's hand: a release that failed, or a rollback that Slipway itself has made.
BY_ITSELF = Q(action="fail") | Q(action="create", release__is_rollback=True)

# Sent after the commit as (sender=Release, release, reason); what a listener raises is logged and stops nobody.
taken_back = Signal()
# Sent after the commit as (sender=BatchJob, job): a scheduled batch that could not begin.
missed = Signal()


def tell(release: Release, action: str, reason: str) -> None:
    """Tell the listeners when Slipway takes a release back by itself, once the change is committed."""
    if action == "fail" or (action == "create" and release.is_rollback):
        transaction.on_commit(lambda: _send(release, reason))


def tell_missed(job: BatchJob) -> None:
    """Tell the listeners of a scheduled batch that could not begin, once that is committed."""
    transaction.on_commit(lambda: _send_missed(job))


def recent(now: datetime) -> QuerySet[Event]:
    """Return what Slipway took back by itself in the last hour, newest first."""
    found = Event.objects.filter(BY_ITSELF, actor=None, at__gte=now - LOUD).exclude(release__strategy="shadow")
    return found.select_related("release__model", "release__environment", "release__package").order_by("-id")


def _send(release: Release, reason: str) -> None:
    for receiver, answer in taken_back.send_robust(sender=Release, release=release, reason=reason):
        if isinstance(answer, Exception):
            log.error("%r was not told that release %s was taken back.", receiver, release.pk, exc_info=answer)


def _send_missed(job: BatchJob) -> None:
    pulse.stamp(broker.client(), (pulse.MISSED,))
    for receiver, answer in missed.send_robust(sender=BatchJob, job=job):
        if isinstance(answer, Exception):
            log.error("%r was not told that %s was missed.", receiver, job, exc_info=answer)
