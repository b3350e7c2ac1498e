"""What the judge of a release was given and what it said: its settings, every closed batch, every verdict."""

from __future__ import annotations

from django.db import models

from releases.models.releases import Release


class Judgement(models.Model):
    """The judge of one release, saved after each batch; settings and history are fixed when it begins."""

    release = models.OneToOneField(Release, models.PROTECT, related_name="judgement")
    settings = models.JSONField(help_text="releases.analysis.settings.Settings")
    history = models.JSONField(help_text="the hour before, as batches of a minute: stable beside control")
    minutes = models.PositiveSmallIntegerField(help_text="how many minutes of history there were")
    state = models.TextField(help_text="the judge as JSON")
    length = models.PositiveSmallIntegerField(default=10, help_text="seconds of a batch")
    began = models.BigIntegerField(help_text="epoch seconds at which the first batch begins")
    upto = models.BigIntegerField(help_text="epoch seconds up to which everything has been judged")
    checked = models.BigIntegerField(default=0, help_text="epoch seconds up to which late counts were looked for")
    counted = models.PositiveBigIntegerField(default=0, help_text="requests in the batches up to there")
    late = models.PositiveBigIntegerField(default=0, help_text="requests that came too late for them")
    skipped = models.PositiveIntegerField(default=0, help_text="windows in which a gateway was lost: not judged")

    def __str__(self) -> str:
        return f"judge of release {self.release_id}"


class JudgedBatch(models.Model):
    """One closed batch and the verdict on all so far. Never changed."""

    release = models.ForeignKey(Release, models.PROTECT, related_name="batches")
    number = models.PositiveIntegerField()
    at = models.BigIntegerField(help_text="epoch seconds at which it begins")
    batch = models.JSONField(help_text="releases.analysis.batch.Batch")
    verdict = models.JSONField(help_text="releases.analysis.verdict.Verdict")
    state = models.CharField(max_length=16)
    evidence = models.FloatField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["release", "number"], name="one_batch_per_number")]

    def __str__(self) -> str:
        return f"batch {self.number} of release {self.release_id}"
