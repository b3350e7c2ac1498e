"""Streams: each record ends once, in output or among the dead letters, whoever dies; order per key is kept."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from serving import exchange
from serving.gateway import mirror
from serving.gateway.adopting import build
from serving.gateway.journal import Journal
from serving.gateway.pool import Pool
from serving.gateway.world import Live, World
from serving.routing import Route, RouteTable, Shadow
from serving.runtimes import wire
from serving.streams import broker, scripts
from serving.streams.answering import Outcome, Taken, answer
from serving.streams.consumer import Consumer
from serving.streams.names import PARTITIONS, REGISTRY, Names, partition_of
from serving.tests import forms
from serving.tests.processes import GatewayProcess, Valkey, wait_for

NAMES = Names("dev", "eta")
ROW = {"distance": 5, "hour": 6.5, "origin": "JFK"}


@pytest.fixture
def redis(valkey: Valkey) -> Redis:
    return valkey.redis


@pytest.fixture
def live(store: Path, tmp_path: Path) -> Iterator[Live]:
    """Package 1 with 70 % and package 2 with 30 % of dev's traffic; each answers its own number."""
    pool = Pool(tmp_path / "cache", "", Journal(tmp_path / "journal"))
    targets = forms.package(store, 1, weight=70.0), forms.package(store, 2, "candidate", 30.0)
    table = RouteTable("dev", 1, {"eta": Route("eta", targets)}, keyless=True)
    found = Live()
    world = World(order=("dev",), served=("dev",), ready=True)
    found.world = world.with_table(build(table, pool.get, lambda _: None, 0))
    yield found
    pool.close()


def add(redis: Redis, *records: dict[str, Any], most: int = 1000) -> list[Any]:
    """Add records as the gateway does."""
    arguments: list[Any] = [NAMES.member, most]
    for record in records:
        key, id = record.get("key", ""), record.get("id", "")
        row = record["row"] if isinstance(record["row"], str) else json.dumps(record["row"])
        arguments += [partition_of(key or id or "x"), id, key, row]
    return redis.eval(scripts.ADD, 1 + PARTITIONS, REGISTRY, *NAMES.inputs, *arguments)  # type: ignore[return-value]


def drained(consumer: Consumer) -> None:
    consumer.look()
    while consumer.work():
        pass


def results(redis: Redis) -> list[dict[str, Any]]:
    return [json.loads(fields[b"result"]) for _, fields in redis.xrange(NAMES.output)]


def test_records_are_answered_by_the_route_and_its_weights(redis: Redis, live: Live) -> None:
    add(redis, *({"id": f"r{number}", "row": ROW} for number in range(500)))
    drained(Consumer(redis, live))
    found = results(redis)
    assert sorted(each["id"] for each in found) == sorted(f"r{number}" for number in range(500))
    assert all(each["prediction"] == each["package"] for each in found)
    assert 100 < sum(each["package"] == 2 for each in found) < 200
    assert broker.depth(redis, NAMES).records == 0
    assert broker.counts(redis, NAMES) == {"answered": 500}


def test_a_key_picks_the_package_as_it_does_for_rest(redis: Redis, live: Live) -> None:
    from serving.gateway.ways import chance

    add(redis, *({"key": f"k{number % 20}", "row": ROW, "id": f"{number}"} for number in range(100)))
    drained(Consumer(redis, live))
    for each in results(redis):
        wanted = live.world.tables["dev"].routes["eta"].route.pick(chance("eta", f"k{int(each['id']) % 20}".encode()))
        assert each["package"] == wanted[0].package


def test_what_breaks_the_contract_is_set_aside_with_the_words_of_rest(redis: Redis, live: Live) -> None:
    wrong = ["{", '{"distance":1},{"distance":2}', "[1,2,3]", '{"distance":-1,"hour":1,"origin":"JFK"}', ""]
    add(redis, {"id": "good", "row": ROW}, *({"id": f"w{n}", "row": row} for n, row in enumerate(wrong)))
    drained(Consumer(redis, live))
    assert [each["id"] for each in results(redis)] == ["good"]
    letters = {letter.id: letter for _, letter in broker.letters(redis, NAMES)}
    assert letters["w3"].details == [{"row": 0, "field": "distance", "rule": "must be greater than 0"}]
    assert letters["w3"].reason == "distance: must be greater than 0"
    assert {letters[f"w{n}"].reason for n in (0, 1, 2, 4)} == {"row must be one JSON object"}
    assert letters["w1"].row == wrong[1]


