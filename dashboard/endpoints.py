"""Where an environment's predictions are asked for: our own way in, and the address that clients use."""

from __future__ import annotations

import ssl
from pathlib import Path

from django.conf import settings

from dashboard.addresses import gateway_for
from serving.gateway.tls import trusting


def inner(environment: str) -> str | None:
    """Return the address at which Slipway itself calls the environment's gateway, None when no gateway serves it."""
    gateway = gateway_for(settings.GATEWAYS, environment)
    return gateway.url if gateway else None


def trust() -> ssl.SSLContext | None:
    """Return the terms on which Slipway itself calls its gateways, None where they speak no TLS."""
    return trusting(Path(settings.GATEWAY_TLS_CERT)) if settings.GATEWAY_TLS_CERT else None


def public(environment: str) -> str | None:
    """Return the address that clients use; behind a proxy it stands in GATEWAY_URLS."""
    given = settings.GATEWAY_URLS.get(environment) or settings.GATEWAY_URLS.get("*")
    return given.rstrip("/") if given else inner(environment)


def prediction(environment: str, model: str) -> str | None:
    """Return the address of one model's predictions (V1)."""
    base = public(environment)
    return f"{base}/{environment}/v1/models/{model}:predict" if base else None


def description(environment: str, model: str) -> str | None:
    """Return the address of one model's OpenAPI document."""
    base = public(environment)
    return f"{base}/{environment}/v2/models/{model}/openapi.json" if base else None
