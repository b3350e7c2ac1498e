"""The audit trail: append-only, each row chained to the one before by its hash."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class AuditRow(models.Model):
    """Who did what to what, when and why. `hash` covers the row and the hash before it."""

    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=200, help_text="such as `release 12` or `package flight-eta 4`")
    subject_url = models.CharField(max_length=300, blank=True)
    model = models.CharField(max_length=63, blank=True)
    environment = models.CharField(max_length=63, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=[name, "-id"], name=f"audit_by_{name}")
            for name in ("model", "environment", "action", "actor_name")
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
