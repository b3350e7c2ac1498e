"""Models, their immutable packages, and the intake that each upload goes through.

Pages stand to the left of this layer, so it names their paths and imports none of them; a test compares them.
"""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

NAME = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", "Use small letters, digits and single dashes, at most 63."
)


class Risk(models.TextChoices):
    """What it costs when a package of the model is wrong; each environment asks accordingly."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class MLModel(models.Model):
    """A named thing that is released, such as `flight-eta`."""

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    description = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    last_number = models.PositiveIntegerField(default=0)
    risk = models.CharField(
        max_length=8, choices=Risk.choices, default=Risk.MEDIUM, help_text="how much its packages must show"
    )
    deadline = models.FloatField(default=10.0, help_text="seconds after which a request counts as timed out")
    sticky = models.CharField(
        max_length=100, blank=True, help_text="input whose value decides which package answers, instead of chance"
    )
    tolerance = models.FloatField(default=0.001, help_text="seconds by which a candidate may be slower, to the judge")
    stream_seconds = models.FloatField(default=60.0, help_text="within which a record of a stream must be answered")
    agreement = models.JSONField(
        default=dict, blank=True, help_text="when two answers agree, and what a comparison must show"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/models/{self.name}/"


# The columns of a package that grow with it; no list and no look of beat's needs them.
HEAVY = ("signature", "manifest", "example", "answers", "provenance", "versions", "differences")


class Package(models.Model):
    """One immutable version of a model, known by the digest of its files."""

    model = models.ForeignKey(MLModel, models.PROTECT, related_name="packages")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=71)
    artefact = models.CharField(max_length=71, help_text="digest of the serving form")
    format = models.CharField(max_length=16)
    runtime = models.CharField(max_length=16)
    runtime_reason = models.CharField(max_length=500)
    onnx_digest = models.CharField(max_length=71, null=True)
    signature = models.JSONField()
    manifest = models.JSONField(help_text="[{path, size, sha256}]")
    example = models.JSONField(default=list)
    answers = models.JSONField(default=list, help_text="what it answered to its example when it came in")
    provenance = models.JSONField(default=dict)
    versions = models.JSONField(default=dict)
    differences = models.JSONField(default=dict)
    sandbox = models.CharField(max_length=32)
    size = models.PositiveBigIntegerField()
    notes = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["model__name", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="one_package_per_number"),
            models.UniqueConstraint(fields=["model", "digest"], name="one_package_per_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.model.name} {self.number}"

    def get_absolute_url(self) -> str:
        return f"/models/{self.model.name}/packages/{self.number}/"


class Intake(models.Model):
    """The report of one upload: its steps as they happen, and how it ended."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        ACCEPTED = "accepted"
        REFUSED = "refused"
        ERRORED = "errored"

    OPEN = [State.QUEUED, State.RUNNING]

    model = models.ForeignKey(MLModel, models.PROTECT, related_name="intakes")
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    filename = models.CharField(max_length=255)
    upload = models.CharField(max_length=500, blank=True, help_text="where the bytes wait; empty once it has ended")
    declared = models.JSONField(default=dict)
    steps = models.JSONField(default=list, help_text="[{name, state, detail, seconds}]")
    reason = models.CharField(max_length=1000, blank=True)
    package = models.ForeignKey(Package, models.SET_NULL, null=True, related_name="intakes")
    was_known = models.BooleanField(default=False, help_text="the same files were registered before")
    attempts = models.PositiveSmallIntegerField(default=0)
    beat_at = models.DateTimeField(null=True, help_text="last sign of life of the worker")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"intake {self.pk} of {self.model.name}"

    def get_absolute_url(self) -> str:
        return f"/intakes/{self.pk}/"