def test_the_same_id_is_taken_once(redis: Redis, live: Live) -> None:
    add(redis, {"id": "a", "row": ROW}, {"id": "a", "row": ROW})
    consumer = Consumer(redis, live)
    drained(consumer)
    add(redis, {"id": "a", "row": ROW}, {"id": "b", "row": ROW})
    drained(consumer)
    assert [each["id"] for each in results(redis)] == ["a", "b"]
    assert broker.counts(redis, NAMES) == {"answered": 2, "doubled": 2}


def test_a_full_stream_takes_all_of_a_call_or_nothing(redis: Redis) -> None:
    assert len(add(redis, {"row": ROW}, {"row": ROW}, most=3)) == 2
    assert add(redis, {"row": ROW}, {"row": ROW}, most=3) == [-3]
    assert broker.depth(redis, NAMES).records == 2


def test_a_producer_may_write_to_redis_itself(redis: Redis, live: Live) -> None:
    redis.xadd(NAMES.inputs[3], {"row": json.dumps(ROW)})
    redis.sadd(REGISTRY, NAMES.member)
    drained(Consumer(redis, live))
    (found,) = results(redis)
    assert "-" in found["id"]


def test_who_takes_over_begins_with_what_was_left(redis: Redis, live: Live) -> None:
    add(redis, *({"id": f"{number}", "key": "one", "row": ROW} for number in range(20)))
    dead = Consumer(redis, live)
    dead.look()
    (taken,) = broker.take(redis, NAMES, [partition_of("one")], dead.name, 7).values()
    assert len(taken) == 7
    heir = Consumer(redis, live)
    drained(heir)
    assert results(redis) == [], "while the other one's lease lasts, it is alone"
    redis.delete(*(NAMES.lease(partition) for partition in range(PARTITIONS)))
    drained(heir)
    assert [each["id"] for each in results(redis)] == [str(number) for number in range(20)]


def test_who_slept_through_its_lease_takes_nothing_and_settles_nothing_twice(redis: Redis, live: Live) -> None:
    add(redis, *({"id": f"{number}", "key": "one", "row": ROW} for number in range(10)))
    route = live.world.tables["dev"].routes["eta"]
    sleeper = Consumer(redis, live)
    sleeper.look()
    (taken,) = broker.take(redis, NAMES, [partition_of("one")], sleeper.name, 4).values()
    outcomes = answer(route, taken)
    redis.delete(*(NAMES.lease(partition) for partition in range(PARTITIONS)))
    drained(Consumer(redis, live))
    assert broker.take(redis, NAMES, range(PARTITIONS), sleeper.name, 4) == {}
    assert broker.settle(redis, NAMES, partition_of("one"), outcomes, time.time()) == 0
    assert [each["id"] for each in results(redis)] == [str(number) for number in range(10)]


def test_a_record_that_ends_whoever_looks_at_it_is_set_aside(redis: Redis, live: Live) -> None:
    add(redis, {"id": "poison", "key": "p", "row": ROW}, {"id": "next", "key": "p", "row": ROW})
    place = partition_of("p")
    for _ in range(4):
        broker.open_group(redis, NAMES)
        broker.lease(redis, NAMES, place, "victim", 5)
        broker.take(redis, NAMES, [place], "victim", 1)
        broker.left(redis, NAMES, place, 1)
        broker.release(redis, NAMES, place, "victim")
    drained(Consumer(redis, live))
    (letter,) = [letter for _, letter in broker.letters(redis, NAMES)]
    assert letter.id == "poison"
    assert "whoever looked at this record died" in letter.reason
    assert [each["id"] for each in results(redis)] == ["next"]


