"""The states of a batch job: one table, and one door."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from releases.errors import Conflict, LostRace
from releases.models import BatchJob

S = BatchJob.State

MOVES: dict[tuple[str, str], str] = {
    ("prepare", S.QUEUED): S.PREPARING,
    ("run", S.PREPARING): S.RUNNING,
    ("assemble", S.RUNNING): S.ASSEMBLING,
    ("finish", S.ASSEMBLING): S.DONE,
    **{("fail", state): S.FAILED for state in BatchJob.ACTIVE},
    **{("cancel", state): S.CANCELLED for state in BatchJob.ACTIVE},
}
ENDS = frozenset({S.DONE, S.FAILED, S.CANCELLED})


def move(job: BatchJob, action: str, **columns: Any) -> BatchJob:
    """Change the state by compare-and-swap; whoever held the job holds it no more.

    Raises Conflict where the table forbids the action, LostRace where somebody else was first.
    """
    new = MOVES.get((action, job.state))
    if new is None:
        raise Conflict(f"A batch that is {job.state} cannot {action}.")
    columns = {"state": new, "holder": "", "beat_at": None, "attempts": 0, **columns}
    if new in ENDS:
        columns["ended_at"] = timezone.now()
    if BatchJob.objects.filter(pk=job.pk, state=job.state).update(**columns) != 1:
        raise LostRace("Somebody changed this batch a moment ago. Look at it again.")
    for name, value in columns.items():
        setattr(job, name, value)
    return job
