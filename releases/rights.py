"""Who may do what: five roles as Django groups, one table of rights, one question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from releases.errors import Forbidden

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from releases.models import Environment

    Person = User | AnonymousUser

VIEWER, DEVELOPER, QA, MANAGER, ADMIN = "viewer", "developer", "QA", "release manager", "admin"

REGISTER, DEPLOY, SIGN_OFF = "register", "deploy", "sign off"
DELETE, ENVIRONMENTS, KEYS = "delete packages", "edit environments", "manage keys"
CAPTURE, RUN, TRAFFIC, BATCH = "keep requests", "run suites", "direct traffic", "run batches"
# Who may change what is asked of packages could let any package in, so it is one role only.
GATES, OVERRIDE = "edit gates", "override gates"

# A developer deploys only where the environment is open to developers.
ROLES: dict[str, frozenset[str]] = {
    VIEWER: frozenset(),
    DEVELOPER: frozenset({REGISTER, DEPLOY, RUN, BATCH}),
    QA: frozenset({SIGN_OFF, RUN}),
    MANAGER: frozenset({REGISTER, DEPLOY, DELETE, KEYS, CAPTURE, RUN, TRAFFIC, BATCH}),
    ADMIN: frozenset(
        {REGISTER, DEPLOY, SIGN_OFF, DELETE, ENVIRONMENTS, KEYS, CAPTURE, RUN, TRAFFIC, BATCH, GATES, OVERRIDE}
    ),
}
EVERYWHERE = frozenset({MANAGER, ADMIN})


def roles(person: Person) -> frozenset[str]:
    """Return the person's roles; remembered on the object, because one page asks many times."""
    if getattr(person, "is_superuser", False):
        return frozenset({ADMIN})
    known: frozenset[str] | None = getattr(person, "_roles", None)
    if known is None:
        groups = person.groups.values_list("name", flat=True) if person.is_authenticated else []
        known = frozenset(groups) & ROLES.keys()
        vars(person)["_roles"] = known
    return known


def may(person: Person | None, right: str, environment: Environment | None = None) -> bool:
    """Answer whether the person has the right (there). `None` is Slipway itself, which has all of them."""
    if person is None:
        return True
    holders = {role for role in roles(person) if right in ROLES[role]}
    if right != DEPLOY or environment is None or environment.developers_deploy:
        return bool(holders)
    return bool(holders & EVERYWHERE)


def require(person: Person | None, right: str, environment: Environment | None = None) -> None:
    """Raise Forbidden, saying who may, unless the person has the right."""
    if not may(person, right, environment):
        raise Forbidden(_sentence(right, environment))


def _sentence(right: str, environment: Environment | None) -> str:
    allowed = [role for role in ROLES if right in ROLES[role]]
    if right == DEPLOY and environment is not None and not environment.developers_deploy:
        allowed = [role for role in allowed if role in EVERYWHERE]
    where = f" in {environment.name}" if environment else ""
    return (
        f"Your role does not allow you to {right}{where}. Ask somebody with one of these roles: {', '.join(allowed)}."
    )
