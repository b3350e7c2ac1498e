"""Issue, change, rotate and revoke API keys of an environment; access tokens of a user. Each secret is shown once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import routes
from releases.actions import audit
from releases.actions.key_values import EDITABLE, checked
from releases.errors import Conflict, LostRace, Refused
from releases.models import AccessToken, ApiKey, Environment
from releases.rights import KEYS, require

SHOWN, CHUNK = 10, 1000
OVERLAP, LONGEST_OVERLAP = timedelta(hours=24), timedelta(days=90)


def issue(
    *, actor: User | None, environment: Environment, name: str, secret: str = "", **values: Any
) -> tuple[ApiKey, str]:
    """Make a key and publish it; returns the row and the secret, which is kept nowhere. `values` as in EDITABLE."""
    require(actor, KEYS)
    given = checked({"name": name, **{field: value for field, value in values.items() if value is not None}})
    secret = secret or _secret()
    with transaction.atomic():
        routes.lock(environment)
        key = ApiKey.objects.create(
            environment=environment,
            prefix=secret[:SHOWN],
            hash=hashed(secret),
            created_by=actor,
            **({"models": ["*"]} | given),
        )
        audit.record("key.issue", key, actor=actor, environment=environment.name, details=_told(key))
        routes.publish(environment, f"key {key.prefix}… issued")
    return key, secret


def change(*, actor: User | None, key: ApiKey, **values: Any) -> ApiKey:
    """Change what EDITABLE names, and publish it; the audit row tells old and new."""
    require(actor, KEYS)
    given = checked(values)
    with transaction.atomic():
        key = _locked(key)
        old = _told(key)
        for field, value in given.items():
            setattr(key, field, value)
        key.save(update_fields=list(given))
        changed = {field: [old[field], new] for field, new in _told(key).items() if old[field] != new}
        if changed:
            audit.record("key.change", key, actor=actor, environment=key.environment.name, details=changed)
            routes.publish(key.environment, f"key {key.prefix}… changed")
    return key


def rotate(
    *, actor: User | None, key: ApiKey, overlap: timedelta = OVERLAP, prefix: str = "", secret: str = ""
) -> tuple[ApiKey, str]:
    """Give the key a new secret; the old one stays valid for `overlap`, and both share the key's limits.

    Returns the row and the new secret, which is kept nowhere. Raises Conflict while the secret before is still valid,
    and LostRace when the secret in use does not begin with `prefix` any more.
    """
    require(actor, KEYS)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Refused(f"The old secret can stay valid for {LONGEST_OVERLAP.days} days at most.", "overlap_hours")
    secret, now = secret or _secret(), timezone.now()
    with transaction.atomic():
        key = _locked(key)
        if prefix and key.prefix != prefix:
            raise LostRace("This key has got a new secret in the meantime.")
        if key.state(now) == "expired":
            raise Conflict("This key has expired. Give it a later end first, or issue another.")
        if key.overlaps(now):
            until = f"{timezone.localtime(key.previous_until):%-d %b %Y %H:%M}"
            raise Conflict(f"The secret before ({key.previous_prefix}…) is still valid until {until}. End it first.")
        key.previous_prefix, key.previous_hash, key.previous_used_at = key.prefix, key.hash, key.last_used_at
        key.previous_until, key.rotated_at, key.last_used_at = now + overlap, now, None
        key.prefix, key.hash = secret[:SHOWN], hashed(secret)
        key.save()
        details = {"before": key.previous_prefix, "valid until": key.previous_until.isoformat(timespec="seconds")}
        audit.record("key.rotate", key, actor=actor, environment=key.environment.name, details=details)
        routes.publish(key.environment, f"key {key.prefix}… rotated")
    return key, secret


def end_previous(*, actor: User | None, key: ApiKey) -> ApiKey:
    """Refuse the secret before the newest one from the next table on; raises Conflict when it has ended."""
    require(actor, KEYS)
    now = timezone.now()
    with transaction.atomic():
        key = _locked(key)
        if not key.overlaps(now):
            raise Conflict("There is no older secret that is still valid.")
        key.previous_until = now
        key.save(update_fields=["previous_until"])
        details = {"before": key.previous_prefix}
        audit.record("key.end", key, actor=actor, environment=key.environment.name, details=details)
        routes.publish(key.environment, f"key {key.previous_prefix}… ended")
    return key


def revoke(*, actor: User | None, key: ApiKey, reason: str = "") -> None:
    """Refuse the key from the next table on; raises Conflict for one that is revoked, or is Slipway's own."""
    require(actor, KEYS)
    with transaction.atomic():
        held = _locked(key)
        held.revoked_at = timezone.now()
        held.save(update_fields=["revoked_at"])
        audit.record("key.revoke", held, actor=actor, environment=held.environment.name, reason=reason)
        routes.publish(held.environment, f"key {held.prefix}… revoked")


