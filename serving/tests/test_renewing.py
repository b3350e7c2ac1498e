"""Keys do not wait: revoked while a package is being loaded, and while Redis is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serving import exchange
from serving.gateway.renewing import Renewal
from serving.gateway.world import LiveTable
from serving.routing import Key
from serving.tests.builders import table
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for
from serving.tests.test_gateway import api_key

STAYER, LEAVER = api_key("stayer"), api_key("leaver")
# A gateway that needs until a file appears to load package 2.
SLOW = """
import os, pathlib, runpy, time
from serving.gateway.pool import Pool
quick = Pool.get
def get(self, target):
    while target.package == 2 and not pathlib.Path(os.environ["GO_ON"]).exists():
        time.sleep(0.02)
    return quick(self, target)
Pool.get = get
runpy.run_module("serving.gateway", run_name="__main__")
"""


def status(gateway: GatewayProcess, key: str) -> int:
    return gateway.predict(ROW, headers={"authorization": f"Bearer {key}"}).status_code


def tables(generation: int, *keys: Key, targets: Any) -> Any:
    return table(*targets, generation=generation, keyless=False, keys=keys)


def test_a_key_is_refused_while_a_package_of_the_same_table_is_still_being_loaded(
    valkey: Valkey, store: Path, tmp_path: Path
) -> None:
    first, second = package(store, 1), package(store, 2)
    exchange.put_table(valkey.redis, tables(1, STAYER, LEAVER, targets=(first,)))
    go_on = tmp_path / "go-on"
    gateway = GatewayProcess(valkey.url, tmp_path / "data", code=SLOW, more={"GO_ON": str(go_on)}).start()
    try:
        wait_for(lambda: gateway.generation(valkey.redis) == 1)
        exchange.put_table(valkey.redis, tables(2, STAYER, LEAVER, targets=(second,)))
        wait_for(lambda: "loading" in gateway.beat(valkey.redis)["environments"]["dev"]["packages"].values())
        exchange.put_table(valkey.redis, tables(3, STAYER, targets=(second,)))
        wait_for(lambda: status(gateway, "leaver") == 401)
        assert (status(gateway, "stayer"), gateway.generation(valkey.redis)) == (200, 1)
        go_on.touch()
        wait_for(lambda: gateway.generation(valkey.redis) == 3)
        assert status(gateway, "leaver") == 401
    finally:
        gateway.kill()


def test_a_gateway_that_is_cut_off_says_so_and_goes_on(valkey: Valkey, gateway: GatewayProcess, store: Path) -> None:
    exchange.put_table(valkey.redis, tables(1, STAYER, targets=(package(store, 1),)))
    gateway.start()
    wait_for(lambda: gateway.generation(valkey.redis) == 1)
    assert gateway.client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    valkey.kill()
    wait_for(lambda: "warning" in gateway.client.get("/dev/v2/health/ready").json())
    ready = gateway.client.get("/v2/health/ready")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert ready.json()["warning"].startswith("Redis is away since 20")
    assert status(gateway, "stayer") == 200
    assert "Redis is away" in gateway.log.read_text()
    valkey.start()
    wait_for(lambda: gateway.client.get("/v2/health/ready").json() == {"live": True, "ready": True})
    since, until = wait_for(lambda: gateway.beat(valkey.redis).get("cut_off"))
    assert since < until


@pytest.fixture
def live() -> LiveTable:
    return LiveTable(table(generation=1, keys=(STAYER, LEAVER)), {}, 1)


def test_what_goes_live_late_brings_no_older_keys_back(live: LiveTable) -> None:
    renewal = Renewal()
    renewed = renewal.newer(live, table(generation=3, keys=(STAYER,)))
    assert renewed is not None
    assert (renewed.table.generation, renewed.table.keys) == (1, (STAYER,))
    late = LiveTable(table(generation=2, keys=(STAYER, LEAVER)), {}, 2)
    assert renewal.newest(late).table.keys == (STAYER,)
    newest = LiveTable(table(generation=4, keys=(LEAVER,)), {}, 4)
    assert renewal.newest(newest) is newest


def test_a_table_that_is_not_newer_renews_nothing(live: LiveTable) -> None:
    renewal = Renewal()
    assert renewal.newer(live, live.table) is None
    assert renewal.newer(live, table(generation=2)) is not None
    assert renewal.newer(live, table(generation=2)) is None
