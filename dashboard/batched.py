"""A batch job in words: how far it is, what it gave, and what to know about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from dashboard import figures, shadowed
from releases.models import BatchJob, BatchSchedule
from releases.modes.batch import files, reading, schedules
from releases.rights import BATCH, may

if TYPE_CHECKING:
    from releases.rights import Person

S = BatchJob.State
AT_WORK = {
    S.QUEUED: "Waits for a worker",
    S.PREPARING: "The file is read once and cut into chunks",
    S.ASSEMBLING: "The answers are put together",
}
# A scheduled job that begins later than this is called late.
LATE_SECONDS = 120.0


def row(job: BatchJob) -> dict[str, Any]:
    """Return a job as lists show it."""
    found = reading.progress(job)
    return {
        "job": job,
        "state": state(job),
        "by": who(job),
        "rows": figures.count(job.rows) if job.rows else figures.NOTHING,
        "share": figures.percent(found.share) if job.state == S.RUNNING else "",
        "late": late(job),
    }


def state(job: BatchJob) -> str:
    """Return what the badge says; a job that never began was missed."""
    return "missed" if job.state == S.FAILED and job.schedule_id and job.started_at is None else job.state


def who(job: BatchJob) -> str:
    if job.schedule:
        return job.schedule.name
    return job.created_by.get_username() if job.created_by else "Slipway"


def late(job: BatchJob) -> str:
    """Return by how much a scheduled job came after its time, empty where it was on time."""
    if job.due_at is None or state(job) == "missed":
        return ""
    seconds = (job.created_at - job.due_at).total_seconds()
    return f"{figures.took(seconds)} late" if seconds > LATE_SECONDS else ""


def standing(job: BatchJob, person: Person) -> dict[str, Any]:
    """Return what `batch/_now.html` shows."""
    return {
        "state": state(job),
        "title": title(job),
        "by": who(job),
        "late": late(job),
        "progress": _progress(job),
        "strip": _strip(job),
        "notes": _notes(job),
        "links": _links(job, person),
        "may_run": may(person, BATCH),
        "taken_back": _sentence(reading.taken_back(job)),
    }


def title(job: BatchJob) -> str:
    return f"Comparison on {job.filename}" if job.is_comparison else job.filename


def comparison(job: BatchJob, person: Person) -> dict[str, Any]:
    """Return the chart and the tables of a comparison, with its verdict; nothing for any other job."""
    found = reading.comparison(job)
    if found is None:
        return {}
    shown = {
        "title": shadowed.TITLES[found.finding.verdict],
        "tone": shadowed.TONES[found.finding.verdict],
        "words": found.finding.words,
        "rule": shadowed.rule_words(found.rule),
    }
    names = [f"Package {each.number}" if each else "Live" for each in (job.package, job.against)]
    return {"verdict": shown, "answers": shadowed.tables_of(found, names, person) if found.tally.pairs else {}}


def _progress(job: BatchJob) -> dict[str, Any] | None:
    if not job.is_active:
        return None
    if job.state != S.RUNNING:
        return {"label": AT_WORK[S(job.state)], "value": None}
    found = reading.progress(job)
    label = f"{figures.count(found.done)} of {figures.count(job.rows)} rows"
    rate = f"{figures.count(round(found.rate))} rows/s" if found.rate else ""
    left = f"{figures.took(found.left)} left" if found.left else ""
    return {"label": label, "value": found.done, "max": job.rows, "rate": rate, "left": left}


def _strip(job: BatchJob) -> list[dict[str, Any]]:
    if not job.rows:
        return []
    found = reading.progress(job)
    allowed = f"{figures.count(job.most_wrong)} stop the job"
    many = {"tone": "warn"} if job.wrong else {}
    answered = "Compared" if job.is_comparison else "Answered"
    return [
        {"label": "Rows", "value": figures.count(job.rows), "note": figures.size(job.size)},
        {"label": answered, "value": figures.count(job.answered), "note": _packages(job)},
        {"label": "Wrong", "value": figures.count(job.wrong), "note": allowed, **many},
        {
            "label": "Rows a second",
            "value": figures.count(round(found.rate)) if found.rate else figures.NOTHING,
            "note": figures.took(((job.ended_at or timezone.now()) - job.ran_at).total_seconds()) if job.ran_at else "",
        },
    ]


def _packages(job: BatchJob) -> str:
    if job.is_comparison:
        return f"package {job.against.number if job.against else ''} beside {job.package.number if job.package else ''}"
    return ", ".join(f"{figures.count(rows)} by package {number}" for number, rows in job.packages.items())


def _notes(job: BatchJob) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"label": "Model", "value": job.model.name, "url": job.model.get_absolute_url()},
        {"label": "Environment", "value": job.environment.name, "url": job.environment.get_absolute_url()},
    ]
    if job.plan:
        found.append({"label": "Route", "value": _route(job)})
    if job.digest:
        found.append({"label": "Digest of the input", "value": f"sha256:{job.digest}", "digest": True})
    if job.schedule:
        found.append({"label": "Schedule", "value": job.schedule.name, "url": job.schedule.get_absolute_url()})
    if job.due_at:
        found.append({"label": "Was due", "value": figures.exact(timezone.localtime(job.due_at))})
    if job.ended_at:
        found.append({"label": "Ended", "at": job.ended_at})
    return found


def _route(job: BatchJob) -> str:
    """Return which packages answer with which weights, fixed at the start."""
    targets = job.plan["targets"]
    if job.is_comparison or job.package is not None:
        return "Pinned, whatever the route says"
    shares = ", ".join(f"package {each['package']} {figures.share(each['weight'])}" for each in targets)
    return f"Generation {job.plan['generation']}: {shares}"


def _links(job: BatchJob, person: Person) -> list[dict[str, str]]:
    if job.is_active or not may(person, BATCH):
        return []
    texts = {"output": "Download the answers", "errors": "Download the wrong rows"}
    wanted = [kind for kind in texts if kind == "output" or job.wrong]
    return [
        {"text": texts[kind], "url": files.link(job, kind), "css": "primary" if kind == "output" else ""}
        for kind in wanted
        if files.path_of(job, kind) is not None
    ]


def _sentence(numbers: list[int]) -> str:
    if not numbers:
        return ""
    names = " and ".join(f"package {number}" for number in numbers)
    return f"These answers were made partly by {names}, which was taken back since."


def timetable() -> list[dict[str, Any]]:
    """Return the schedules as their list shows them."""
    rows = BatchSchedule.objects.select_related("model", "environment", "created_by")
    newest = BatchJob.objects.filter(schedule=OuterRef("pk")).order_by("-due_at").values("pk")[:1]
    found = list(rows.annotate(newest=Subquery(newest)))
    last = BatchJob.objects.defer("tally", "plan").in_bulk([each.newest for each in found if each.newest])
    return [_schedule(each, last.get(each.newest or 0)) for each in found]


def _schedule(each: BatchSchedule, last: BatchJob | None) -> dict[str, Any]:
    """Return one with its next times and files, and how its last job ended."""
    return {
        "schedule": each,
        "coming": [(at, schedules.file_at(each, at)) for at in schedules.coming(each)[:3]],
        "last": last,
        "last_state": state(last) if last else "",
    }
