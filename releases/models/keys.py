"""Secrets that callers show: API keys for predictions, access tokens for the REST API; only hashes are kept."""

from __future__ import annotations

from django.conf import settings
from django.db import models as orm

from releases.models.environments import Environment


class ApiKey(orm.Model):
    """A client's key to the predictions of one environment."""

    environment = orm.ForeignKey(Environment, orm.PROTECT, related_name="keys")
    name = orm.CharField(max_length=100)
    prefix = orm.CharField(max_length=12)
    hash = orm.CharField(max_length=64, unique=True)
    models = orm.JSONField(default=list, help_text='names of models, or ["*"]')
    pin = orm.BooleanField(default=False, help_text="may choose the package by header")
    internal = orm.BooleanField(default=False, help_text="Slipway's own calls")
    expires_at = orm.DateTimeField(null=True, blank=True)
    revoked_at = orm.DateTimeField(null=True)
    created_at = orm.DateTimeField(auto_now_add=True)
    created_by = orm.ForeignKey(settings.AUTH_USER_MODEL, orm.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["environment__position", "name", "id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


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
