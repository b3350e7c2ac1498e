"""Captured requests on disk: none doubled, none lost, whatever dies in between; bounded, pruned, read by time."""

from __future__ import annotations

import errno
import gzip
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from redis import Redis
from redis.exceptions import RedisError

from releases import capture, routes, tasks
from releases.actions import capture as verbs
from releases.errors import Forbidden, Refused
from releases.models import AuditRow, CaptureFile, CaptureSetting, Environment, MLModel, Package
from releases.tests.scenes import put_live
from serving import capture_stream, captured, exchange, routing
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, wait_for

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path


@pytest.fixture
def on(model: MLModel, environments: dict[str, Environment]) -> CaptureSetting:
    return CaptureSetting.objects.create(model=model, environment=environments["dev"], on=True, share=1.0)


class Stream:
    """What gateways send: numbered lines of one process."""

    def __init__(self, redis: Redis) -> None:
        self.redis, self.number = redis, 0

    def send(self, *ids: str, **columns: Any) -> None:
        for name in ids:
            self.number += 1
            capture_stream.add(self.redis, "boot", [(self.number, captured.dumps(record(name, **columns)))])

    def raw(self, line: bytes) -> None:
        self.number += 1
        capture_stream.add(self.redis, "boot", [(self.number, line)])

    def waits(self) -> int:
        return int(self.redis.xlen(capture_stream.STREAM))


@pytest.fixture
def stream(redis: Redis) -> Stream:
    return Stream(redis)


def record(name: str, **columns: Any) -> captured.Record:
    values: dict[str, Any] = {
        "id": name, "at": NOW.timestamp(), "environment": "dev", "model": "flight-eta", "package": 1,
        "digest": "sha256:1", "arm": "stable", "protocol": "v1", "status": 200, "outcome": "done", "ms": 1.0,
        "rows": 1, "inputs": {"distance": [500]}, "answer": [41.5], "left_out": [],
    }  # fmt: skip
    return captured.Record(**(values | columns))


def stored(**more: Any) -> list[str]:
    return [found.id for found in capture.read("flight-eta", "dev", **more)]


def the_file() -> Path:
    return capture.folder() / CaptureFile.objects.get().path


def test_what_waits_comes_to_disk_and_can_be_read(stream: Stream, on: CaptureSetting) -> None:
    stream.send("a", "b")
    tasks.store_capture()
    stream.send("c")
    tasks.store_capture()
    assert (stored(), stream.waits()) == (["a", "b", "c"], 0)
    (first, *_) = capture.read("flight-eta", "dev")
    assert first == record("a")
    row = CaptureFile.objects.get()
    assert (row.records, row.size) == (3, the_file().stat().st_size)
    assert the_file().stat().st_mode & 0o077 == 0


def test_a_request_to_a_live_gateway_comes_to_disk(
    redis: Redis, redis_server: str, on: CaptureSetting, tmp_path: Path
) -> None:
    store = tmp_path / "artefacts"
    store.mkdir()
    route = routing.Route("flight-eta", (package(store, 1),), capture=routing.Capture(1.0, 1000))
    exchange.put_environments(redis, ["dev"])
    exchange.put_table(redis, routing.RouteTable("dev", 1, {"flight-eta": route}, keyless=True))
    gateway = GatewayProcess(redis_server, tmp_path / "gateway").start()
    try:
        wait_for(gateway.ready)
        answer = gateway.client.post("/dev/v1/models/flight-eta:predict", json={"instances": [ROW]})
        (found,) = wait_for(lambda: capture.store() and list(capture.read("flight-eta", "dev")))
    finally:
        gateway.kill()
    assert found.inputs == {name: [value] for name, value in ROW.items()}
    assert (found.id, found.answer) == (answer.headers["x-request-id"], answer.json()["predictions"])


def test_any_tool_can_read_the_file(stream: Stream, on: CaptureSetting) -> None:
    for name in ("a", "b"):
        stream.send(name)
        capture.store()
    with gzip.open(the_file()) as lines:
        assert [captured.loads(line).id for line in lines] == ["a", "b"]


