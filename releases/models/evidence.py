"""Evidence: what a package has shown, where, and with which settings."""

from __future__ import annotations

from django.db import models

from releases.models.environments import Environment

# Where the page of each thing is that evidence is taken from.
FOLDERS = {"run": "runs", "intake": "intakes", "sheet": "uat", "release": "releases", "batch": "batches"}


class Evidence(models.Model):
    """One verdict about one package digest; environment is empty where it holds everywhere."""

    digest = models.CharField(max_length=71)
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=32)
    settings_digest = models.CharField(max_length=64, blank=True)
    verdict = models.CharField(max_length=16)
    at = models.DateTimeField()
    words = models.CharField(max_length=300, blank=True, help_text="what it says, in a sentence")
    reference = models.CharField(max_length=200, help_text="what it was taken from, such as `intake 12`")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["digest", "kind"])]

    def __str__(self) -> str:
        return f"{self.kind} of {self.digest[:15]}: {self.verdict}"

    def get_absolute_url(self) -> str:
        """The page of what it was taken from, empty where there is none."""
        kind, number, *_ = [*self.reference.split(), "", ""]
        return f"/{FOLDERS[kind]}/{number}/" if kind in FOLDERS and number.isdecimal() else ""