def note_use(used: dict[str, int]) -> list[str]:
    """Keep when keys were last used (epoch seconds by hash); returns the hashes that nobody has."""
    times = {name: datetime.fromtimestamp(at, UTC) for name, at in used.items()}
    names = list(times)
    known: set[str] = set()
    for start in range(0, len(names), CHUNK):
        for of_hash, of_use in (("hash", "last_used_at"), ("previous_hash", "previous_used_at")):
            known |= _note_use(names[start : start + CHUNK], times, of_hash, of_use)
    return sorted(times.keys() - known)


def _note_use(names: list[str], times: dict[str, datetime], of_hash: str, of_use: str) -> set[str]:
    rows = {getattr(key, of_hash): key for key in ApiKey.objects.filter(**{f"{of_hash}__in": names})}
    later = []
    for name, key in rows.items():
        seen = getattr(key, of_use)
        if seen is None or times[name] > seen:
            setattr(key, of_use, times[name])
            later.append(key)
    ApiKey.objects.bulk_update(later, [of_use], batch_size=500)
    return set(rows)


def issue_token(
    *, user: User, name: str, expires_at: datetime | None = None, secret: str = ""
) -> tuple[AccessToken, str]:
    """Make an access token for the user's own REST calls; returns the row and the secret, which is kept nowhere."""
    if not name.strip():
        raise Refused("Give the token a name, so that you know it again.", "name")
    secret = secret or f"st_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        token = AccessToken.objects.create(
            user=user, name=name.strip(), prefix=secret[:10], hash=hashed(secret), expires_at=expires_at
        )
        audit.record("token.issue", f"token {token}", actor=user)
    return token, secret


def revoke_token(*, actor: User, token: AccessToken) -> None:
    """Delete one of the user's own tokens."""
    with transaction.atomic():
        audit.record("token.revoke", f"token {token}", actor=actor)
        token.delete()


def hashed(secret: str) -> str:
    """Return the SHA-256 of a secret of 256 random bits; it needs no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def internal_secret(environment: str) -> str:
    """Return the key of Slipway's own calls into an environment, derived from SECRET_KEY, so that no file keeps it."""
    mac = hmac.new(settings.SECRET_KEY.encode(), f"internal key of {environment}".encode(), hashlib.sha256)
    return f"sk_{mac.hexdigest()}"


def ensure_internal(environment: Environment) -> None:
    """Make the environment's internal key if it is missing, or belongs to an older SECRET_KEY."""
    secret = internal_secret(environment.name)
    internal = ApiKey.objects.filter(environment=environment, internal=True)
    if internal.filter(hash=hashed(secret), revoked_at=None).exists():
        return
    internal.delete()
    ApiKey.objects.create(
        environment=environment,
        name="Slipway",
        prefix=secret[:SHOWN],
        hash=hashed(secret),
        models=["*"],
        pin=True,
        internal=True,
    )


def _secret() -> str:
    return f"sk_{secrets.token_urlsafe(32)}"


def _locked(key: ApiKey) -> ApiKey:
    """The row as it is now, under its environment's lock; raises Conflict for one that is not to be changed."""
    routes.lock(key.environment)
    key = ApiKey.objects.select_related("environment", "created_by").get(pk=key.pk)
    if key.internal:
        raise Conflict("This key is Slipway's own: the playground and the tests call with it.")
    if key.revoked_at:
        raise Conflict("This key is revoked already.")
    return key


def _told(key: ApiKey) -> dict[str, Any]:
    """What an audit row says of a key."""
    found = {field: getattr(key, field) for field in EDITABLE}
    return found | {"expires_at": key.expires_at.isoformat(timespec="seconds") if key.expires_at else None}
