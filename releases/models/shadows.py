"""What the shadow processes have found, kept when Redis has forgotten it."""

from __future__ import annotations

from django.db import models

from releases.models.releases import Release


class ShadowTally(models.Model):
    """The newest findings of one shadow process for one release."""

    release = models.ForeignKey(Release, models.CASCADE, related_name="tallies")
    boot = models.CharField(max_length=32, help_text="which process")
    at = models.FloatField(help_text="when it wrote them (epoch seconds)")
    tally = models.JSONField(help_text="serving.tally.Tally")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["release", "boot"], name="one_tally_per_process")]

    def __str__(self) -> str:
        return f"tally of {self.boot} for release {self.release_id}"
