"""A release whose smoke test fails goes back by itself, where its environment says so."""

from __future__ import annotations

import logging

from django.db.models import QuerySet

from releases.actions import rollbacks
from releases.errors import Conflict
from releases.models import Evidence, Release
from releases.queries.wanted import in_traffic, since

log = logging.getLogger(__name__)


def undo_failed() -> None:
    """Take back what has the traffic and failed its smoke test since; a rollback itself is never taken back."""
    for release in _watched():
        last = _newest(release)
        if last is not None and last.verdict == "fail":
            _undo(release, f"Smoke failed. {last.words}".strip())


def _watched() -> QuerySet[Release]:
    found = Release.objects.filter(in_traffic(), environment__undoes_failed_smoke=True, is_rollback=False)
    return found.select_related("package", "environment")


def _newest(release: Release) -> Evidence | None:
    place = {"digest": release.package.digest if release.package else "", "environment": release.environment_id}
    return Evidence.objects.filter(kind="smoke", at__gte=since(release), **place).first()


def _undo(release: Release, words: str) -> None:
    try:
        rollbacks.take_back(actor=None, release=release, reason=words[:500])
    except Conflict as error:
        note = f"{words} It stays: {error}"[:500]
        if Release.objects.filter(pk=release.pk).exclude(note=note).update(note=note):
            log.warning("%s: %s", release, note)
