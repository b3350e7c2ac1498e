"""Capture: what is kept and what never is, bounded on the way, added to the stream once, nothing lost silently."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from serving import capture_stream, captured, exchange, routing
from serving.gateway import capture
from serving.gateway.after import After
from serving.gateway.capture import Captures
from serving.gateway.capturing import Capturing
from serving.gateway.messages import Reply
from serving.gateway.pool import Package
from serving.routing import Capture, Route, RouteTable
from serving.tests.forms import package, pipeline
from serving.tests.inside import Inside
from serving.tests.processes import GatewayProcess, Valkey, wait_for
from serving.tests.test_keys import CALLS

PATH, BODY = CALLS["v1"]
ON = Capture(1.0, 1000)
SECRETS = {
    "inputs": [{"name": name, "type": "double", "required": True} for name in ("age", "income")],
    "outputs": [{"name": "score", "type": "double"}],
    "params": None,
    "metadata": {"constraints": {"income": {"sensitive": True}}},
}


class Kept:
    """A gateway in the test's process whose replies are handed to capture."""

    def __init__(self, folder: Path, target: routing.Target, setting: Capture | None = ON, draw: float = 0.0) -> None:
        route = Route("eta", (target,), capture=setting)
        self.inside = Inside(folder, RouteTable("dev", 1, {"eta": route}, keyless=True))
        self.captures = Captures(self.inside.live, lambda: draw)
        self.after = After(self.inside.recorder, self.inside.live, (), (self.captures.offer,))

    @property
    def package(self) -> Package:
        (found,) = self.inside.pool._loaded.values()
        return found

    def ask(self, body: Any = BODY, path: str = PATH, **headers: str) -> Reply:
        async def asked() -> Reply:
            request, reply = await self.inside.exchange(path, body, **headers)
            self.after.reply(request, reply)
            return reply

        return asyncio.run(asked())

    def records(self) -> list[captured.Record]:
        return [capture.record(taken) for taken in self.captures.take(10_000)]


@pytest.fixture
def kept(store: Path, tmp_path: Path) -> Kept:
    return Kept(tmp_path, package(store, 1))


@pytest.fixture
def secret(store: Path, tmp_path: Path) -> Kept:
    x = np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0]])
    model = make_pipeline(LinearRegression()).fit(x, [1.0, 2.0, 3.0])
    return Kept(tmp_path, pipeline(store, 1, model, SECRETS))


def test_a_request_is_kept_with_its_answer_and_whose_it_was(kept: Kept) -> None:
    reply = kept.ask(x_request_id="mine")
    (found,) = kept.records()
    assert found.answer == json.loads(reply.body)["predictions"]
    assert (found.id, found.environment, found.model, found.package) == ("mine", "dev", "eta", 1)
    assert (found.status, found.outcome, found.protocol, found.rows) == (200, "done", "v1", 1)
    assert found.digest == kept.package.manifest.package
    assert found.ms > 0
    assert captured.loads(captured.dumps(found)) == found


def test_what_was_kept_can_be_asked_again(kept: Kept) -> None:
    kept.ask()
    (first,) = kept.records()
    again = kept.ask({"instances": first.instances()})
    assert json.loads(again.body)["predictions"] == first.answer


def test_a_sensitive_field_is_named_and_its_values_are_nowhere(secret: Kept) -> None:
    secret.ask({"instances": [{"age": 41.0, "income": 98765.4}]})
    (taken,) = secret.captures.take(1)
    line = capture.line(taken)
    assert line is not None
    assert b"98765" not in line
    found = captured.loads(line)
    assert (found.inputs, found.left_out) == ({"age": [41.0]}, ["income"])


def test_nothing_is_kept_while_it_is_off(store: Path, tmp_path: Path) -> None:
    off = Kept(tmp_path, package(store, 1), setting=None)
    reply = off.ask()
    assert reply.call is not None
    assert reply.call.kept is None
    assert (off.records(), off.captures.told()) == ([], {})


def test_the_share_decides_by_chance(store: Path, tmp_path: Path) -> None:
    for number, (draw, count) in enumerate([(0.29, 1), (0.3, 0), (0.99, 0)]):
        some = Kept(tmp_path / str(number), package(store, 1 + number), Capture(0.3, 10), draw)
        some.ask()
        assert len(some.records()) == count


def test_no_more_than_the_cap_in_an_hour_and_afresh_in_the_next(store: Path, tmp_path: Path) -> None:
    few, now = Kept(tmp_path, package(store, 1), Capture(1.0, 2)), [1_800_000_000.0]
    few.captures._clock = lambda: now[0]
    for _ in range(4):
        few.ask()
    assert (len(few.records()), few.captures.told()["over"]) == (2, 2)
    now[0] += 3600
    few.ask()
    assert len(few.records()) == 1


def test_a_request_that_breaks_the_contract_is_never_kept(kept: Kept) -> None:
    assert kept.ask({"instances": [{"nonsense": "secret"}]}).status == 400
    assert kept.records() == []


def test_a_request_that_the_model_failed_on_is_kept_without_an_answer(kept: Kept) -> None:
    def fails(batch: object) -> None:
        raise RuntimeError("98765")

    kept.package.runtime.predict = fails
    assert kept.ask().status == 500
    (found,) = kept.records()
    assert (found.status, found.outcome, found.answer, found.rows) == (500, "exception", [], 1)