def test_a_consumer_that_cannot_go_on_ends_and_gives_back_what_it_held(
    redis: Redis, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a bug")

    add(redis, {"id": "a", "row": ROW})
    broken, stop = Consumer(redis, live), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr("serving.streams.consumer.answer", fail)
        broken.run(stop)
    assert (broken.failed, stop.is_set(), broker.leased(redis, NAMES)) == (True, True, 0)
    drained(Consumer(redis, live))
    assert [each["id"] for each in results(redis)] == ["a"]


def test_a_dead_letter_is_sent_in_again_once(redis: Redis, live: Live) -> None:
    add(redis, {"id": "a", "key": "k", "row": {**ROW, "distance": -1}})
    consumer = Consumer(redis, live)
    drained(consumer)
    ((entry, _),) = broker.letters(redis, NAMES)
    assert broker.replay(redis, NAMES, entry)
    assert not broker.replay(redis, NAMES, entry)
    drained(consumer)
    assert [letter.id for _, letter in broker.letters(redis, NAMES)] == ["a"]


def test_partitions_are_shared_fairly_and_given_back(redis: Redis, live: Live) -> None:
    add(redis, {"row": ROW})
    one, two = Consumer(redis, live), Consumer(redis, live)
    one.look()
    assert broker.leased(redis, NAMES) == PARTITIONS
    for _ in range(3):
        two.look()
        one.look()
    held = [sum(len(each.partitions) for each in consumer._held.values()) for consumer in (one, two)]
    assert held == [4, 4]
    two._give_back()
    assert broker.leased(redis, NAMES) == 4


def test_what_waits_for_a_model_that_is_off_goes_on_waiting(redis: Redis, live: Live) -> None:
    add(redis, {"id": "a", "row": ROW})
    consumer, world = Consumer(redis, live), live.world
    live.world = World(order=("dev",), served=("dev",), ready=True)
    drained(consumer)
    depth = broker.depth(redis, NAMES)
    assert depth.records == 1
    live.world = world
    drained(consumer)
    assert [each["id"] for each in results(redis)] == ["a"]


def test_a_row_that_the_model_fails_on_is_set_aside_alone(live: Live) -> None:
    route = live.world.tables["dev"].routes["eta"]
    for package in route.packages.values():
        real = package.runtime.predict

        def fail(batch: Any, real: Any = real) -> Any:
            if (batch.columns["distance"] == 7).any():
                raise ZeroDivisionError
            return real(batch)

        package.runtime.predict = fail  # type: ignore[method-assign]
    rows = [{**ROW, "distance": distance} for distance in range(1, 12)]
    records = [Taken(b"1-1", json.dumps(row).encode(), str(n), True, None, 0.0) for n, row in enumerate(rows)]
    outcomes: list[Outcome] = answer(route, records)
    failed = [outcome.taken.id for outcome in outcomes if outcome.target is None]
    assert failed == ["6"]
    assert [outcome.taken.id for outcome in outcomes] == [str(n) for n in range(11)]
    assert outcomes[6].reason == "the model failed on this row (ZeroDivisionError)"


# --- shadows --------------------------------------------------------------------------------------------------------


@pytest.fixture
def shadowed(store: Path, tmp_path: Path) -> Iterator[Live]:
    """Package 1 is live, package 2 a candidate, and package 3 shadows half of what package 1 answers."""
    pool = Pool(tmp_path / "cache", "", Journal(tmp_path / "journal"))
    targets = forms.package(store, 1, weight=70.0), forms.package(store, 2, "candidate", 30.0)
    shadow = Shadow(7, replace(forms.package(store, 3), arm="shadow", weight=0.0), 0.5)
    table = RouteTable("dev", 1, {"eta": Route("eta", targets, shadows=(shadow,))}, keyless=True)
    found = Live()
    found.world = World(order=("dev",), served=("dev",), ready=True).with_table(
        build(table, pool.get, lambda _: None, 0)
    )
    yield found
    pool.close()


def test_a_share_of_what_the_live_package_answered_goes_to_the_shadow(redis: Redis, shadowed: Live) -> None:
    consumer = Consumer(redis, shadowed)
    add(redis, *({"id": f"{n}", "row": ROW} for n in range(200)), {"id": "wrong", "row": {}})
    drained(consumer)
    sent = [consumer.mirror.pair(found, {}) for found, _ in consumer.mirror.room.take(1000)]
    by_package = {each["id"]: each["package"] for each in results(redis)}
    assert {by_package[pair.id] for pair in sent} == {1}
    assert 40 < len(sent) < 100
    assert all(pair.runs == [7] and pair.seconds > 0 for pair in sent)
    assert json.loads(sent[0].body) == {"instances": [ROW]}
    assert sent[0].answer is not None
    assert wire.answer_of(wire.read_reply(sent[0].answer)).plain() == [1.0]


def test_what_finds_no_room_is_dropped_and_told(redis: Redis, shadowed: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "MOST_WAITING", 300)
    consumer = Consumer(redis, shadowed)
    add(redis, *({"id": f"{n}", "row": ROW} for n in range(100)))
    drained(consumer)
    kept = len(consumer.mirror.room.take(1000))
    assert kept == 300 // len(json.dumps(ROW))
    assert consumer.mirror.untold() == {7: consumer.mirror.dropped[7]}
    assert consumer.mirror.dropped[7] > 10


def test_without_a_shadow_nothing_waits(redis: Redis, live: Live) -> None:
    consumer = Consumer(redis, live)
    add(redis, {"id": "a", "row": ROW})
    drained(consumer)
    assert consumer.mirror.room.take(10) == []


# --- by REST --------------------------------------------------------------------------------------------------------


@pytest.fixture
def door(store: Path, valkey: Valkey, gateway: GatewayProcess) -> GatewayProcess:
    """A gateway of dev, where `eta` is live and no key is needed."""
    exchange.put_table(
        valkey.redis, RouteTable("dev", 1, {"eta": Route("eta", (forms.package(store, 1),))}, keyless=True)
    )
    gateway.start()
    wait_for(gateway.ready)
    return gateway


def test_records_are_taken_by_rest_and_results_read_from_a_cursor_on(
    door: GatewayProcess, redis: Redis, live: Live
) -> None:
    one = door.client.post("/dev/stream/eta", json={"row": ROW})
    assert one.status_code == 202
    body = {"records": [{"id": "a", "key": "k", "row": ROW}, {"id": "b", "key": "k", "row": ROW}, {"row": ROW}]}
    many = door.client.post("/dev/stream/eta", json=body).json()
    assert many["ids"][:2] == ["a", "b"]
    assert many["durable"] is False, "this Valkey keeps nothing on disk, and that is said"
    drained(Consumer(redis, live))
    first = door.client.get("/dev/stream/eta/results?limit=3").json()
    rest = door.client.get(f"/dev/stream/eta/results?after={first['next']}").json()
    assert {each["id"] for each in first["results"] + rest["results"]} == {*one.json()["ids"], *many["ids"]}
    assert door.client.get(f"/dev/stream/eta/results?after={rest['next']}").json() == {
        "results": [],
        "next": rest["next"],
    }


def test_a_reader_may_wait_for_what_comes(door: GatewayProcess, redis: Redis, live: Live) -> None:
    began = time.monotonic()
    assert door.client.get("/dev/stream/eta/results?wait=0.5").json()["results"] == []
    assert time.monotonic() - began >= 0.5
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(door.client.get, "/dev/stream/eta/results?wait=9")
        time.sleep(0.3)
        add(redis, {"id": "late", "row": ROW})
        drained(Consumer(redis, live))
        assert [each["id"] for each in waiting.result().json()["results"]] == ["late"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "This is no record"),
        (b'{"row":{},"rows":1}', "unknown field"),
        (b'{"row":{"a":1},"row":{}}', "gives a name twice"),
        (b'{"records":[]}', "1 to 10,000 records"),
        (b'{"records":[{"row":{}},{"row":[1]}]}', "records[1].row: must be an object"),
        (b'{"row":{},"id":""}', "records[0].id: must have 1 to 200 characters."),
        (b'{"row":{},"key":7}', "Expected `str | null`"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_what_is_no_record_is_refused_in_words(door: GatewayProcess, redis: Redis, body: bytes, words: str) -> None:
    answer = door.client.post("/dev/stream/eta", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert broker.known(redis) == []


@pytest.mark.parametrize("headers", [{"content-type": "text/csv"}, {"content-encoding": "gzip"}])
def test_records_come_as_plain_json(door: GatewayProcess, headers: dict[str, str]) -> None:
    answer = door.client.post("/dev/stream/eta", content=b'{"row":{}}', headers=headers)
    assert answer.status_code == 415


def test_only_so_many_ids_results_and_letters_are_kept(
    redis: Redis, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REMEMBER_MOST", "MOST_RESULTS", "MOST_LETTERS"):
        monkeypatch.setattr(broker, name, 100)
    consumer = Consumer(redis, live)
    for start in range(0, 2000, 500):
        add(redis, *({"id": f"{start + n}", "row": ROW if n % 2 else {}} for n in range(500)), most=5000)
        drained(consumer)
    assert redis.zcard(NAMES.ids) <= 100 + 256
    assert redis.xlen(NAMES.output) < 600
    assert redis.xlen(NAMES.dead) < 600


def test_addresses_of_streams_say_what_is_wrong(door: GatewayProcess) -> None:
    ask = door.client.get
    assert ask("/dev/stream/eta").status_code == 405
    assert ask("/dev/stream/nothing/results").status_code == 404
    assert ask("/dev/stream/eta/nothing").status_code == 404
    assert door.client.post("/stream/eta", json={"row": ROW}).status_code == 202, "without a name: the last environment"
    for query in ("after=x", "limit=0", "limit=1001", "wait=31", "wait=-1", "before=1"):
        assert ask(f"/dev/stream/eta/results?{query}").status_code == 400


def test_keys_and_limits_hold_for_streams_too(store: Path, valkey: Valkey, gateway: GatewayProcess) -> None:
    import hashlib

    from serving.routing import Key

    keys = (
        Key(hashlib.sha256(b"good").hexdigest(), "good", ("eta",), False, None, 1, 1),
        Key(hashlib.sha256(b"other").hexdigest(), "othe", ("another",), False, None, 2),
    )
    exchange.put_table(valkey.redis, RouteTable("dev", 1, {"eta": Route("eta", (forms.package(store, 1),))}, keys))
    gateway.start()
    wait_for(gateway.ready)

    def ask(key: str) -> int:
        return gateway.client.post(
            "/dev/stream/eta", json={"row": ROW}, headers={"authorization": f"Bearer {key}"}
        ).status_code

    assert gateway.client.post("/dev/stream/eta", json={"row": ROW}).status_code == 401
    assert ask("wrong") == 401
    assert ask("other") == 403
    assert {ask("good") for _ in range(20)} == {202, 429}


def test_a_stream_without_redis_says_so_and_predictions_go_on(door: GatewayProcess, valkey: Valkey) -> None:
    valkey.kill()
    answer = door.client.post("/dev/stream/eta", json={"row": ROW})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert door.predict(ROW).status_code == 200


def test_a_consumer_process_answers_and_is_killed_and_another_one_goes_on(
    door: GatewayProcess, redis: Redis, tmp_path: Path, valkey: Valkey
) -> None:
    consumers = [GatewayProcess(valkey.url, tmp_path / f"c{n}", code=RUN) for n in range(2)]
    try:
        for number, consumer in enumerate(consumers):
            consumer.start()
            for at in range(0, 2000, 500):
                records = [{"id": f"{number}-{at + n}", "key": f"k{n % 50}", "row": ROW} for n in range(500)]
                assert door.client.post("/dev/stream/eta", json={"records": records}).status_code == 202
            wait_for(lambda: broker.counts(redis, NAMES).get("answered", 0) > 100 + 2000 * number)  # noqa: B023
            if number == 0:
                consumer.kill()
        wait_for(lambda: broker.depth(redis, NAMES).records == 0)
    finally:
        for consumer in consumers:
            if hasattr(consumer, "process"):
                consumer.kill()
    found = [each["id"] for each in results(redis)]
    assert len(found) == len(set(found)) == 4000
    for key in range(50):
        mine = [name for name in found if int(name.partition("-")[2]) % 500 % 50 == key]
        assert mine == sorted(mine, key=lambda name: tuple(map(int, name.split("-"))))


RUN = "from serving.streams.__main__ import main; main()"
