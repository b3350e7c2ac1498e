"""Shadows: who is mirrored, what the process of its own finds, and that its death costs pairs and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from serving import exchange, routing, tallies
from serving.gateway import mirror, pairs
from serving.gateway.messages import Reply
from serving.gateway.mirror import Mirror
from serving.gateway.mirroring import Mirroring
from serving.gateway.pairs import Pair, Watch
from serving.routing import Route, RouteTable, Shadow, Target
from serving.runtimes import wire
from serving.tally import Tally, added
from serving.tests.forms import ROW, package, pipeline
from serving.tests.inside import Inside
from serving.tests.processes import GatewayProcess, Valkey, alive, wait_for
from serving.tests.test_capture import SECRETS
from serving.tests.test_keys import CALLS

PATH, BODY = CALLS["v1"]
RUN = 7


def shadow(target: Target, run: int = RUN, share: float = 1.0, **more: Any) -> Shadow:
    return Shadow(run, replace(target, arm="shadow", weight=0.0), share, **more)


# --- who is mirrored ------------------------------------------------------------------------------------------------


class Mirrored:
    """A gateway in the test's process whose replies are handed to the mirror."""

    def __init__(self, folder: Path, route: Route, draw: float = 0.5) -> None:
        self.inside = Inside(folder, RouteTable("dev", 1, {"eta": route}, keyless=True))
        self.mirror = Mirror(self.inside.live, lambda: draw)

    def ask(self, body: Any = BODY, **headers: str) -> Reply:
        async def asked() -> Reply:
            request, reply = await self.inside.exchange(PATH, body, **headers)
            if reply.call is not None and reply.call.kept is not None:
                self.mirror.offer(request, reply, reply.call)
            return reply

        return asyncio.run(asked())

    def sent(self) -> list[Pair]:
        taken = self.mirror.room.take(10_000)
        for _, weight in taken:
            self.mirror.room.done(weight)
        return [mirror.pair(found, self.mirror.untold()) for found, _ in taken]


def test_a_request_goes_on_with_its_answer_and_without_its_secrets(store: Path, tmp_path: Path) -> None:
    found = Mirrored(tmp_path, Route("eta", (package(store, 1),), shadows=(shadow(package(store, 2)),)))
    found.ask(cookie="session=secret", content_type="application/json", x_request_id="mine")
    (pair,) = found.sent()
    assert (pair.runs, pair.protocol, pair.id) == ([RUN], "v1", "mine")
    assert pair.headers == {"content-type": "application/json"}
    assert pair.answer is not None
    assert wire.answer_of(wire.read_reply(pair.answer)).plain() == [1.0]
    assert b"secret" not in pairs.frame(pair)


def test_each_shadow_has_its_own_share(store: Path, tmp_path: Path) -> None:
    shares = [shadow(package(store, 2), run, share) for run, share in ((1, 0.4), (2, 0.6), (3, 1.0))]
    found = Mirrored(tmp_path, Route("eta", (package(store, 1),), shadows=tuple(shares)), draw=0.5)
    found.ask()
    assert [pair.runs for pair in found.sent()] == [[2, 3]]


@pytest.mark.parametrize("body", [{"instances": []}, {"instances": [{"distance": "far"}]}, {}])
def test_what_breaks_the_contract_is_not_mirrored(store: Path, tmp_path: Path, body: Any) -> None:
    found = Mirrored(tmp_path, Route("eta", (package(store, 1),), shadows=(shadow(package(store, 2)),)))
    assert found.ask(body).status == 400
    assert found.sent() == []


def test_only_what_the_live_package_answered_is_mirrored(store: Path, tmp_path: Path) -> None:
    candidate = package(store, 3, arm="candidate", weight=100.0)
    route = Route("eta", (package(store, 1, weight=0.0), candidate), shadows=(shadow(package(store, 2)),))
    found = Mirrored(tmp_path, route)
    assert found.ask().status == 200
    assert found.sent() == []


def test_a_shadow_is_no_target_of_the_gateway(store: Path, tmp_path: Path) -> None:
    found = Mirrored(tmp_path, Route("eta", (package(store, 1),), shadows=(shadow(package(store, 2)),)))
    assert len(found.inside.pool._loaded) == 1
    assert asyncio.run(found.inside.ask(PATH, BODY, x_package="2")).status in (403, 404)


def test_what_finds_no_room_is_dropped_and_told_once(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "MOST_WAITING", 150)
    found = Mirrored(tmp_path, Route("eta", (package(store, 1),), shadows=(shadow(package(store, 2)),)))
    for _ in range(5):
        found.ask()
    assert found.mirror.dropped == {RUN: 4}
    assert [pair.dropped for pair in found.sent()] == [{RUN: 4}]
    # Nobody has said yet that it arrived.
    found.ask()
    assert [pair.dropped for pair in found.sent()] == [{RUN: 4}]
    found.mirror.told({RUN: 4})
    found.ask()
    assert [pair.dropped for pair in found.sent()] == [{}]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"share": 0.0}, "share"),
        ({"share": 1.5}, "share"),
        ({"atol": -1.0}, "tolerances"),
        ({"rtol": float("inf")}, "tolerances"),
    ],
)
def test_a_table_with_a_shadow_that_makes_no_sense_is_refused(store: Path, more: dict[str, float], words: str) -> None:
    target = package(store, 1)
    table = RouteTable("dev", 1, {"eta": Route("eta", (target,), shadows=(shadow(target, **more),))})
    with pytest.raises(ValueError, match=words):
        routing.check(table)


