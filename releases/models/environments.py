"""Environments in their order, the route of each model in each, and every route table ever published."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from releases.models.packages import NAME, MLModel, Package


class Environment(models.Model):
    """A place where packages answer; ordered from `dev` to `production`."""

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    position = models.PositiveSmallIntegerField(unique=True)
    description = models.CharField(max_length=300, blank=True)
    keyless = models.BooleanField(default=False, help_text="answer calls that carry no key")
    developers_deploy = models.BooleanField(default=False, help_text="developers may release here")
    needs_previous = models.BooleanField(default=True, help_text="a package must have been live one environment before")
    undoes_failed_smoke = models.BooleanField(
        default=False, help_text="a release whose smoke test fails is rolled back by itself"
    )
    watch_seconds = models.PositiveIntegerField(default=0, help_text="how long a release is watched after the switch")
    default_strategy = models.CharField(max_length=16, default="blue_green")
    requests_per_second = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="limit; empty for none"
    )
    generation = models.PositiveBigIntegerField(default=0, help_text="number of the newest published table")
    copied_from = models.CharField(max_length=63, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/environments/{self.name}/"


class Route(models.Model):
    """Which package is live for a model in an environment, and which one a rollback returns to."""

    environment = models.ForeignKey(Environment, models.PROTECT, related_name="routes")
    model = models.ForeignKey(MLModel, models.PROTECT, related_name="routes")
    stable = models.ForeignKey(Package, models.PROTECT, null=True, related_name="+")
    previous = models.ForeignKey(Package, models.PROTECT, null=True, related_name="+")
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["environment__position", "model__name"]
        constraints = [models.UniqueConstraint(fields=["environment", "model"], name="one_route_per_model")]

    def __str__(self) -> str:
        return f"{self.model.name} in {self.environment.name}"


class PublishedTable(models.Model):
    """One route table as the gateways got it; never changed, never deleted: the answer to "what was live at T"."""

    environment = models.ForeignKey(Environment, models.PROTECT, related_name="tables")
    generation = models.PositiveBigIntegerField()
    body = models.JSONField()
    content = models.CharField(max_length=64, help_text="SHA-256 of the body without its generation")
    cause = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["environment", "generation"], name="one_table_per_generation")]

    def __str__(self) -> str:
        return f"{self.environment.name} table {self.generation}"
