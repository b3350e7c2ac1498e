"""Batch jobs: one file answered by a model's packages; its chunks; and the schedules that start jobs."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from releases.models.environments import Environment
from releases.models.packages import MLModel, Package


class BatchSchedule(models.Model):
    """When a job starts by itself, and on which file of the input folder."""

    name = models.CharField(max_length=100, help_text="what it is for, such as `Sales forecast`")
    model = models.ForeignKey(MLModel, models.CASCADE, related_name="batch_schedules")
    environment = models.ForeignKey(Environment, models.CASCADE, related_name="batch_schedules")
    cron = models.CharField(max_length=100, help_text="minute hour day month weekday")
    zone = models.CharField(max_length=64, default="UTC", help_text="time zone of `cron`")
    pattern = models.CharField(max_length=200, help_text="file below the input folder, such as `sales-{yyyy}-{mm}.csv`")
    most_wrong = models.PositiveIntegerField(default=1000, help_text="wrong rows that stop a job")
    late_minutes = models.PositiveIntegerField(default=60, help_text="after which a file that is not there is missed")
    on = models.BooleanField(default=True)
    next_at = models.DateTimeField(null=True, help_text="when it is due next; empty while it is off")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["next_at"])]

    def __str__(self) -> str:
        return f"schedule {self.pk}, {self.name}"

    def get_absolute_url(self) -> str:
        return "/batches/schedules/"


class BatchJob(models.Model):
    """One file on its way to its answers. What decides the bytes of the result stands in `plan`, once it has begun."""

    class State(models.TextChoices):
        QUEUED = "queued"
        PREPARING = "preparing"
        RUNNING = "running"
        ASSEMBLING = "assembling"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ACTIVE = (State.QUEUED, State.PREPARING, State.RUNNING, State.ASSEMBLING)

    class Form(models.TextChoices):
        CSV = "csv", "CSV"
        JSONL = "jsonl", "JSON lines"
        PARQUET = "parquet", "Parquet"

    model = models.ForeignKey(MLModel, models.PROTECT, related_name="batch_jobs")
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="batch_jobs")
    package = models.ForeignKey(
        Package, models.PROTECT, null=True, related_name="+", help_text="pinned; empty: the route decides"
    )
    against = models.ForeignKey(
        Package, models.PROTECT, null=True, related_name="+", help_text="compared with `package`, or with the live one"
    )
    folder = models.CharField(max_length=32, unique=True, help_text="of its files, below the folder of batches")
    filename = models.CharField(max_length=200)
    form = models.CharField(max_length=8, choices=Form.choices)
    packed = models.BooleanField(default=False, help_text="gzip")
    stored = models.CharField(max_length=200, blank=True, help_text="file of the input folder; empty: an upload")
    size = models.PositiveBigIntegerField(default=0, help_text="bytes as it came")
    most_wrong = models.PositiveIntegerField(default=1000, help_text="wrong rows that stop it")
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    words = models.CharField(max_length=500, blank=True, help_text="why it ended as it did")
    plan = models.JSONField(default=dict, blank=True, help_text="serving.batch.plan.Plan, fixed at its start")
    rule = models.JSONField(default=dict, blank=True, help_text="of a comparison, fixed when it was made")
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the input, unpacked")
    rows = models.PositiveBigIntegerField(default=0)
    answered = models.PositiveBigIntegerField(default=0)
    wrong = models.PositiveBigIntegerField(default=0)
    packages = models.JSONField(default=dict, blank=True, help_text="rows by the number of the package that answered")
    tally = models.JSONField(default=dict, blank=True, help_text="of a comparison: serving.tally.Tally")
    output_size = models.PositiveBigIntegerField(default=0)
    holder = models.CharField(max_length=32, blank=True, help_text="who prepares or assembles it")
    beat_at = models.DateTimeField(null=True, help_text="last sign of life of the holder")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="how often this state was tried")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    schedule = models.ForeignKey(BatchSchedule, models.SET_NULL, null=True, related_name="jobs")
    due_at = models.DateTimeField(null=True, help_text="of a scheduled one: when it was due")
    started_at = models.DateTimeField(null=True)
    ran_at = models.DateTimeField(null=True, help_text="when its first row could be answered")
    ended_at = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True, help_text="when its files were deleted")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state"]), models.Index(fields=["model", "environment", "-id"])]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="one_job_each_time_a_schedule_is_due")
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

    @property
    def is_comparison(self) -> bool:
        return self.against_id is not None

    def get_absolute_url(self) -> str:
        return f"/batches/{self.pk}/"


class BatchChunk(models.Model):
    """Some rows of a job. Whoever holds it says so every few seconds; who is silent has lost it."""

    job = models.ForeignKey(BatchJob, models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    start = models.PositiveBigIntegerField(help_text="first byte")
    stop = models.PositiveBigIntegerField(help_text="one past the last byte")
    first = models.PositiveBigIntegerField(help_text="number of its first row, from 1")
    rows = models.PositiveIntegerField()
    done_at = models.DateTimeField(null=True)
    answered = models.PositiveIntegerField(default=0)
    wrong = models.PositiveIntegerField(default=0)
    packages = models.JSONField(default=dict, blank=True)
    tally = models.TextField(blank=True)
    holder = models.CharField(max_length=32, blank=True)
    beat_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="one_chunk_of_a_number")]
        indexes = [models.Index(fields=["job", "done_at", "beat_at"])]

    def __str__(self) -> str:
        return f"chunk {self.number} of batch {self.job_id}"
