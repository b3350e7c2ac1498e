"""The key by which devices know what comes from here; made at set-up, and never shown."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings


def private_key() -> Ed25519PrivateKey:
    """Return the Ed25519 key whose seed is the SHA-256 of the setting EDGE_KEY."""
    return _of(settings.EDGE_KEY)


@cache
def _of(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(secret.encode()).digest())


def public_text() -> str:
    """Return what devices trust: the public key, 32 bytes in base64."""
    return base64.b64encode(private_key().public_key().public_bytes_raw()).decode()
