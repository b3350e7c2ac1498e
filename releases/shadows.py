"""What the shadows of a release have found: brought from Redis into the database, added up, and judged."""

from __future__ import annotations

import json
import logging
import time
from datetime import datetime, timedelta
from typing import Any

import redis
from django.conf import settings

from releases import broker
from releases.agreement import Finding, Rule, finding
from releases.models import Release, ShadowTally
from serving import tallies, tally
from serving.tally import Tally, added

log = logging.getLogger(__name__)
# While it runs nobody needs every second of it on disk: a tally may have some ten thousand bytes.
SAVE_SECONDS = 5.0


def collect(release: Release, *, last: bool = False) -> Tally:
    """Return what was found so far, and keep it; `last`: to the second, because the release ends now."""
    kept = {row.boot: row for row in release.tallies.all()}
    try:
        news = tallies.get(broker.client(), release.pk)
    except (redis.RedisError, ValueError) as error:
        log.warning("The tallies of release %s wait: %s", release.pk, error)
        news = {}
    for boot, found in news.items():
        old = kept.get(boot)
        due = old is None or last or max(time.time(), found.at) > old.at + SAVE_SECONDS
        if due and (old is None or found.at > old.at):
            _save(release, boot, found)
    stored = {boot: _read(row.tally) for boot, row in kept.items()}
    # A process that Redis has forgotten is known from the database, and one that still writes from Redis.
    return added(list({**stored, **news}.values()))


def found(release: Release) -> Tally:
    """Return what is kept, without asking Redis."""
    return added([_read(values) for values in release.tallies.values_list("tally", flat=True)])


def rule(release: Release) -> Rule:
    """Return the rule by which its answers are compared; it was fixed when the release was made."""
    return Rule(**release.plan["rule"])


def finding_of(release: Release, tally: Tally | None = None) -> Finding:
    """Return what its comparison shows by now."""
    return finding(rule(release), found(release) if tally is None else tally)


def prune(now: datetime) -> None:
    """Forget the inputs of comparisons that ended long ago; the counts stay."""
    old = now - timedelta(days=settings.SHADOW_KEEP_DAYS)
    for row in ShadowTally.objects.filter(release__ended_at__lt=old).exclude(tally__largest=[]):
        row.tally["largest"] = []
        row.save(update_fields=["tally"])


def _save(release: Release, boot: str, found: Tally) -> None:
    values = {"at": found.at, "tally": json.loads(tally.dumps(found))}
    ShadowTally.objects.update_or_create(release=release, boot=boot, defaults=values)


def _read(values: dict[str, Any]) -> Tally:
    return tally.loads(json.dumps(values).encode())