def test_a_worker_that_dies_before_it_says_so_doubles_nothing(
    stream: Stream, on: CaptureSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.send("a")
    capture.store()
    stream.send("b")
    with monkeypatch.context() as patch:
        patch.setattr(CaptureFile, "save", _die)
        with pytest.raises(KeyboardInterrupt):
            capture.store()
    assert the_file().stat().st_size > CaptureFile.objects.get().size
    assert stored() == ["a"]
    stream.send("c")
    capture.store()
    assert stored() == ["a", "b", "c"]
    with gzip.open(the_file()) as lines:
        assert len(list(lines)) == 3


def test_a_worker_that_dies_before_it_takes_them_out_of_redis_doubles_nothing(
    stream: Stream, on: CaptureSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.send("a", "b")
    with monkeypatch.context() as patch:
        patch.setattr(capture_stream, "drop", _die)
        with pytest.raises(KeyboardInterrupt):
            capture.store()
    stream.send("c")
    capture.store()
    assert (stored(), stream.waits()) == (["a", "b", "c"], 0)


def _die(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_double_nothing(stream: Stream, on: CaptureSetting) -> None:
    names = [str(number) for number in range(200)]
    stream.send(*names)

    def work() -> None:
        try:
            capture.store()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (stored(), stream.waits()) == (names, 0)


def test_a_full_disk_leaves_them_in_redis_and_the_next_look_brings_them(
    stream: Stream, on: CaptureSetting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(capture, "AT_ONCE", 2)
    stream.send("a", "b", "c")
    tries = iter([OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
    real = os.fsync

    def full(number: int) -> None:
        for error in tries:
            raise error
        real(number)

    monkeypatch.setattr(os, "fsync", full)
    capture.store()
    assert (stored(), stream.waits()) == ([], 3)
    assert "No space left" in caplog.text
    capture.store()
    assert (stored(), stream.waits()) == (["a", "b", "c"], 0)


def test_a_place_that_cannot_be_written_holds_up_no_other(
    stream: Stream, on: CaptureSetting, environments: dict[str, Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "AT_ONCE", 2)
    CaptureSetting.objects.create(model=on.model, environment=environments["test"], on=True)
    capture.folder().mkdir()
    (capture.folder() / "test").write_text("in the way")
    stream.send("a", "b", "c", environment="test")
    stream.send("d")
    capture.store()
    assert (stored(), stream.waits()) == (["d"], 3)


def test_redis_away_is_an_error_and_loses_nothing(stream: Stream, on: CaptureSetting, settings: Any) -> None:
    stream.send("a")
    here, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    with pytest.raises(RedisError):
        capture.store()
    settings.REDIS_URL = here
    capture.store()
    assert stored() == ["a"]


@pytest.mark.parametrize(
    "columns", [{"environment": "../../etc"}, {"model": "../x"}, {"model": "nonesuch"}, {"environment": "test"}]
)
def test_what_no_setting_knows_is_dropped(stream: Stream, on: CaptureSetting, columns: dict[str, Any]) -> None:
    stream.send("evil", **columns)
    capture.store()
    assert (stream.waits(), CaptureFile.objects.count(), list(capture.folder().glob("**/*"))) == (0, 0, [])


def test_a_line_that_is_no_record_does_not_hold_up_the_others(stream: Stream, on: CaptureSetting) -> None:
    for line in (b"", b"{", b"\xff\x00", b'{"id": 1}'):
        stream.raw(line)
    stream.send("good")
    capture.store()
    assert (stored(), stream.waits()) == (["good"], 0)


def test_the_cap_of_an_hour_holds_over_all_gateways(stream: Stream, on: CaptureSetting) -> None:
    CaptureSetting.objects.update(per_hour=3)
    stream.send("a", "b")
    capture.store()
    stream.send("c", "d", "e")
    capture.store()
    row = CaptureFile.objects.get()
    assert (stored(), row.records, row.over) == (["a", "b", "c"], 3, 2)


@pytest.mark.parametrize("at", [0.0, -1e300, 1e300, 4e9])
def test_a_gateway_whose_clock_is_wrong_is_filed_by_the_clock_of_redis(
    stream: Stream, on: CaptureSetting, at: float
) -> None:
    stream.send("a", at=at)
    capture.store()
    (found,) = capture.read("flight-eta", "dev", since=NOW - timedelta(minutes=5))
    assert abs(found.at - NOW.timestamp()) < 300


def test_it_reads_by_time_and_no_more_than_asked(stream: Stream, on: CaptureSetting) -> None:
    for minutes in (50, 30, 10):
        stream.send(str(minutes), at=(NOW - timedelta(minutes=minutes)).timestamp())
    capture.store()
    assert stored() == ["50", "30", "10"]
    assert stored(since=NOW - timedelta(minutes=40)) == ["30", "10"]
    assert stored(until=NOW - timedelta(minutes=10)) == ["50", "30"]
    assert stored(limit=2) == ["50", "30"]
    assert stored(limit=0) == []


def test_a_damaged_file_ends_early_and_a_lost_one_starts_afresh(
    stream: Stream, on: CaptureSetting, caplog: pytest.LogCaptureFixture
) -> None:
    stream.send("a")
    capture.store()
    path = the_file()
    path.write_bytes(path.read_bytes()[:-12])
    assert stored() == []
    assert "end early" in caplog.text
    path.unlink()
    assert stored() == []
    stream.send("b")
    capture.store()
    assert stored() == ["b"]
    assert "lost captured requests" in caplog.text


def test_old_files_go_after_their_days_and_those_of_nobody_too(stream: Stream, on: CaptureSetting) -> None:
    CaptureSetting.objects.update(keep_days=2)
    stream.send("a")
    capture.store()
    path = the_file()
    stray = path.with_name("stray.jsonl.gz")
    stray.write_bytes(b"")
    capture.prune(NOW + timedelta(hours=40))
    assert (path.exists(), stray.exists(), CaptureFile.objects.count()) == (True, False, 1)
    capture.prune(NOW + timedelta(hours=50))
    assert (path.exists(), CaptureFile.objects.count()) == (False, 0)


def test_switching_it_on_reaches_the_route_and_stands_in_the_trail(
    redis: Redis, manager: User, packages: list[Package], environments: dict[str, Environment]
) -> None:
    place, model = environments["dev"], packages[0].model
    put_live(packages[0], place)
    routes.publish(place, "test")
    routes.send_all()
    assert held(redis) is None
    with transaction.atomic():
        verbs.configure(actor=manager, model=model, environment=place, on=True, share=0.25, per_hour=50)
    routes.send_all()
    assert held(redis) == routing.Capture(0.25, 50)
    row = AuditRow.objects.get(action="capture.change")
    assert (row.actor, row.environment, row.details["on"]) == (manager, "dev", [False, True])
    verbs.configure(actor=manager, model=model, environment=place, on=False)
    routes.send_all()
    assert held(redis) is None


def held(redis: Redis) -> routing.Capture | None:
    table = exchange.get_table(redis, "dev")
    assert table is not None
    return table.routes["flight-eta"].capture


@pytest.mark.parametrize("role", ["viewer", "developer", "QA"])
def test_others_may_neither_switch_it_nor_take_anything_out(
    person: Callable[[str], User], model: MLModel, environments: dict[str, Environment], role: str
) -> None:
    place: dict[str, Any] = {"actor": person(role), "model": model, "environment": environments["dev"]}
    with pytest.raises(Forbidden, match="release manager, admin"):
        verbs.configure(**place, on=True)
    with pytest.raises(Forbidden):
        verbs.take_out(**place, limit=1)
    assert not CaptureSetting.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("share", 0.0), ("share", 1.5), ("share", float("nan")), ("per_hour", 0), ("keep_days", 0), ("keep_days", 999)],
)
def test_a_setting_that_makes_no_sense_is_refused(
    manager: User, model: MLModel, environments: dict[str, Environment], field: str, value: float
) -> None:
    with pytest.raises(Refused) as refused:
        verbs.configure(actor=manager, model=model, environment=environments["dev"], **{field: value})
    assert refused.value.field == field
    assert not AuditRow.objects.filter(action="capture.change").exists()


def test_who_took_it_out_stands_in_the_trail(
    manager: User, stream: Stream, on: CaptureSetting, environments: dict[str, Environment]
) -> None:
    stream.send("a", "b")
    capture.store()
    found: Iterator[captured.Record] = verbs.take_out(
        actor=manager, model=on.model, environment=environments["dev"], limit=1
    )
    assert [each.id for each in found] == ["a"]
    assert AuditRow.objects.get(action="capture.take").details == {"limit": 1}
