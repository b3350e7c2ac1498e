"""A machine whose clock is wrong counts into the right seconds: those of Redis."""

from __future__ import annotations

import time
from pathlib import Path

from serving import exchange
from serving.metrics import store as cells
from serving.tests.builders import table
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for

BEHIND = (
    "import time, runpy; right = time.time; time.time = lambda: right() - 3600; "
    "runpy.run_module('serving.gateway', run_name='__main__')"
)


def test_an_hour_behind_costs_no_prediction_and_misplaces_no_count(valkey: Valkey, store: Path, tmp_path: Path) -> None:
    exchange.put_table(valkey.redis, table(package(store, 1)))
    process = GatewayProcess(valkey.url, tmp_path / "data", code=BEHIND).start()
    try:
        wait_for(process.ready)
        for _ in range(20):
            assert process.predict(ROW).status_code == 200

        def counted() -> bool:
            found = [cells.read(valkey.redis, "dev", time.time() - 60, time.time() + 1, step) for step in (1, 10)]
            return [sum(cell.completions for cell in each) for each in found] == [20, 20]

        wait_for(counted, 10)
        assert abs(process.beat(valkey.redis)["at"] - time.time()) < 5
        assert process.beat(valkey.redis)["watermark"] > time.time() - 5
        assert "clock is off by -3600" in process.log.read_text()
    finally:
        process.kill()


def test_counts_made_before_redis_was_ever_seen_move_to_the_right_seconds(
    valkey: Valkey, store: Path, tmp_path: Path
) -> None:
    exchange.put_table(valkey.redis, table(package(store, 1)))
    first = GatewayProcess(valkey.url, tmp_path / "data").start()
    wait_for(first.ready)
    first.stop()
    valkey.kill()
    process = GatewayProcess(valkey.url, tmp_path / "data", code=BEHIND).start()
    try:
        wait_for(process.ready)
        begin = time.time()
        for _ in range(20):
            assert process.predict(ROW).status_code == 200
        time.sleep(2)
        valkey.start()

        def counted() -> bool:
            found = [cells.read(valkey.redis, "dev", begin - 10, time.time() + 1, step) for step in (1, 10)]
            return [sum(cell.completions for cell in each) for each in found] == [20, 20]

        wait_for(counted, 20)
    finally:
        process.kill()
