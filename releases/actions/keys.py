"""Issue and revoke secrets: API keys of an environment, access tokens of a user. Each is shown once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import routes
from releases.actions import audit
from releases.errors import Conflict, Refused
from releases.models import AccessToken, ApiKey, Environment, MLModel
from releases.rights import KEYS, require


def issue(
    *,
    actor: User | None,
    environment: Environment,
    name: str,
    models: list[str] | None = None,
    pin: bool = False,
    expires_at: datetime | None = None,
    secret: str = "",
) -> tuple[ApiKey, str]:
    """Make a key and publish it; returns the row and the secret, which is kept nowhere."""
    require(actor, KEYS)
    models = models or ["*"]
    _check(name, models, expires_at)
    secret = secret or f"sk_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        routes.lock(environment)
        key = ApiKey.objects.create(
            environment=environment,
            name=name.strip(),
            prefix=secret[:10],
            hash=hashed(secret),
            models=models,
            pin=pin,
            expires_at=expires_at,
            created_by=actor,
        )
        audit.record("key.issue", f"key {key}", actor=actor, environment=environment.name, details={"models": models})
        routes.publish(environment, f"key {key.prefix}… issued")
    return key, secret


def revoke(*, actor: User | None, key: ApiKey, reason: str = "") -> None:
    """Refuse the key from the next table on; raises Conflict for one that is revoked, or is Slipway's own."""
    require(actor, KEYS)
    if key.internal:
        raise Conflict("This key is Slipway's own: the playground and the tests call with it.")
    with transaction.atomic():
        routes.lock(key.environment)
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()) != 1:
            raise Conflict("This key is revoked already.")
        audit.record("key.revoke", f"key {key}", actor=actor, environment=key.environment.name, reason=reason)
        routes.publish(key.environment, f"key {key.prefix}… revoked")


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
        prefix=secret[:10],
        hash=hashed(secret),
        models=["*"],
        pin=True,
        internal=True,
    )


def _check(name: str, models: list[str], expires_at: datetime | None) -> None:
    if not name.strip():
        raise Refused("Give the key a name, such as that of the client.", "name")
    unknown = set(models) - {"*"} - set(MLModel.objects.filter(name__in=models).values_list("name", flat=True))
    if unknown:
        raise Refused(f"No such model: {', '.join(sorted(unknown))}.", "models")
    if expires_at and expires_at <= timezone.now():
        raise Refused("The expiry lies in the past.", "expires_at")
