"""The audit trail as people read it: newest first, filtered, page by page without counting the rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from releases.actions import audit
from releases.models import AuditRow

SIZE = 50

# What each action is called on a page, after the person's name.
WORDS = {
    "batch.cancel": "cancelled",
    "batch.start": "started",
    "capture.change": "changed the",
    "capture.take": "took out",
    "edge.channel": "switched the",
    "edge.export": "made the",
    "environment.change": "changed the settings of",
    "environment.create": "made the environment",
    "environment.delete": "deleted the environment",
    "environment.order": "changed",
    "freeze.create": "froze",
    "freeze.remove": "took away a freeze of",
    "gates.change": "changed the gates of",
    "gates.consent": "consented to override the gates of",
    "gates.override": "asked to override the gates of",
    "key.issue": "issued",
    "key.change": "changed",
    "key.rotate": "rotated",
    "key.end": "ended the old secret of",
    "key.revoke": "revoked",
    "line.resume": "let releases move again after",
    "line.stop": "stopped",
    "model.compare": "changed how packages are compared of",
    "model.create": "made the model",
    "model.risk": "changed the risk of",
    "package.accept": "accepted",
    "package.again": "met again",
    "package.delete": "deleted",
    "package.refuse": "refused",
    "package.upload": "uploaded",
    "release.abort": "stopped",
    "release.begin": "began to prepare",
    "release.create": "started",
    "release.end": "ended the comparison of",
    "release.fail": "took back",
    "release.finish": "finished",
    "release.pause": "paused",
    "release.postpone": "put off",
    "release.promote": "promoted without the judge",
    "release.resume": "let go on",
    "release.shift": "shifted the traffic of",
    "release.steps": "changed the steps of",
    "release.step": "took a step of",
    "release.watch": "began to watch",
    "release.weight": "changed the weight of",
    "schedule.create": "made the",
    "schedule.remove": "took away the",
    "schedule.switch": "switched the",
    "stream.accept": "changed how late may be the",
    "stream.hook": "changed where results go of the",
    "stream.replay": "sent in again from the",
    "stream.unhook": "ended the webhook of the",
    "suite.cancel": "cancelled",
    "suite.settings": "changed how a suite runs for",
    "suite.start": "started",
    "token.issue": "issued",
    "token.revoke": "revoked",
    "uat.open": "began",
    "uat.plan": "changed the UAT plan of",
    "uat.reject": "rejected",
    "uat.sign": "signed",
}


@dataclass(frozen=True)
class Filter:
    """Which rows are wanted; empty means all. `action` is a whole one or a noun such as `release`."""

    model: str = ""
    environment: str = ""
    person: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Page:
    """At most fifty rows; `older` and `newer` are the ids to go on from, None where nothing is left."""

    rows: list[AuditRow]
    older: int | None
    newer: int | None


@dataclass(frozen=True)
class Chain:
    """The check of the whole trail: how many rows it has, and the first one that is wrong."""

    rows: int
    broken: AuditRow | None


def page(wanted: Filter, *, before: int | None = None, after: int | None = None, size: int = SIZE) -> Page:
    """Return rows older than `before`, or newer than `after`, else the newest; one query, and no count."""
    rows = _filtered(wanted)
    if after is not None:
        found = list(rows.filter(id__gt=after).order_by("id")[: size + 1])
        more, shown = len(found) > size, found[:size][::-1]
        return Page(shown, shown[-1].pk if shown else None, shown[0].pk if more else None)
    found = list((rows.filter(id__lt=before) if before is not None else rows).order_by("-id")[: size + 1])
    more, shown = len(found) > size, found[:size]
    return Page(shown, shown[-1].pk if more else None, shown[0].pk if before is not None and shown else None)


def check() -> Chain:
    """Check every row's hash and link; takes about a second for each 50,000 rows."""
    return Chain(AuditRow.objects.count(), audit.first_break())


def nouns() -> list[str]:
    return sorted({action.partition(".")[0] for action in WORDS})


def _filtered(wanted: Filter) -> QuerySet[AuditRow]:
    given: dict[str, Any] = {
        "model": wanted.model,
        "environment": wanted.environment,
        "actor_name": wanted.person,
        "at__gte": wanted.since,
        "at__lt": wanted.until,
    }
    if wanted.action:
        exact = "." in wanted.action
        given["action" if exact else "action__startswith"] = wanted.action if exact else f"{wanted.action}."
    return AuditRow.objects.filter(**{name: value for name, value in given.items() if value})
