"""What every installation needs before its first page: roles, environments, gates, internal keys."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction

from releases import routes
from releases.actions import gates, keys
from releases.models import Environment
from releases.rights import ROLES

ENVIRONMENTS: tuple[dict[str, Any], ...] = (
    {"name": "dev", "keyless": True, "developers_deploy": True, "needs_previous": False},
    {"name": "test", "developers_deploy": True},
    {"name": "staging"},
    {"name": "production", "undoes_failed_smoke": True},
)
DESCRIPTIONS = {
    "dev": "Where a package first answers; no key needed.",
    "test": "Where suites run.",
    "staging": "As much like production as can be; sign-off happens here.",
    "production": "What clients call.",
}


@transaction.atomic
def first_start() -> None:
    """Make what is missing; safe to run at every start."""
    for role in ROLES:
        Group.objects.get_or_create(name=role)
    if not Environment.objects.exists():
        for position, values in enumerate(ENVIRONMENTS, start=1):
            description = DESCRIPTIONS[values["name"]]
            Environment.objects.create(position=position, description=description, **values)
    gates.seed()
    for environment in Environment.objects.all():
        keys.ensure_internal(environment)
        routes.publish(environment, "start")
    # Gateways that serve "all others" learn their environments from this, and must not wait for beat.
    transaction.on_commit(routes.send_all_quietly)


def catch_up() -> None:
    """Go on from the gateways' numbers where they are ahead of a restored database; they refuse lower ones."""
    for environment in Environment.objects.all():
        routes.catch_up(environment)
