"""Who calls: `Authorization: Token st_…`, checked against the hash of the token."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from releases.actions.keys import hashed
from releases.models import AccessToken

SCHEME = "Token"
TOUCH = timedelta(minutes=1)  # one write a minute per token, not one per call


class TokenAuthentication(BaseAuthentication):
    """A user's access token; anything else under another scheme is left to the session."""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != SCHEME.lower().encode():
            return None
        if len(words) != 2:
            raise AuthenticationFailed("Send the token as: Authorization: Token st_…")
        token = _find(words[1].decode("latin-1"))
        _touch(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="Slipway"'


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes the token."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        words = "An access token, sent as `Token st_…`. Issue one at `/api/tokens/` or on your account page."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": words}


def _find(secret: str) -> AccessToken:
    token = AccessToken.objects.select_related("user").filter(hash=hashed(secret)).first()
    if token is None or not token.user.is_active:
        raise AuthenticationFailed("This token is not known. It may have been revoked.")
    if token.expires_at and token.expires_at <= timezone.now():
        raise AuthenticationFailed("This token has expired. Issue a new one.")
    return token


def _touch(token: AccessToken) -> None:
    """Remember the use; a busy database must not refuse a call for that."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - TOUCH:
        with contextlib.suppress(OperationalError):
            AccessToken.objects.filter(pk=token.pk).update(last_used_at=now)
