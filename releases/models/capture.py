"""What is captured: the setting of each model in each environment, and one row for every file of an hour."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from releases.models.environments import Environment
from releases.models.packages import MLModel


class CaptureSetting(models.Model):
    """Whether requests of a model are kept in an environment, and for how long; without a row they never were."""

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="capture_settings")
    model = models.ForeignKey(MLModel, models.CASCADE, related_name="capture_settings")
    on = models.BooleanField(default=False)
    share = models.FloatField(
        default=0.1, validators=[MinValueValidator(0), MaxValueValidator(1)], help_text="of the requests, 0 to 1"
    )
    per_hour = models.PositiveIntegerField(
        default=1000,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="requests that are kept in an hour at most, over all gateways together",
    )
    keep_days = models.PositiveSmallIntegerField(
        default=14, validators=[MinValueValidator(1), MaxValueValidator(365)], help_text="days until they are deleted"
    )

    class Meta:
        ordering = ["environment__position", "model__name"]
        constraints = [models.UniqueConstraint(fields=["environment", "model"], name="one_capture_setting_per_place")]

    def __str__(self) -> str:
        return f"capture of {self.model.name} in {self.environment.name}"

    def get_absolute_url(self) -> str:
        return f"{self.model.get_absolute_url()}#capture"


class CaptureFile(models.Model):
    """The file of one model, environment and hour. Only its first `size` bytes count: what lies behind was never said
    to be stored. All entries of the stream up to `last_entry` that belong here are in it."""

    environment = models.CharField(max_length=63)
    model = models.CharField(max_length=63)
    hour = models.DateTimeField(help_text="its start")
    path = models.CharField(max_length=200, unique=True, help_text="below the folder of captures")
    records = models.PositiveIntegerField(default=0)
    over = models.PositiveIntegerField(default=0, help_text="left out, because the hour was full")
    size = models.PositiveBigIntegerField(default=0, help_text="bytes that count, compressed")
    last_ms = models.PositiveBigIntegerField(default=0, help_text="the last entry of the stream, first part")
    last_number = models.PositiveBigIntegerField(default=0, help_text="and second part")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["hour", "id"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "model", "hour"], name="one_capture_file_per_hour")
        ]
        indexes = [models.Index(fields=["model", "environment", "hour"])]

    def __str__(self) -> str:
        return f"{self.records} requests of {self.model} in {self.environment} from {self.hour}"

    @property
    def last_entry(self) -> tuple[int, int]:
        return self.last_ms, self.last_number
