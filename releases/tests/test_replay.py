"""Replay: recorded requests answered again by another package, offline; begun again when its worker dies."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from releases import broker, capture, reconciler, replay, routes, shadows, tasks
from releases.actions import releases, steering
from releases.actions import shadows as verbs
from releases.errors import Conflict
from releases.models import CaptureFile, Evidence, Release
from releases.tests.conftest import SIGNATURE, make_package
from releases.tests.scenes import put_live
from serving import captured
from serving.gateway.protocols import v1
from serving.routing import Target
from serving.tests.forms import ROW, package

HOUR = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def forms(tmp_path: Path, settings, monkeypatch) -> dict[int, Target]:
    """Real serving forms of packages 1 and 2, which answer their own number."""
    folder = tmp_path / "artefacts"
    folder.mkdir()
    settings.VAR = tmp_path
    found = {number: package(folder, number) for number in (1, 2)}
    monkeypatch.setattr(routes, "target", lambda package, arm, weight: found[package.number])
    return found


@pytest.fixture
def live(environments, packages, forms, redis):
    for each in packages[:2]:
        each.digest = forms[each.number].digest
        each.save()
        Evidence.objects.create(digest=each.digest, kind="intake", verdict="pass", reference="a test", at=HOUR)
    put_live(packages[0], environments["staging"])
    return environments["staging"]


def record(digest: str, answer: list, number: int = 0, **more) -> captured.Record:
    values = {"environment": "staging", "model": "flight-eta", "package": 1, "arm": "stable", "protocol": "v1"}
    values |= {"status": 200, "outcome": "done", "ms": 1.0, "rows": 1, "left_out": []} | more
    inputs = {name: [value] for name, value in ROW.items()}
    return captured.Record(id=f"r{number}", at=HOUR.timestamp(), digest=digest, inputs=inputs, answer=answer, **values)


def keep(*records: captured.Record) -> None:
    """Put records where capture keeps them."""
    path = capture.folder() / "staging" / "flight-eta" / "hour.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(captured.dumps(each) + b"\n" for each in records)))
    CaptureFile.objects.update_or_create(
        environment="staging",
        model="flight-eta",
        hour=HOUR,
        defaults={"path": "staging/flight-eta/hour.jsonl.gz", "records": len(records), "size": path.stat().st_size},
    )


def started(manager, live, packages, **more) -> Release:
    made = verbs.start(actor=manager, package=packages[1], environment=live, recorded=True, **more)
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    return made


def look(release: Release, times: int = 3) -> Release:
    for _ in range(times):
        reconciler.reconcile(release.pk)
    release.refresh_from_db()
    return release


def test_what_was_recorded_is_answered_again_and_becomes_evidence(manager, live, packages, forms):
    ours = [record(forms[1].digest, [1.0], number) for number in range(30)]
    others = [record("sha256:other", [9.0]), record(forms[1].digest, [], outcome="timeout", status=504)]
    keep(*ours, *others)
    made = started(manager, live, packages)
    assert made.state == "preparing"
    assert "shadows" not in str(routes.render(live)["routes"]["flight-eta"].get("shadows") or "")
    replay.run(made.pk)
    assert look(made).state == "compared", made.note
    found = shadows.found(made)
    assert (found.pairs, found.agreed) == (30, 0)
    assert found.largest[0].live == 1.0
    assert "30 recorded requests were replayed, 1 had no answer" in made.note
    evidence = Evidence.objects.get(kind="replay")
    assert (evidence.verdict, evidence.reference) == ("fail", f"release {made.pk}")


def test_only_the_newest_are_replayed(manager, live, packages, forms):
    keep(*[record(forms[1].digest, [1.0], number) for number in range(50)])
    made = started(manager, live, packages, pairs=20)
    replay.run(made.pk)
    look(made)
    assert shadows.found(made).pairs == 20


def test_a_worker_that_died_half_way_counts_nothing_twice(manager, live, packages, forms):
    keep(*[record(forms[1].digest, [1.0], number) for number in range(10)])
    made = started(manager, live, packages)
    replay.run(made.pk)
    Release.objects.filter(pk=made.pk).update(plan=made.plan)  # as if the first had died before it said so
    replay.run(made.pk)
    look(made)
    assert shadows.found(made).pairs == 10


def test_two_workers_do_not_replay_at_once(manager, live, packages, forms):
    keep(record(forms[1].digest, [1.0]))
    made = started(manager, live, packages)
    lock = broker.client().lock(f"slipway:replay:{made.pk}", timeout=30, blocking=False)
    assert lock.acquire()
    replay.run(made.pk)
    made.refresh_from_db()
    assert "over" not in made.plan
    lock.release()


def test_a_package_that_cannot_be_loaded_fails_in_words(manager, live, packages, forms, tmp_path):
    keep(record(forms[1].digest, [1.0]))
    made = started(manager, live, packages)
    for path in (tmp_path / "artefacts").rglob("*.onnx"):
        path.write_bytes(b"no model")
    replay.run(made.pk)
    assert look(made).state == "failed"
    assert "cannot be shadowed" in made.note


def test_a_package_that_ends_the_process_half_way_has_not_passed(manager, live, packages, forms, monkeypatch):
    """Whatever agreed until then."""
    keep(*[record(forms[1].digest, [2.0], number) for number in range(10)])
    made = started(manager, live, packages)
    feed = replay._feed
    monkeypatch.setattr(replay, "_feed", lambda release: feed(release) | {"error": replay._early(-11)})
    replay.run(made.pk)
    assert look(made).state == "failed"
    assert "exit code -11" in made.note
    assert not Evidence.objects.filter(kind="replay").exists()


def test_one_that_was_stopped_is_left_alone(manager, live, packages, forms):
    keep(record(forms[1].digest, [1.0]))
    made = started(manager, live, packages)
    releases.abort(actor=manager, release=made, reason="never mind")
    tasks.replay_shadow(made.pk)
    assert not made.tallies.exists()


def test_it_is_asked_for_once_and_again_when_its_worker_is_lost(manager, live, packages, forms, monkeypatch):
    asked = []
    monkeypatch.setattr(replay, "enqueue", lambda task, pk, **more: asked.append((task, pk)))
    keep(record(forms[1].digest, [1.0]))
    made = started(manager, live, packages)
    look(made)
    assert asked == [("releases.tasks.replay_shadow", made.pk)]
    broker.client().delete(f"slipway:replay-asked:{made.pk}")
    steering.pause(actor=manager, release=made)
    look(made)
    assert len(asked) == 1
    steering.resume(actor=manager, release=Release.objects.get(pk=made.pk))
    look(made)
    assert len(asked) == 2


def test_without_a_recorded_request_it_is_refused(manager, live, packages):
    with pytest.raises(Conflict, match="Switch capture on"):
        started(manager, live, packages)


def test_where_a_field_is_never_recorded_it_is_refused(manager, environments, model):
    secret = SIGNATURE | {"metadata": {"constraints": {"distance": {"gt": 0, "sensitive": True}}}}
    old, new = (make_package(model, number, signature=secret) for number in (7, 8))
    put_live(old, environments["staging"])
    with pytest.raises(Conflict, match="distance is never recorded"):
        verbs.start(actor=manager, package=new, environment=environments["staging"], recorded=True)


@pytest.mark.parametrize(
    "answer",
    [
        [1.5, 2.5],
        [[1.0, 2.0], [3.0, 4.0]],
        [{"label": "a"}, {"label": "b"}],
        [{"label": "b", "probabilities": {"a": 0.25, "b": 0.75}}],
    ],
)
def test_an_answer_is_read_as_it_was_written(answer):
    assert v1.predictions(v1.answer_of(answer)) == answer
