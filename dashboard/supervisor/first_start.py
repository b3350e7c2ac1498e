"""What a first start makes in the database: roles, environments, accounts with random passwords, the demo's token."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection

from dashboard.env import make_secret
from releases.actions import keys, setup
from releases.models import AccessToken
from releases.rights import ADMIN, DEVELOPER, MANAGER, QA, VIEWER

ACCOUNTS = {"viewer": VIEWER, "developer": DEVELOPER, "qa": QA, "manager": MANAGER, "admin": ADMIN}
DEMO_ACCOUNT = "admin"


def accounts_file() -> Path:
    return Path(settings.SECRETS / "accounts.txt")


def token_file() -> Path:
    return Path(settings.SECRETS / "demo-token")


def roles_and_environments() -> None:
    """Make what is missing before anything starts."""
    try:
        setup.first_start()
        setup.catch_up()
    finally:
        connection.close()


def accounts() -> list[str]:
    """Make the accounts that are missing; returns their names. Slow (five password hashes), so beside the start."""
    try:
        new = _accounts()
        if settings.DEMO:
            _token()
        return new
    finally:
        connection.close()


def passwords() -> dict[str, str]:
    """Return account -> password, as first given (people may have changed them since)."""
    if not accounts_file().exists():
        return {}
    return dict(line.split()[:2] for line in accounts_file().read_text().splitlines() if line.strip())


def _accounts() -> list[str]:
    """Make the five accounts of the demo; without the demo only the admin, so that somebody can sign in."""
    wanted = ACCOUNTS if settings.DEMO else {"admin": ADMIN}
    there = set(User.objects.filter(username__in=wanted).values_list("username", flat=True))
    if not settings.DEMO and User.objects.exists():
        return []
    new = [name for name in wanted if name not in there]
    known = passwords()
    for name in new:
        known.setdefault(name, secrets.token_urlsafe(15))
        user = User.objects.create_user(name, password=known[name])
        user.groups.add(Group.objects.get(name=wanted[name]))
    if new:
        _write(known)
    return new


def _write(known: dict[str, str]) -> None:
    accounts_file().touch(mode=0o600)
    lines = [f"{name:<10} {password}  {ACCOUNTS[name]}\n" for name, password in known.items()]
    accounts_file().write_text("".join(lines))


def _token() -> None:
    """Give the demo a token for the REST API; a new database gets the one that the file holds."""
    secret = make_secret(token_file(), f"st_{secrets.token_urlsafe(32)}")
    if not AccessToken.objects.filter(hash=keys.hashed(secret)).exists():
        keys.issue_token(user=User.objects.get(username=DEMO_ACCOUNT), name="demo", secret=secret)
