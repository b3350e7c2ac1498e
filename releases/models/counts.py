"""What the gateways counted, rolled up: one-minute rows for 30 days, one-hour rows for two years."""

from __future__ import annotations

from django.db import models


class Count(models.Model):
    """Requests of one arm of one package in one minute or hour; set, never incremented, so writing twice is safe.

    Without a package: who was turned away before one was picked, in `refused`, and in `errors` why ("401 key").
    """

    MINUTE, HOUR = 60, 3600

    seconds = models.PositiveSmallIntegerField(help_text="60 or 3600")
    at = models.DateTimeField(help_text="start of the minute or hour")
    environment = models.CharField(max_length=63)
    model = models.CharField(max_length=63)
    package = models.CharField(max_length=71, help_text="digest")
    generation = models.PositiveBigIntegerField(default=0)
    arm = models.CharField(max_length=16)
    mode = models.CharField(max_length=16)
    protocol = models.CharField(max_length=16)
    starts = models.PositiveIntegerField()
    completions = models.PositiveIntegerField()
    refused = models.PositiveIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    duration = models.FloatField(default=0.0, help_text="seconds, all calls added up; the next two are parts of it")
    queued = models.FloatField(default=0.0, help_text="seconds that calls waited for their model")
    computed = models.FloatField(default=0.0, help_text="seconds that the model took")
    errors = models.JSONField(default=dict, help_text="{kind: number}")
    latency = models.JSONField(default=dict, help_text="{bucket: number}")
    scores = models.JSONField(default=dict, help_text="{bucket: number}")

    class Meta:
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(
                fields=["seconds", "at", "environment", "model", "generation", "package", "arm", "mode", "protocol"],
                name="one_count_per_cell",
            )
        ]
        indexes = [models.Index(fields=["environment", "model", "seconds", "at"])]

    def __str__(self) -> str:
        return f"{self.starts} requests at {self.at}"
