"""Batch jobs: started, carried by workers who may die, ended with a result or with words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from releases import gates, routes
from releases.actions import rollbacks
from releases.actions.gates import Asked, set_rule
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, BatchChunk, BatchJob, Environment, Evidence, MLModel, Package
from releases.modes.batch import carrying, ending, files, jobs, reading
from releases.tests.modes.conftest import GOOD, Worker, errors, output
from releases.tests.scenes import put_moving

pytestmark = pytest.mark.django_db


@pytest.fixture
def start(manager: User, model: MLModel, production: Environment) -> Callable[..., BatchJob]:
    def begin(data: bytes = GOOD, name: str = "flights.csv", **more: Any) -> BatchJob:
        given = {"filename": name, "chunks": [data]} if "stored" not in more else {}
        return jobs.start(**({"actor": manager, "model": model, "environment": production} | given | more))

    return begin


def test_a_file_is_answered_by_what_is_live(live: Package, start: Any, worker: Worker, settings: Any) -> None:
    settings.BATCH_CHUNK_ROWS = 4
    job = worker.end(start(GOOD + b"10,-5,6.5,JFK\n"))
    assert (job.state, job.rows, job.answered, job.wrong, job.packages) == ("done", 11, 10, 1, {"1": 10})
    lines = output(job).splitlines()
    assert lines[0] == b"id,distance,hour,origin,prediction,package"
    assert lines[1:] == [b"%d,%d,6.5,JFK,1.0,1" % (i, i + 1) for i in range(10)]
    assert errors(job) == ["11,distance,must be greater than 0"]
    assert not job.chunks.exists()
    assert sorted(path.name for path in files.folder_of(job).iterdir()) == ["errors.csv", "input", "output"]
    assert AuditRow.objects.filter(action="batch.start", subject=f"batch {job.pk}").exists()


def test_weights_are_honoured_and_frozen_at_the_start(
    live: Package, numbered: list[Package], production: Environment, start: Any, worker: Worker, settings: Any
) -> None:
    put_moving(numbered[1], production, state="shifting", strategy="canary", weight=30.0, stable_weight=70.0)
    routes.publish(production, "a canary")
    data = b"distance,hour,origin\n" + b"5,6,JFK\n" * 1000
    settings.BATCH_CHUNK_ROWS = 300
    one = worker.until(start(data), "running")
    generation = one.plan["generation"]
    rollbacks.roll_back(actor=None, model=live.model, environment=production, reason="too slow")
    done = worker.end(one)
    assert done.plan["generation"] == generation
    assert 240 < done.packages["2"] < 360
    assert reading.taken_back(done) == [2]
    settings.BATCH_CHUNK_ROWS = 77
    after = worker.end(jobs.again(actor=None, job=done))
    assert after.packages == {"1": 1000}
    assert reading.taken_back(after) == []


def test_the_same_job_twice_gives_the_same_bytes(
    live: Package, numbered: list[Package], production: Environment, start: Any, worker: Worker
) -> None:
    put_moving(numbered[1], production, state="shifting", strategy="canary", weight=50.0, stable_weight=50.0)
    routes.publish(production, "a canary")
    data = b"distance,hour,origin\n" + b"5,6,JFK\n" * 100
    assert output(worker.end(start(data))) == output(worker.end(start(data)))


def test_a_worker_that_is_lost_half_way_neither_loses_nor_doubles_a_row(
    live: Package, start: Any, worker: Worker, settings: Any
) -> None:
    settings.BATCH_CHUNK_ROWS = 3
    job = worker.until(start(), "running")
    first, second = list(job.chunks.all())[:2]
    now = timezone.now()
    BatchChunk.objects.filter(pk=first.pk).update(holder="dead", beat_at=now - 2 * carrying.LOST, attempts=1)
    BatchChunk.objects.filter(pk=second.pk).update(holder="alive", beat_at=now)
    worker.end(job)
    left = job.chunks.filter(done_at=None)
    assert [chunk.pk for chunk in left] == [second.pk], "what somebody holds is left to them"
    assert job.state == "running"
    left.update(beat_at=now - 2 * carrying.LOST)
    done = worker.end(job)
    assert (done.state, done.answered) == ("done", 10)
    assert output(done).count(b"\n") == 11


def test_who_comes_back_from_the_dead_changes_nothing(live: Package, start: Any, worker: Worker, settings: Any) -> None:
    from serving.batch.plan import Answered

    settings.BATCH_CHUNK_ROWS = 3
    job = worker.until(start(), "running")
    chunk = job.chunks.first()
    assert chunk is not None
    stale = BatchChunk.objects.filter(pk=chunk.pk, done_at=None, holder="dead")
    carrying._done(job, stale, Answered(3, 0, {"9": 3}))
    done = worker.end(job)
    assert (done.answered, done.packages) == (10, {"1": 10})


def test_too_many_wrong_rows_stop_a_job_and_are_named(live: Package, start: Any, worker: Worker, settings: Any) -> None:
    settings.BATCH_CHUNK_ROWS = 5
    job = worker.end(start(GOOD + b"x,0,6,JFK\n" * 20, most_wrong=4))
    assert job.state == "failed"
    assert job.words == "5 rows are wrong, and 4 are allowed. The file of errors names them."
    assert errors(job)[0] == "11,distance,must be greater than 0"
    assert files.path_of(job, "output") is None


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"a;b\n1;2\n", "separated by commas"),
        ("a.csv", b"distance,hour\n1,2\n", "does not name origin"),
        ("a.csv", b"distance,hour,origin,package\n1,2,JFK,3\n", "has a column package, which the output adds"),
        ("a.parquet", b"no parquet", "not Parquet"),
        ("a.csv.gz", b"no gzip", "not gzip"),
    ],
)
def test_a_file_that_cannot_be_answered_fails_in_words(
    live: Package, start: Any, worker: Worker, name: str, data: bytes, words: str
) -> None:
    job = worker.end(start(data, name))
    assert job.state == "failed"
    assert words in job.words


def test_a_process_that_dies_again_and_again_ends_the_job(
    live: Package, start: Any, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from releases.modes.batch.process import Died

    job = worker.until(start(), "running")

    def die(*_: object) -> None:
        raise Died("ended")

    monkeypatch.setattr(carrying.Process, "order", die)
    job = worker.end(job)
    assert job.state == "failed"
    assert job.words == "The process that answers rows 1 to 10 died 5 times."


def test_what_is_cancelled_stops_and_leaves_no_parts(live: Package, start: Any, worker: Worker, manager: User) -> None:
    job = worker.until(start(), "running")
    jobs.cancel(actor=manager, job=job)
    assert worker.end(job).state == "cancelled"
    assert [path.name for path in files.folder_of(job).iterdir()] == ["input"]
    with pytest.raises(Conflict, match="cancelled cannot cancel"):
        jobs.cancel(actor=manager, job=job)


def test_a_file_of_the_input_folder_is_copied_before_anybody_reads_it(
    live: Package, start: Any, worker: Worker, settings: Any
) -> None:
    (settings.BATCH_INPUTS / "sales.csv").write_bytes(GOOD)
    job = worker.until(start(stored="sales.csv"), "running")
    (settings.BATCH_INPUTS / "sales.csv").write_bytes(b"gone")
    assert worker.end(job).answered == 10


@pytest.mark.parametrize(
    "name", ["../secret.csv", "/etc/passwd.csv", "a/../../b.csv", "missing.csv", "link.csv", "x\0.csv"]
)
def test_nothing_outside_the_input_folder_is_ever_read(live: Package, start: Any, settings: Any, name: str) -> None:
    (Path(settings.BATCH_INPUTS) / "link.csv").symlink_to("/etc/hostname")
    with pytest.raises(Refused) as refused:
        start(stored=name)
    assert refused.value.field == "stored"


def test_only_what_is_loaded_there_can_be_pinned(
    live: Package, numbered: list[Package], start: Any, worker: Worker
) -> None:
    with pytest.raises(Conflict, match="Package 2 is not loaded in production; loaded are: 1"):
        start(package=numbered[1])
    assert worker.end(start(package=live)).packages == {"1": 10}


def test_where_nothing_is_live_nothing_begins(numbered: list[Package], start: Any) -> None:
    with pytest.raises(Conflict, match="Nothing is live"):
        start()


def test_not_everybody_may(live: Package, person: Any, start: Any) -> None:
    with pytest.raises(Forbidden, match="run batches"):
        start(actor=person("viewer"))


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": "a.xlsx"}, "file"),
        ({"name": "a.parquet.gz"}, "file"),
        ({"data": b""}, "file"),
        ({"most_wrong": -1}, "most_wrong"),
        ({"stored": "a.txt"}, "stored"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(live: Package, start: Any, more: Any, field: str) -> None:
    with pytest.raises(Refused) as refused:
        start(**more)
    assert refused.value.field == field
    assert not BatchJob.objects.exists()
    assert list(files.Path(files.settings.BATCHES).glob("*")) == []


def test_an_upload_that_is_too_large_names_the_other_way(live: Package, start: Any, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 10
    with pytest.raises(Refused, match="input folder"):
        start()


def test_two_packages_compared_are_evidence_about_the_second(
    live: Package, numbered: list[Package], production: Environment, start: Any, worker: Worker, manager: User
) -> None:
    job = worker.end(start(against=numbered[1]))
    assert (job.state, job.package, job.answered) == ("done", live, 10)
    assert "10 of 10 pairs disagree" in job.words
    assert ending.finding_of(job).rate == 1.0
    found = Evidence.objects.get(kind="comparison")
    assert (found.digest, found.environment, found.verdict) == (numbered[1].digest, production, "fail")
    assert found.get_absolute_url() == job.get_absolute_url()
    with pytest.raises(Refused, match="not the same"):
        start(against=live)


def test_a_gate_can_ask_for_a_comparison(
    live: Package, numbered: list[Package], production: Environment, start: Any, worker: Worker, person: Any
) -> None:
    admin = person("admin")
    set_rule(actor=admin, environment=production, model=live.model, wants=[Asked("comparison", "production")])
    before = next(gate for gate in gates.check(numbered[1], production) if gate.kind == "comparison")
    assert before.words == "Batch comparison has not ended in production yet."
    live.model.agreement = {"pairs": 5, "atol": 10.0, "limit": 0.9}
    live.model.save()
    data = b"distance,hour,origin\n" + b"5,6,JFK\n" * 60
    job = worker.end(start(data, against=numbered[1]))
    after = next(gate for gate in gates.check(numbered[1], production) if gate.kind == "comparison")
    assert (after.verdict, after.url) == ("pass", job.get_absolute_url())


def test_files_are_deleted_after_their_time_and_the_record_stays(
    live: Package, start: Any, worker: Worker, settings: Any
) -> None:
    job = worker.end(start())
    BatchJob.objects.update(ended_at=timezone.now() - timedelta(days=settings.BATCH_KEEP_DAYS + 1))
    ending.prune()
    job.refresh_from_db()
    assert job.dropped_at is not None
    assert not files.folder_of(job).exists()
    with pytest.raises(Conflict, match="deleted"):
        jobs.again(actor=None, job=job)


def test_rows_of_a_comparison_are_forgotten_with_its_files(
    live: Package, numbered: list[Package], start: Any, worker: Worker, settings: Any
) -> None:
    job = worker.end(start(against=numbered[1]))
    assert job.tally["largest"]
    BatchJob.objects.update(ended_at=timezone.now() - timedelta(days=settings.BATCH_KEEP_DAYS + 1))
    ending.prune()
    job.refresh_from_db()
    assert (job.tally["largest"], job.tally["pairs"]) == ([], 10)


def test_links_are_for_one_file_and_end(live: Package, start: Any, settings: Any) -> None:
    job = start()
    token = files.sign(job, "output")
    assert files.unsign(token) == (job.pk, "output")
    assert files.unsign(token[:-1] + ("a" if token[-1] != "a" else "b")) is None
    files_seconds, files.LINK_SECONDS = files.LINK_SECONDS, -1
    try:
        assert files.unsign(token) is None
    finally:
        files.LINK_SECONDS = files_seconds


def test_jobs_take_turns(live: Package, start: Any, worker: Worker, settings: Any) -> None:
    settings.BATCH_CHUNK_ROWS = 2
    one, two = worker.until(start(), "running"), worker.until(start(), "running")
    assert carrying._next() == one
    chunk = one.chunks.first()
    assert chunk is not None
    BatchChunk.objects.filter(pk=chunk.pk).update(beat_at=timezone.now(), holder="somebody")
    assert carrying._next() == two


def test_a_stale_state_moves_nothing(live: Package, start: Any, worker: Worker) -> None:
    from releases.errors import LostRace
    from releases.modes.batch.moving import MOVES, move

    job = start()
    stale = BatchJob.objects.get(pk=job.pk)
    move(job, "prepare")
    with pytest.raises(LostRace):
        move(stale, "prepare")
    assert {new for _, new in MOVES} - set(BatchJob.State.values) == set()
