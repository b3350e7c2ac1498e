"""Where an environment answers, and how Slipway itself calls it."""

from __future__ import annotations

import ssl
from pathlib import Path

from django.conf import settings

from releases.actions.keys import internal_secret
from serving.gateway.tls import trusting
from testing.client import GatewayClient


class NoGateway(Exception):
    """No gateway serves the environment."""


def inner(environment: str) -> str | None:
    """Return the address at which Slipway itself calls the environment's gateway, None when no gateway serves it."""
    named = frozenset(name for gateway in settings.GATEWAYS for name in gateway.environments)
    return next((gateway.url for gateway in settings.GATEWAYS if gateway.serves(environment, named)), None)


def trust() -> ssl.SSLContext | None:
    """Return the terms on which Slipway itself calls its gateways, None where they speak no TLS."""
    return trusting(Path(settings.GATEWAY_TLS_CERT)) if settings.GATEWAY_TLS_CERT else None


def address(environment: str) -> str:
    """Return the address of the environment's gateway; raises NoGateway."""
    found = inner(environment)
    if found is None:
        raise NoGateway(f"No gateway serves {environment}. Name one in GATEWAYS.")
    return found


def key(environment: str) -> str:
    """Return Slipway's own key of the environment."""
    return internal_secret(environment)


def client(environment: str, *, key: str | None = "", timeout: float = 10.0) -> GatewayClient:
    """Return a client with Slipway's own key, another one, or (None) no key at all; raises NoGateway."""
    secret = internal_secret(environment) if key == "" else key
    return GatewayClient(address(environment), environment, key=secret, timeout=timeout, trust=trust())
