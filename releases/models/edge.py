"""Edge: the bundles that were made of packages, the channels that offer them, and the devices that check in."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from releases.models.environments import Environment
from releases.models.packages import MLModel, Package


class EdgeBundle(models.Model):
    """A bundle of a package. A smaller one that makes no sense has no id, and says why in `words`."""

    package = models.ForeignKey(Package, models.CASCADE, related_name="bundles")
    variant = models.CharField(max_length=16, help_text="full, or smaller")
    bundle = models.CharField(max_length=64, unique=True, null=True, help_text="SHA-256 of its manifest")
    size = models.PositiveBigIntegerField(default=0, help_text="bytes of the model file")
    tolerance = models.FloatField(default=0, help_text="how far its answers may be away, as part of the largest")
    apart = models.FloatField(default=0, help_text="how far they are, on the golden rows")
    memory = models.PositiveBigIntegerField(default=0, help_text="bytes at the peak of its self-test here")
    seconds = models.FloatField(default=0, help_text="median time of a row in its self-test here")
    words = models.CharField(max_length=500, blank=True)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["package", "variant"])]

    def __str__(self) -> str:
        return f"{self.variant} bundle of {self.package}"

    def get_absolute_url(self) -> str:
        return f"{self.package.get_absolute_url()}edge/"


class EdgeChannel(models.Model):
    """What devices ask: it follows what is live in its environment. `offer` is the newest signed document."""

    class Name(models.TextChoices):
        STABLE = "stable"
        BETA = "beta"

    # By the names of the environments that a new installation has.
    FOLLOWS = {Name.STABLE: "production", Name.BETA: "staging"}

    model = models.ForeignKey(MLModel, models.PROTECT, related_name="channels")
    name = models.CharField(max_length=16, choices=Name.choices)
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="channels")
    on = models.BooleanField(default=True)
    bundle = models.ForeignKey(EdgeBundle, models.PROTECT, null=True, related_name="+", help_text="what devices run")
    serial = models.PositiveBigIntegerField(default=0, help_text="number of the newest offer; it only grows")
    offer = models.TextField(blank=True)
    signature = models.CharField(max_length=100, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["model__name", "-name"]
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="one_channel_per_name")]

    def __str__(self) -> str:
        return f"channel {self.name} of {self.model.name}"

    def get_absolute_url(self) -> str:
        return f"/models/{self.model.name}/edge/"


class EdgeDevice(models.Model):
    """A device as it checked in last."""

    class State(models.TextChoices):
        PASSED = "passed"
        FAILED = "failed"
        REFUSED = "refused"
        OFF = "off"

    channel = models.ForeignKey(EdgeChannel, models.CASCADE, related_name="devices")
    name = models.CharField(max_length=100)
    bundle = models.CharField(max_length=64, blank=True, help_text="what it runs; empty for nothing")
    package = models.PositiveIntegerField(null=True, help_text="number of the package that it runs")
    state = models.CharField(max_length=16, choices=State.choices)
    words = models.CharField(max_length=300, blank=True)
    seconds = models.FloatField(default=0, help_text="median time of a row")
    memory = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["channel", "name"], name="one_device_per_name")]
        indexes = [models.Index(fields=["channel", "seen_at"])]

    def __str__(self) -> str:
        return self.name