# --- the process ----------------------------------------------------------------------------------------------------


class Shadowed:
    """A real gateway with a shadow; `found` is what its processes wrote, added up."""

    def __init__(self, gateway: GatewayProcess, valkey: Valkey) -> None:
        self.gateway, self.valkey, self.generation = gateway, valkey, 0

    def serve(self, target: Target, *shadows: Shadow) -> None:
        self.generation += 1
        route = Route("eta", (target,), shadows=shadows)
        exchange.put_table(self.valkey.redis, RouteTable("dev", self.generation, {"eta": route}, keyless=True))
        if self.generation == 1:
            self.gateway.start()
            wait_for(self.gateway.ready)
        wait_for(lambda: self.gateway.generation(self.valkey.redis) == self.generation)

    def ready(self) -> int:
        """Wait until the shadow's package is loaded; return the pid of its process."""
        wait_for(lambda: self.found().ready)
        return self.pid()

    def pid(self) -> int:
        return int(wait_for(self.children)[0])

    def children(self) -> list[str]:
        pid = self.gateway.process.pid
        found = (task / "children" for task in Path(f"/proc/{pid}/task").iterdir())
        pids = [child for path in found for child in path.read_text().split()]
        return [each for each in pids if b"gateway.shadow" in Path(f"/proc/{each}/cmdline").read_bytes()]

    def ask(self, count: int = 1, body: Any = BODY) -> list[Any]:
        answers = [self.gateway.client.post(PATH, json=body) for _ in range(count)]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json()["predictions"] for answer in answers]

    def found(self, run: int = RUN) -> Tally:
        return added(list(tallies.get(self.valkey.redis, run).values()))

    def pairs(self, count: int) -> Tally:
        wait_for(lambda: self.found().pairs >= count)
        return self.found()


@pytest.fixture
def shadowed(gateway: GatewayProcess, valkey: Valkey) -> Shadowed:
    return Shadowed(gateway, valkey)


def test_a_shadow_answers_unseen_and_its_differences_are_kept(shadowed: Shadowed, store: Path) -> None:
    shadowed.serve(package(store, 1), shadow(package(store, 2)))
    shadowed.ready()
    assert shadowed.ask(20) == [[1.0]] * 20
    found = shadowed.pairs(20)
    assert (found.pairs, found.agreed, found.dropped, found.failed) == (20, 0, 0, {})
    assert found.points[0] == (1.0, 2.0)
    assert found.largest[0].inputs == ROW
    assert (found.largest[0].live, found.largest[0].shadow, found.largest[0].apart) == (1.0, 2.0, 1.0)
    assert found.segments["origin"] == {ROW["origin"]: [20, 20]}
    assert sum(found.shadow_times.values()) == 20


def test_what_is_within_the_tolerance_agrees(shadowed: Shadowed, store: Path) -> None:
    shadowed.serve(package(store, 1), shadow(package(store, 2), atol=1.0), shadow(package(store, 2), 8, rtol=0.5))
    shadowed.ready()
    wait_for(lambda: shadowed.found(8).ready)
    shadowed.ask(5)
    assert shadowed.pairs(5).agreed == 5
    wait_for(lambda: shadowed.found(8).pairs == 5)
    assert shadowed.found(8).agreed == 0


def test_a_sensitive_field_never_leaves_the_process(shadowed: Shadowed, store: Path) -> None:
    x = np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0], [4.0, 1.0]])
    one, two = (DecisionTreeClassifier(random_state=0).fit(x, labels) for labels in ([0, 0, 1, 1], [1, 1, 0, 0]))
    signature = SECRETS | {"outputs": [{"name": "label", "type": "long"}]}
    shadowed.serve(pipeline(store, 1, one, signature), shadow(pipeline(store, 2, two, signature)))
    shadowed.ready()
    shadowed.ask(3, {"instances": [{"age": 1.0, "income": 123456.0}]})
    found = shadowed.pairs(3)
    assert found.flips == {"0 → 1": 3} or found.flips == {"1 → 0": 3}
    assert found.largest[0].inputs == {"age": 1.0}
    assert set(found.segments) == {"age"}
    assert "123456" not in str(shadowed.valkey.redis.hgetall(tallies.key(RUN)))


