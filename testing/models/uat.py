"""User acceptance: the plan of a model, and one sheet for each package that QA looks at."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from releases.models import Environment, MLModel, Package


class Expectation(models.TextChoices):
    """How an answer is judged."""

    EXACT = "exact", "Exactly this answer"
    TOLERANCE = "tolerance", "A number near this one"
    RANGE = "range", "A number between two limits"
    PERSON = "person", "A person judges"


class Asked(models.Model):
    """What a case says, in a plan and as it was copied to a sheet."""

    title = models.CharField(max_length=200, help_text="in business words")
    row = models.JSONField(help_text="the input, as the signature names it")
    look_at = models.CharField(max_length=1000, blank=True, help_text="what the person should look at")
    expectation = models.CharField(max_length=16, choices=Expectation.choices, default=Expectation.PERSON)
    wanted = models.CharField(max_length=200, blank=True, help_text="the answer, or the number it shall be near")
    tolerance = models.FloatField(null=True, blank=True, help_text="how far from the number it may be")
    least = models.FloatField(null=True, blank=True)
    most = models.FloatField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.title


class PlanCase(Asked):
    """One case of a model's plan."""

    model = models.ForeignKey(MLModel, models.CASCADE, related_name="plan_cases")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]


class Sheet(models.Model):
    """One package in one environment, looked at by QA: open until it is signed or rejected, then kept for ever."""

    class State(models.TextChoices):
        OPEN = "open"
        SIGNED = "signed"
        REJECTED = "rejected"

    package = models.ForeignKey(Package, models.CASCADE, related_name="sheets")
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="sheets")
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    digest = models.CharField(max_length=71, help_text="of the package's bytes")
    plan_digest = models.CharField(max_length=64, help_text="of the plan whose cases were copied")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    statement = models.CharField(max_length=500, blank=True, help_text="what the signer declared")
    reason = models.CharField(max_length=500, blank=True, help_text="why it was rejected")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["package", "environment"], condition=models.Q(state="open"), name="one_open_sheet"
            )
        ]

    def __str__(self) -> str:
        return f"sheet {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN

    def get_absolute_url(self) -> str:
        return f"/uat/{self.pk}/"


class SheetCase(Asked):
    """One case as QA saw it: both answers, and what the person made of them."""

    class Mark(models.TextChoices):
        NONE = "", "Not looked at"
        PASS = "pass", "Pass"
        FAIL = "fail", "Fail"

    sheet = models.ForeignKey(Sheet, models.CASCADE, related_name="cases")
    is_own = models.BooleanField(default=False, help_text="tried by the person, and not of the plan")
    asked_at = models.DateTimeField(null=True, help_text="when it was last asked")
    candidate = models.JSONField(default=dict, help_text="{answer, ms, package, digest} or {error}")
    live = models.JSONField(default=dict, help_text="the same of what is in production; empty where nothing is")
    meets = models.BooleanField(null=True, help_text="whether the expectation holds; null where a person judges")
    mark = models.CharField(max_length=8, choices=Mark.choices, blank=True, default="")
    note = models.CharField(max_length=2000, blank=True)
    marked_at = models.DateTimeField(null=True)
    marked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]

    @property
    def is_done(self) -> bool:
        """A mark counts for the answer that was seen, so there must be one."""
        return bool(self.mark and self.asked_at)


class Attachment(models.Model):
    """A file that belongs to a case: a picture of what was seen, a mail."""

    case = models.ForeignKey(SheetCase, models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=120)
    content = models.BinaryField()
    size = models.PositiveIntegerField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
