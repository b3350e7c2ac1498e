"""Secrets that callers show: API keys for predictions, access tokens for the REST API; only hashes are kept."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models as orm

from releases.models.environments import Environment


def limit(text: str) -> orm.PositiveIntegerField:
    """Return a column for a limit, which may be missing."""
    return orm.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)], help_text=text)


class ApiKey(orm.Model):
    """A client's key to the predictions of one environment.

    A key that was rotated has two secrets until `previous_until`: both are one key, and share its limits.
    """

    environment = orm.ForeignKey(Environment, orm.PROTECT, related_name="keys")
    name = orm.CharField(max_length=100)
    prefix = orm.CharField(max_length=12)
    hash = orm.CharField(max_length=64, unique=True)
    models = orm.JSONField(default=list, help_text='names of models, or ["*"]')
    pin = orm.BooleanField(default=False, help_text="may choose the package by header")
    internal = orm.BooleanField(default=False, help_text="Slipway's own calls")
    requests_per_second = limit("over all gateways together; null for no limit")
    concurrent_requests = limit("in flight at once, over all gateways together; null for no limit")
    origins = orm.JSONField(default=list, help_text="of pages whose scripts may call with it")
    expires_at = orm.DateTimeField(null=True, blank=True)
    revoked_at = orm.DateTimeField(null=True)
    last_used_at = orm.DateTimeField(null=True, help_text="with the newest secret, to the minute")
    rotated_at = orm.DateTimeField(null=True, help_text="when it got the newest secret")
    previous_prefix = orm.CharField(max_length=12, blank=True)
    previous_hash = orm.CharField(max_length=64, null=True, unique=True)
    previous_until = orm.DateTimeField(null=True, help_text="until when the secret before is valid too")
    previous_used_at = orm.DateTimeField(null=True)
    created_at = orm.DateTimeField(auto_now_add=True)
    created_by = orm.ForeignKey(settings.AUTH_USER_MODEL, orm.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["environment__position", "name", "id"]

    def __str__(self) -> str:
        return f"key {self.name} ({self.prefix}…)"

    def get_absolute_url(self) -> str:
        return f"/keys/{self.pk}/"

    @property
    def used_at(self) -> datetime | None:
        """When it was last used, with either secret."""
        return max(filter(None, (self.last_used_at, self.previous_used_at)), default=None)

    def state(self, now: datetime) -> str:
        """Return `active`, `expired` or `revoked`."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now else "active"

    def overlaps(self, now: datetime) -> bool:
        """Whether the secret before the newest one is still valid."""
        return self.state(now) == "active" and self.previous_until is not None and self.previous_until > now


class AccessToken(orm.Model):
    """A user's token for the REST API."""

    user = orm.ForeignKey(settings.AUTH_USER_MODEL, orm.CASCADE, related_name="tokens")
    name = orm.CharField(max_length=100)
    prefix = orm.CharField(max_length=12)
    hash = orm.CharField(max_length=64, unique=True)
    created_at = orm.DateTimeField(auto_now_add=True)
    expires_at = orm.DateTimeField(null=True, blank=True)
    last_used_at = orm.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
