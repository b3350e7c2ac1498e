"""Record what a package has shown; the one way in which every test, judge and intake reports."""

from __future__ import annotations

from django.utils import timezone

from releases.models import Environment, Evidence, Release
from releases.wake import wake

CAN_CHANGE = (Release.State.WAITING, Release.State.WATCHING)


def record(
    digest: str,
    kind: str,
    verdict: str,
    *,
    reference: str,
    environment: Environment | None = None,
    settings_digest: str = "",
    words: str = "",
) -> Evidence:
    """Append one piece of evidence about a package digest (`verdict`: pass, fail or hold); releases look again."""
    made = Evidence.objects.create(
        digest=digest,
        kind=kind,
        verdict=verdict,
        reference=reference,
        environment=environment,
        settings_digest=settings_digest,
        words=words[:300],
        at=timezone.now(),
    )
    for release in Release.objects.filter(package__digest=digest, state__in=CAN_CHANGE):
        wake(release)
    return made
