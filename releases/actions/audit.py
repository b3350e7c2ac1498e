"""Append to the audit trail, and check its chain."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, models, transaction
from django.utils import timezone

from releases.models import AuditRow

GENESIS = "0" * 64
CHAIN_LOCK = 0x51195A  # an arbitrary number, the same in every process


def record(
    action: str,
    subject: models.Model | str,
    *,
    actor: User | None,
    at: datetime | None = None,
    reason: str = "",
    model: str = "",
    environment: str = "",
    details: dict[str, Any] | None = None,
) -> AuditRow:
    """Append one row, in the caller's transaction where there is one."""
    url = subject.get_absolute_url() if hasattr(subject, "get_absolute_url") else ""
    row = AuditRow(
        at=at or timezone.now(),
        actor=actor,
        actor_name=actor.get_username() if actor else "slipway",
        action=action,
        subject=str(subject)[:200],
        subject_url=url,
        model=model,
        environment=environment,
        reason=reason[:500],
        details=details or {},
    )
    with transaction.atomic():
        _one_at_a_time()
        row.previous_hash = AuditRow.objects.order_by("-id").values_list("hash", flat=True).first() or GENESIS
        row.hash = digest(row)
        row.save(force_insert=True)
    return row


def digest(row: AuditRow) -> str:
    """Return the SHA-256 of the row's content and the hash before it."""
    names = ("action", "actor_name", "subject", "model", "environment", "reason", "details", "previous_hash")
    content = {name: getattr(row, name) for name in names} | {"at": row.at.isoformat()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def first_break() -> AuditRow | None:
    """Return the first row whose hash or link is wrong, or None for a whole chain."""
    previous = GENESIS
    for row in AuditRow.objects.order_by("id").iterator():
        if row.previous_hash != previous or row.hash != digest(row):
            return row
        previous = row.hash
    return None


def _one_at_a_time() -> None:
    """Two appends must not read the same last hash; SQLite's immediate transactions see to that by themselves."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