def test_switched_off_it_stops_at_once_even_on_a_route_that_goes_on_as_before(kept: Kept) -> None:
    live = kept.inside.live
    table = live.world.tables["dev"]
    routes = {"eta": replace(table.table.routes["eta"], capture=None)}
    live.world = live.world.with_table(replace(table, table=replace(table.table, generation=2, routes=routes)))
    kept.ask()
    assert kept.records() == []


def test_what_finds_no_room_is_dropped_and_counted(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept.captures._room, "_most", 3 * _weight(kept))
    for _ in range(5):
        kept.ask()
    assert kept.captures.told() == {"kept": 4, "dropped": 2}
    kept.captures.done(kept.captures.take(10))
    kept.ask()
    assert kept.captures.told()["kept"] == 5


def _weight(kept: Kept) -> int:
    kept.ask()
    taken = kept.captures.take(1)
    kept.captures.done(taken)
    return taken[0].weight


def test_a_request_with_very_many_rows_is_dropped(kept: Kept) -> None:
    (row,) = BODY["instances"]
    assert kept.ask({"instances": [row] * 10_000}).status == 200
    assert (kept.records(), kept.captures.told()["dropped"]) == ([], 1)


@pytest.mark.parametrize("setting", [{"share": 0.0}, {"share": 1.1}, {"share": float("nan")}, {"per_hour": 0}])
def test_a_table_with_a_setting_that_makes_no_sense_is_refused(setting: dict[str, Any]) -> None:
    route = Route("eta", (), capture=Capture(**{"share": 0.5, "per_hour": 10} | setting))
    with pytest.raises(ValueError, match="capture needs"):
        routing.check(RouteTable("dev", 1, {"eta": route}))


class Sending:
    """The writing thread's work, done by hand against a Redis that can go away."""

    def __init__(self, valkey: Valkey, kept: Kept) -> None:
        self.valkey, self.kept = valkey, kept
        self.writer = Capturing(valkey.url, "boot", kept.captures)

    def lines(self) -> list[captured.Record]:
        return [captured.loads(entry.line) for entry in capture_stream.first(self.valkey.redis, 1000)]


@pytest.fixture
def sending(valkey: Valkey, kept: Kept) -> Iterator[Sending]:
    made = Sending(valkey, kept)
    yield made
    made.writer._redis.close()


def test_what_waits_while_redis_is_away_comes_when_it_is_back(sending: Sending) -> None:
    sending.kept.ask(x_request_id="before")
    sending.valkey.kill()
    sending.writer.flush()
    sending.kept.ask(x_request_id="after")
    sending.writer.flush()
    sending.valkey.start()
    sending.writer.flush()
    assert [record.id for record in sending.lines()] == ["before", "after"]
    assert sending.kept.captures.told()["dropped"] == 0


def test_what_is_sent_again_is_not_doubled(valkey: Valkey) -> None:
    for _ in range(2):
        assert capture_stream.add(valkey.redis, "a", [(1, b"one"), (2, b"two")]) == 0
    capture_stream.add(valkey.redis, "b", [(1, b"another gateway's")])
    assert [entry.line for entry in capture_stream.first(valkey.redis, 10)] == [b"one", b"two", b"another gateway's"]


def test_a_full_stream_takes_no_more_and_has_room_again(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_stream, "MOST_BYTES", 10)
    assert capture_stream.add(valkey.redis, "a", [(1, b"12345"), (2, b"12345"), (3, b"1")]) == 1
    (first, _) = capture_stream.first(valkey.redis, 10)
    for _ in range(2):
        capture_stream.drop(valkey.redis, [first])
    assert capture_stream.add(valkey.redis, "a", [(4, b"123456")]) == 1
    assert capture_stream.add(valkey.redis, "a", [(5, b"12345")]) == 0
    capture_stream.drop(valkey.redis, capture_stream.first(valkey.redis, 10))
    assert not valkey.redis.exists(capture_stream.BYTES)


def test_what_a_full_stream_refused_is_counted(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_stream, "MOST_ENTRIES", 1)
    for _ in range(3):
        sending.kept.ask()
    sending.writer.flush()
    assert sending.kept.captures.told() == {"kept": 3, "dropped": 2}
    assert len(sending.lines()) == 1


def test_what_cannot_be_written_does_not_stop_the_others(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter([None, b"good"])
    monkeypatch.setattr("serving.gateway.capturing.line", lambda taken: next(lines))
    for _ in range(2):
        sending.kept.ask()
    sending.writer.flush()
    assert [entry.line for entry in capture_stream.first(sending.valkey.redis, 9)] == [b"good"]
    assert sending.kept.captures.told()["dropped"] == 1


@pytest.mark.parametrize("line", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"id": 1}', b"null"])
def test_a_line_that_is_no_record_is_refused_in_words(line: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        captured.loads(line)


def test_a_real_gateway_captures_and_says_so(gateway: GatewayProcess, valkey: Valkey, store: Path) -> None:
    route = Route("eta", (package(store, 1),), capture=ON)
    exchange.put_table(valkey.redis, RouteTable("dev", 1, {"eta": route}, keyless=True))
    gateway.start()
    wait_for(gateway.ready)
    answer = gateway.client.post(PATH, json=BODY)
    assert answer.status_code == 200
    (entry,) = wait_for(lambda: capture_stream.first(valkey.redis, 10))
    found = captured.loads(entry.line)
    assert (found.id, found.answer) == (answer.headers["x-request-id"], answer.json()["predictions"])
    assert wait_for(lambda: gateway.beat(valkey.redis).get("captured")) == {"kept": 1, "dropped": 0}
    assert gateway.stop() == 0
