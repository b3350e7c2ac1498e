"""Runs of suites and what they showed, case by case."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from releases.models import Environment, Package


class Run(models.Model):
    """One suite on one package in one environment, from the queue to its verdict; kept for ever."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        PASSED = "passed"
        FAILED = "failed"
        ERRORED = "errored"
        INVALID = "invalid"
        CANCELLED = "cancelled"
        TIMED_OUT = "timed out"

    OPEN = (State.QUEUED, State.RUNNING)

    package = models.ForeignKey(Package, models.CASCADE, related_name="runs")
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="runs")
    kind = models.CharField(max_length=16)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    cause = models.CharField(max_length=200, blank=True, help_text="what wanted it, such as `release 12`")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    again_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="again")
    digest = models.CharField(max_length=71, help_text="of the package's bytes")
    values = models.JSONField(default=dict, help_text="the settings that were changed from the suite's own")
    settings_digest = models.CharField(max_length=64)
    expected = models.PositiveSmallIntegerField(default=0, help_text="how many cases there will be, as far as known")
    at_work = models.CharField(max_length=200, blank=True, help_text="the case that is being run")
    log = models.TextField(blank=True)
    figures = models.JSONField(default=list, help_text="[{name, value, unit, limit, verdict}]")
    charts = models.JSONField(default=dict)
    reason = models.CharField(max_length=500, blank=True, help_text="how it ended, in a sentence")
    sandbox = models.CharField(max_length=32, blank=True, help_text="the tier that the package's code ran in")
    attempts = models.PositiveSmallIntegerField(default=0)
    beat_at = models.DateTimeField(null=True, help_text="last sign of life of the worker")
    cancelled_at = models.DateTimeField(null=True, help_text="when somebody asked it to stop")
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["package", "environment", "kind"],
                condition=models.Q(state__in=("queued", "running")),
                name="one_open_run",
            )
        ]
        indexes = [models.Index(fields=["state"]), models.Index(fields=["package", "kind", "-id"])]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended, or when it never began."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at and self.started_at else None

    def get_absolute_url(self) -> str:
        return f"/runs/{self.pk}/"


class Case(models.Model):
    """One named thing that a run looked at."""

    class Outcome(models.TextChoices):
        PASSED = "passed"
        FAILED = "failed"
        ERRORED = "errored"
        ABSENT = "not offered"

    run = models.ForeignKey(Run, models.CASCADE, related_name="cases")
    attempt = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=200)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    seconds = models.FloatField()
    message = models.CharField(max_length=2000, blank=True, help_text="why it did not pass")
    evidence = models.CharField(max_length=2000, blank=True, help_text="what was seen")

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "attempt", "number"], name="one_case_per_number")]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"
