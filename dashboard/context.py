"""What the frame of every page needs: the person's rights and role in words, and what is away."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from releases import notices
from releases.actions import line
from releases.queries import health
from releases.rights import ROLES, roles

MOST_BACK = 3


def shell(request: HttpRequest) -> dict[str, Any]:
    """Nothing is looked up until a template asks: fragments and error pages cost no query."""
    return {
        "rights": SimpleLazyObject(lambda: rights_of(request)),
        "role": SimpleLazyObject(lambda: _role(request)),
        "health": SimpleLazyObject(state),
    }


def state() -> dict[str, Any]:
    """Return what the banner of every page tells: what is away, who stopped the line, what was taken back."""
    now = timezone.now()
    troubles = [*health.away(now), *health.late(), *health.missed(now)]
    return {"troubles": troubles, "line": line.stopped(), "back": list(notices.recent(now)[:MOST_BACK])}


def rights_of(request: HttpRequest) -> frozenset[str]:
    """Return the names of all that the person may do somewhere."""
    return frozenset[str]().union(*(ROLES[role] for role in roles(request.user)))


def _role(request: HttpRequest) -> str:
    return " and ".join(role for role in ROLES if role in roles(request.user)) or "no role yet"
