"""Where an environment's predictions are asked for: our own way in, and the address that clients use."""

from __future__ import annotations

from django.conf import settings

from testing import target

inner, trust = target.inner, target.trust


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
