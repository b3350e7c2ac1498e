"""The row of a new release, with its first event; who may open it, and when, its callers say."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from releases import lifecycle
from releases.models import Environment, Package, Release


def open_release(
    package: Package | None,
    environment: Environment,
    strategy: str,
    actor: User | None,
    reason: str,
    at: datetime,
    **columns: object,
) -> Release:
    release = Release.objects.create(
        package=package,
        environment=environment,
        strategy=strategy,
        reason=reason,
        created_at=at,
        created_by=actor,
        state_since=at,
        step_since=at,
        **columns,
    )
    lifecycle.record(release, "create", at=at, actor=actor, reason=reason)
    return release
