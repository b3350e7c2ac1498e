"""Record what a package has shown; the one way in which every test, judge and intake reports."""

from __future__ import annotations

from django.utils import timezone

from releases.models import Environment, Evidence


def record(
    digest: str,
    kind: str,
    verdict: str,
    *,
    reference: str,
    environment: Environment | None = None,
    settings_digest: str = "",
) -> Evidence:
    """Append one piece of evidence about a package digest (`verdict`: pass, fail or hold)."""
    return Evidence.objects.create(
        digest=digest,
        kind=kind,
        verdict=verdict,
        reference=reference,
        environment=environment,
        settings_digest=settings_digest,
        at=timezone.now(),
    )
