"""The line: whether releases may move at all."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class LineStop(models.Model):
    """One time that all releases stood still: who stopped the line and why, and who let it go on."""

    # True while it lasts, empty afterwards: so that there is never more than one.
    is_open = models.BooleanField(null=True, default=True, unique=True)
    reason = models.CharField(max_length=500)
    stopped_at = models.DateTimeField()
    stopped_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    ended_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"the line, stopped at {self.stopped_at:%Y-%m-%d %H:%M}"
