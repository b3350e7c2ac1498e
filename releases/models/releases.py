"""A release: one package on its way into one environment; and every step it took."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from releases.models.environments import Environment
from releases.models.packages import MLModel, Package

# These take no part in the traffic: one only looks on, the other goes to devices.
ASIDE = ("shadow", "edge")


class Traffic(models.Manager["Release"]):
    """The releases that decide which package answers calls."""

    def get_queryset(self) -> models.QuerySet[Release]:
        return super().get_queryset().exclude(strategy__in=ASIDE)


class Release(models.Model):
    """One package on its way into one environment by one strategy."""

    class State(models.TextChoices):
        WAITING = "waiting"
        PREPARING = "preparing"
        SHIFTING = "shifting"
        WATCHING = "watching"
        LIVE = "live"
        FAILED = "failed"
        ABORTED = "aborted"
        COMPARED = "compared"

    UNFINISHED = (State.WAITING, State.PREPARING, State.SHIFTING, State.WATCHING)
    ENDED = (State.LIVE, State.FAILED, State.ABORTED, State.COMPARED)

    model = models.ForeignKey(MLModel, models.PROTECT, related_name="releases")
    package = models.ForeignKey(Package, models.PROTECT, null=True, related_name="releases")
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="releases")
    strategy = models.CharField(max_length=16)
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    weight = models.FloatField(default=0, help_text="the candidate's share of the traffic in per cent")
    stable_weight = models.FloatField(default=100, help_text="the share of what was live before, in per cent")
    step = models.PositiveSmallIntegerField(default=0)
    plan = models.JSONField(default=dict, help_text="canary: its steps; shadow: its share, end and rule")
    control = models.FloatField(default=5, help_text="per cent that the old package keeps while the new one is watched")
    replaces = models.ForeignKey(Package, models.PROTECT, null=True, related_name="+", help_text="what was live before")
    rolls_back = models.ForeignKey("self", models.PROTECT, null=True, related_name="rolled_back_by")
    is_rollback = models.BooleanField(default=False, help_text="its traffic has moved when it begins")
    reason = models.CharField(max_length=500, blank=True)
    note = models.CharField(max_length=500, blank=True, help_text="what it waits for, or why it ended, in words")
    hotfix = models.CharField(max_length=500, blank=True, help_text="why it may move although the line is stopped")
    start_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    state_since = models.DateTimeField()
    step_since = models.DateTimeField()
    switched_at = models.DateTimeField(null=True, help_text="when the new package got the traffic")
    off_at = models.DateTimeField(null=True, help_text="recreate: when the old package went off")
    on_at = models.DateTimeField(null=True, help_text="recreate: when the gateways had adopted the new one")
    ended_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    objects = models.Manager["Release"]()
    traffic = Traffic()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "environment"],
                condition=models.Q(state__in=("waiting", "preparing", "shifting", "watching"))
                & ~models.Q(strategy__in=("shadow", "edge")),
                name="one_unfinished_release",
            ),
            models.UniqueConstraint(
                fields=["model", "environment"],
                condition=models.Q(state__in=("waiting", "preparing", "shifting", "watching"), strategy="edge"),
                name="one_unfinished_edge_release",
            ),
        ]
        indexes = [models.Index(fields=["environment", "model", "-id"]), models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"release {self.pk}"

    @property
    def is_unfinished(self) -> bool:
        return self.state in self.UNFINISHED

    @property
    def is_aside(self) -> bool:
        """Whether it never gets any of the calls."""
        return self.strategy in ASIDE

    def get_absolute_url(self) -> str:
        return f"/releases/{self.pk}/"


class Event(models.Model):
    """One step of a release: what happened, when, by whom and why; written with the change itself."""

    release = models.ForeignKey(Release, models.PROTECT, related_name="events")
    at = models.DateTimeField()
    action = models.CharField(max_length=32)
    old_state = models.CharField(max_length=16, blank=True)
    new_state = models.CharField(max_length=16, blank=True)
    weight = models.FloatField(default=0)
    reason = models.CharField(max_length=500, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["at"])]

    def __str__(self) -> str:
        return f"{self.action} of release {self.release_id}"
