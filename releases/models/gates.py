"""What environments ask of a package: rules by risk or by model, settings of suites, overrides of one release."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models

from releases.models.environments import Environment
from releases.models.packages import MLModel
from releases.models.releases import Release


class Rule(models.Model):
    """What a package must have shown to come into an environment: one for each risk, and one for a model of its own."""

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="rules")
    risk = models.CharField(max_length=8, blank=True, help_text="low, medium or high; empty with a model")
    model = models.ForeignKey(MLModel, models.CASCADE, null=True, related_name="rules", help_text="this model alone")
    least_hours = models.FloatField(
        default=0, validators=[MinValueValidator(0)], help_text="how long it must have been live one environment before"
    )

    class Meta:
        ordering = ["environment__position", "model__name", "risk"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "risk"], condition=models.Q(model=None), name="one_rule_per_risk"
            ),
            models.UniqueConstraint(fields=["environment", "model"], name="one_rule_per_model"),
        ]

    def __str__(self) -> str:
        return f"rule of {self.environment.name} for {self.model.name if self.model else f'{self.risk} risk'}"


class Want(models.Model):
    """One suite that a rule wants passed, in which environment, and how old the result may be."""

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="wants")
    kind = models.CharField(max_length=16)
    where = models.ForeignKey(Environment, models.PROTECT, related_name="wanted_in")
    most_days = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="not older than this; empty for any age"
    )

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["rule", "kind", "where"], name="one_want_per_kind_and_place")]

    def __str__(self) -> str:
        return f"{self.kind} in {self.where.name}"


class SuiteSetting(models.Model):
    """How a kind of suite is run for a model, where that differs from the suite's own defaults."""

    model = models.ForeignKey(MLModel, models.CASCADE, related_name="suite_settings")
    kind = models.CharField(max_length=16)
    values = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["model__name", "kind"]
        constraints = [models.UniqueConstraint(fields=["model", "kind"], name="one_setting_per_kind")]

    def __str__(self) -> str:
        return f"settings of {self.kind} for {self.model.name}"


class Override(models.Model):
    """Gates of one release that shall not hold it: asked for by one person, in effect when a second one consents."""

    release = models.OneToOneField(Release, models.PROTECT, related_name="override")
    gates = models.JSONField(help_text="names of the gates")
    reason = models.CharField(max_length=500)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    consented_at = models.DateTimeField(null=True)
    consented_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        return f"override of {self.release}"
