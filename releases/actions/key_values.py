"""What a key may be given: clean values, or a refusal that names the field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone

from releases.errors import Refused
from releases.models import MLModel
from releases.origins import origins

EDITABLE = ("name", "models", "pin", "expires_at", "requests_per_second", "concurrent_requests", "origins")
MOST = 1_000_000


def checked(values: dict[str, Any]) -> dict[str, Any]:
    """Return clean values; raises Refused naming the field."""
    if unknown := sorted(set(values) - set(EDITABLE)):
        raise Refused(f"This cannot be changed: {', '.join(unknown)}.", unknown[0])
    return {field: CHECKS[field](value) if field in CHECKS else value for field, value in values.items()}


def _name(name: str) -> str:
    if not name.strip():
        raise Refused("Give the key a name, such as that of the client.", "name")
    return name.strip()


def _models(names: list[str]) -> list[str]:
    known = MLModel.objects.filter(name__in=names).values_list("name", flat=True)
    if unknown := set(names) - {"*"} - set(known):
        raise Refused(f"No such model: {', '.join(sorted(unknown))}.", "models")
    return sorted(set(names)) or ["*"]


def _end(at: datetime | None) -> datetime | None:
    if at and at <= timezone.now():
        raise Refused("The expiry lies in the past.", "expires_at")
    return at


def _limit(field: str) -> Callable[[int | None], int | None]:
    def check(limit: int | None) -> int | None:
        if limit is not None and not 1 <= limit <= MOST:
            raise Refused(f"A limit lies between 1 and {MOST:,}; leave it empty for none.", field)
        return limit

    return check


CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "models": _models,
    "expires_at": _end,
    "requests_per_second": _limit("requests_per_second"),
    "concurrent_requests": _limit("concurrent_requests"),
    "origins": origins,
}
