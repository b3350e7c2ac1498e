"""Times in which an environment stands still."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from releases.models.environments import Environment


class Freeze(models.Model):
    """One stretch of time, from `begins` to `ends`, or a recurring one: `cron` says when it begins, for `minutes`."""

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="freezes")
    name = models.CharField(max_length=100, help_text="why, in a few words, such as `Black Friday`")
    begins = models.DateTimeField(null=True)
    ends = models.DateTimeField(null=True)
    cron = models.CharField(max_length=100, blank=True, help_text="minute hour day month weekday")
    minutes = models.PositiveIntegerField(null=True, help_text="how long a recurring one lasts")
    zone = models.CharField(max_length=64, default="UTC", help_text="time zone of `cron`")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"freeze {self.pk} of {self.environment.name}"
