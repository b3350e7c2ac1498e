"""Where the results of a stream are sent as they come."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from releases.models.environments import Environment
from releases.models.packages import MLModel


class StreamHook(models.Model):
    """An address that gets a stream's results; `cursor` is the last one that it took."""

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="stream_hooks")
    model = models.ForeignKey(MLModel, models.CASCADE, related_name="stream_hooks")
    url = models.URLField(max_length=500)
    salt = models.CharField(max_length=32, help_text="with SECRET_KEY it makes the secret of its signatures")
    cursor = models.CharField(max_length=50, default="0-0")
    delivered = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0, help_text="since it last took something")
    words = models.CharField(max_length=300, blank=True, help_text="why it took nothing the last time")
    next_at = models.DateTimeField(help_text="when it is tried again; a worker that delivers holds it a minute ahead")
    last_at = models.DateTimeField(null=True, help_text="when it last took something")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["environment", "model"], name="one_hook_per_stream")]
        indexes = [models.Index(fields=["next_at"])]

    def __str__(self) -> str:
        return f"webhook of {self.model.name} in {self.environment.name}"

    def get_absolute_url(self) -> str:
        return f"/streams/{self.environment.name}/{self.model.name}/"
