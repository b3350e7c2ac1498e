"""Who may ask: a bearer key, or the same key as the password of HTTP Basic, looked up by its SHA-256."""

from __future__ import annotations

import base64
import binascii
import hashlib

from serving.gateway.messages import Problem
from serving.gateway.world import LiveTable
from serving.routing import Key

ASK = ("www-authenticate", 'Bearer realm="slipway"')


def identify(live: LiveTable, authorization: str | None, now: float) -> Key | None:
    """Return the caller's key, None for a keyless call where those are allowed; raises Problem 401."""
    if authorization is None:
        if live.table.keyless:
            return None
        raise Problem(401, "This environment needs an API key: Authorization: Bearer KEY.", [ASK])
    key = live.keys.get(hashlib.sha256(secret(authorization)).hexdigest())
    if key is None:
        raise Problem(401, "This API key is not known in this environment.", [ASK])
    if key.expires is not None and key.expires <= now:
        raise Problem(401, "This API key has expired.", [ASK])
    return key


def may_use(key: Key | None, model: str) -> bool:
    """Whether the key is for this model; a keyless call is for every model."""
    return key is None or "*" in key.models or model in key.models


def may_pin(key: Key | None) -> bool:
    """Whether the caller may choose the package; without keys nothing is guarded, this neither."""
    return key is None or key.pin


def secret(authorization: str) -> bytes:
    """Return the key itself; raises Problem 401 when the header has another form."""
    scheme, _, text = authorization.strip().partition(" ")
    if scheme.lower() == "bearer" and text:
        return text.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        return _password(text)
    raise Problem(401, "The Authorization header must be Bearer KEY, or Basic with the key as the password.", [ASK])


def _password(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        raise Problem(401, "The Basic authorization is not valid base64.", [ASK]) from None