def test_a_killed_shadow_costs_pairs_and_no_answer(shadowed: Shadowed, store: Path) -> None:
    shadowed.serve(package(store, 1), shadow(package(store, 2)))
    pid = shadowed.ready()
    shadowed.ask(5)
    shadowed.pairs(5)
    os.kill(pid, signal.SIGKILL)
    assert shadowed.ask(20) == [[1.0]] * 20
    second = wait_for(lambda: next((int(each) for each in shadowed.children() if int(each) != pid), 0))
    assert second != pid
    wait_for(lambda: len(tallies.get(shadowed.valkey.redis, RUN)) == 2)
    shadowed.ask(5)
    # What the first one found is kept; what was in its pipe when it died is lost with it.
    found = shadowed.pairs(10)
    assert found.agreed == 0
    assert 10 <= found.pairs + found.dropped <= 30


def test_one_that_is_paused_beside_another_keeps_what_it_had_found(shadowed: Shadowed, store: Path) -> None:
    """The process lives on for the other one, and begins the first one's tally anew."""
    one, other = shadow(package(store, 2)), shadow(package(store, 3), 8)
    shadowed.serve(package(store, 1), one, other)
    shadowed.ready()
    shadowed.ask(5)
    shadowed.pairs(5)
    shadowed.serve(package(store, 1), other)
    # What the other one got after the change says that the process has heard of it.
    shadowed.ask()
    wait_for(lambda: shadowed.found(8).pairs == 6)
    shadowed.serve(package(store, 1), one, other)
    wait_for(lambda: len(tallies.get(shadowed.valkey.redis, RUN)) == 2)
    shadowed.ask(3)
    assert shadowed.pairs(8).pairs == 8
    assert len(shadowed.children()) == 1


def test_an_answer_that_is_too_large_for_a_message_is_dropped_and_the_process_lives(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Mirrored(tmp_path, Route("eta", (package(store, 1),), shadows=(shadow(package(store, 2)),)))
    sent: list[bytes] = []
    mirroring = Mirroring(found.inside.live, found.mirror)
    monkeypatch.setattr(mirroring, "_send", lambda data: sent.append(data) is None)
    monkeypatch.setattr(mirroring, "_follow", lambda: None)
    with monkeypatch.context() as small:
        small.setattr("serving.gateway.mirroring.MOST_FRAME", 10)
        found.ask()
        mirroring.step()
    assert (sent, found.mirror.dropped) == ([], {RUN: 1})
    found.ask()
    mirroring.step()
    assert (len(sent), found.mirror.untold()) == (1, {})


def test_a_frozen_shadow_holds_up_nobody_and_dies_with_its_gateway(shadowed: Shadowed, store: Path) -> None:
    shadowed.serve(package(store, 1), shadow(package(store, 2)))
    pid = shadowed.ready()
    os.kill(pid, signal.SIGSTOP)
    assert shadowed.ask(50) == [[1.0]] * 50
    shadowed.gateway.kill()
    wait_for(lambda: not alive(pid))


def test_a_package_that_cannot_be_shadowed_says_why_and_the_live_one_answers(shadowed: Shadowed, store: Path) -> None:
    broken = replace(package(store, 2), url="file:///nowhere")
    shadowed.serve(package(store, 1), shadow(broken))
    wait_for(lambda: shadowed.found().error)
    assert "Package 2 cannot be shadowed" in shadowed.found().error
    assert shadowed.ask(3) == [[1.0]] * 3
    assert wait_for(lambda: shadowed.found().dropped) == 3


def test_the_process_is_there_while_there_are_shadows_only(shadowed: Shadowed, store: Path) -> None:
    shadowed.serve(package(store, 1))
    assert shadowed.children() == []
    shadowed.serve(package(store, 1), shadow(package(store, 2)))
    pid = shadowed.ready()
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE
    shadowed.ask(3)
    shadowed.pairs(3)
    shadowed.serve(package(store, 1))
    wait_for(lambda: not alive(pid))
    assert shadowed.found().pairs == 3
    assert shadowed.gateway.stop() == 0


# --- the messages ---------------------------------------------------------------------------------------------------


def test_messages_arrive_as_they_were_sent(store: Path, tmp_path: Path) -> None:
    watched = pairs.Watched("dev", "eta", 10.0, shadow(package(store, 2), share=0.25, rtol=0.01))
    pair = Pair([1], "v1", {"content-type": "a"}, b"body", None, 1.5, "id", 0.001, {1: 3})
    path = tmp_path / "messages"
    path.write_bytes(pairs.frame(Watch([watched])) + pairs.frame(pair))
    with path.open("rb") as file:
        assert [pairs.read(file), pairs.read(file), pairs.read(file)] == [Watch([watched]), pair, None]


def test_a_message_that_is_cut_short_is_the_end_and_one_too_long_is_none(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_bytes(pairs.frame(Watch([]))[:-1])
    with path.open("rb") as file:
        assert pairs.read(file) is None
    path.write_bytes(b"\xff\xff\xff\xff")
    with path.open("rb") as file, pytest.raises(ValueError, match="none of a gateway"):
        pairs.read(file)
