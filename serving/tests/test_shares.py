"""What gateways tell each other through Redis, and the shares that come of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from serving import exchange
from serving.exchange import Heartbeat
from serving.gateway.callers import Callers
from serving.gateway.shares import Shares
from serving.gateway.world import LiveTable
from serving.routing import Key
from serving.tests.builders import table
from serving.tests.processes import Valkey, wait_for

KEY = Key("a" * 64, "a", ("*",), False, None, row=1, requests_per_second=10, concurrent_requests=4)
LIVE = LiveTable(table(keys=(KEY,)), {}, 1)


class Gateway:
    """One gateway's side of the exchange, its clock in the test's hand."""

    def __init__(self, boot: str, folder: Path) -> None:
        self.boot, self.now, self.taken = boot, 0.0, {}
        self.shares = Shares(boot, folder / boot, self.taken.update)
        self.callers = Callers(self.shares.gateways, lambda: self.now)

    def ask(self, count: int) -> None:
        limiter = self.callers.limiter(LIVE, KEY)
        for _ in range(count):
            limiter.enter(self.now)

    def write(self, valkey: Valkey) -> None:
        self.now += 1
        self.shares.offer(self.callers)
        beat = Heartbeat(self.boot, self.boot, 1, time.time(), {}, 0, {}, "")
        exchange.put_heartbeat(valkey.redis, beat)
        self.shares.write(valkey.redis, ["dev"])


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Gateway, Gateway]:
    return Gateway("a", tmp_path), Gateway("b", tmp_path)


def test_shares_follow_use_and_add_up(valkey: Valkey, pair: tuple[Gateway, Gateway]) -> None:
    first, second = pair
    first.ask(30)
    second.ask(10)
    for gateway in pair:
        gateway.write(valkey)
    for gateway in pair:
        gateway.shares.look(valkey.redis)
    assert first.taken["dev"]["rate 1"] == pytest.approx(0.75, abs=0.01)
    assert first.taken["dev"]["rate 1"] + second.taken["dev"]["rate 1"] == pytest.approx(1)
    assert first.taken["dev"]["places 1"] + second.taken["dev"]["places 1"] == 4
    assert first.shares.gateways("dev") == 2


def test_a_gateway_that_is_silent_for_a_second_counts_no_more(valkey: Valkey, pair: tuple[Gateway, Gateway]) -> None:
    first, _ = pair
    for gateway in pair:
        gateway.ask(10)
        gateway.write(valkey)
    wait_for(lambda: "b" not in exchange.get_uses(valkey.redis))
    first.ask(10)
    first.write(valkey)
    first.shares.look(valkey.redis)
    assert first.taken["dev"] == {"rate 1": 1.0, "places 1": 4}


def test_without_redis_nothing_is_taken_over(valkey: Valkey, pair: tuple[Gateway, Gateway]) -> None:
    first, _ = pair
    first.ask(3)
    first.write(valkey)
    valkey.kill()
    with pytest.raises(RedisError):
        first.shares.look(valkey.redis)
    assert first.taken == {}


def test_a_start_without_redis_goes_by_the_gateways_seen_last(
    valkey: Valkey, pair: tuple[Gateway, Gateway], tmp_path: Path
) -> None:
    for gateway in pair:
        gateway.write(valkey)
    pair[0].shares.look(valkey.redis)
    again = Gateway("a", tmp_path)
    assert again.callers.limiter(LIVE, KEY).rate.share == 0.5


def test_when_a_key_was_last_used_is_written(valkey: Valkey, pair: tuple[Gateway, Gateway]) -> None:
    first, _ = pair
    first.callers.trace(LIVE, KEY).fresh = True
    first.write(valkey)
    assert exchange.get_used(valkey.redis) == {KEY.hash: pytest.approx(time.time(), abs=5)}
    exchange.forget_used(valkey.redis, [KEY.hash])
    assert exchange.get_used(valkey.redis) == {}
