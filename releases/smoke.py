"""A release whose smoke test fails goes back by itself, where its environment says so."""

from __future__ import annotations

import logging

from django.db.models import Max, QuerySet

from releases.actions import rollbacks
from releases.errors import Conflict
from releases.models import Evidence, Release
from releases.models.packages import HEAVY
from releases.queries.wanted import in_traffic, since

log = logging.getLogger(__name__)


def undo_failed() -> None:
    """Take back what has the traffic and failed its smoke test since; a rollback itself is never taken back."""
    newest = _newest()
    for release in _watched():
        last = newest.get((release.package.digest, release.environment_id)) if release.package else None
        if last is not None and last.verdict == "fail" and last.at >= since(release):
            _undo(release, f"Smoke failed. {last.words}".strip())


def _watched() -> QuerySet[Release]:
    found = Release.objects.filter(in_traffic(), environment__undoes_failed_smoke=True, is_rollback=False)
    return found.select_related("package", "environment").defer(*(f"package__{name}" for name in HEAVY))


def _newest() -> dict[tuple[str, int | None], Evidence]:
    """Return the newest result of each package that has the traffic, by digest and environment; in one query."""
    digests = _watched().values("package__digest")
    groups = Evidence.objects.filter(kind="smoke", digest__in=digests).order_by().values("digest", "environment")
    rows = Evidence.objects.filter(pk__in=groups.annotate(last=Max("pk")).values("last"))
    return {(row.digest, row.environment_id): row for row in rows}


def _undo(release: Release, words: str) -> None:
    try:
        rollbacks.take_back(actor=None, release=release, reason=words[:500])
    except Conflict as error:
        note = f"{words} It stays: {error}"[:500]
        if Release.objects.filter(pk=release.pk).exclude(note=note).update(note=note):
            log.warning("%s: %s", release, note)
