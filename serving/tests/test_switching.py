"""Real processes through changes: fifty switches under load, Redis killed, restarts, deadly packages, taken ports."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from redis import Redis
from sklearn.neighbors import KNeighborsRegressor

from serving import exchange
from serving.gateway.disk import write_atomically
from serving.metrics import store as cells
from serving.routing import RouteTable, Target
from serving.tests.builders import flight, table
from serving.tests.forms import ROW, package, pipeline
from serving.tests.processes import GatewayProcess, Valkey, wait_for

# A gateway whose ONNX runtime ends the process for one value: what a broken native library does.
DEADLY = """
import os, runpy
from serving.runtimes import onnx
harmless = onnx.OnnxRuntime.predict
def predict(self, batch):
    if batch.columns["distance"][0] == 666 and harmless(self, batch).values[0] == 2:
        os._exit(11)
    return harmless(self, batch)
onnx.OnnxRuntime.predict = predict
runpy.run_module("serving.gateway", run_name="__main__")
"""


def publish(redis: Redis, gateway: GatewayProcess, wanted: RouteTable) -> None:
    assert exchange.put_table(redis, wanted)
    wait_for(lambda: gateway.generation(redis) == wanted.generation)


class Load(threading.Thread):
    """Predict again and again; keep every (sent, answered, status, package)."""

    def __init__(self, gateway: GatewayProcess) -> None:
        super().__init__(daemon=True)
        self.gateway, self.stop = gateway, threading.Event()
        self.seen: list[tuple[float, float, int, str]] = []
        self.errors: list[Exception] = []

    def run(self) -> None:
        import httpx

        with httpx.Client(base_url=self.gateway.client.base_url, trust_env=False, timeout=10) as client:
            while not self.stop.is_set():
                sent = time.monotonic()
                try:
                    reply = client.post("/dev/v1/models/eta:predict", json={"instances": [ROW]})
                    self.seen.append((sent, time.monotonic(), reply.status_code, reply.headers.get("x-package", "")))
                except httpx.HTTPError as error:
                    self.errors.append(error)


def test_fifty_switches_under_load_lose_no_request_and_never_answer_by_a_package_not_routed(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    targets = [package(store, number) for number in range(1, 6)]
    exchange.put_table(valkey.redis, table(targets[0], generation=1))
    gateway.start()
    wait_for(lambda: gateway.generation(valkey.redis) == 1)
    loads = [Load(gateway) for _ in range(3)]
    for load in loads:
        load.start()
    routed: list[tuple[float, float, set[str]]] = []
    previous = targets[0]
    for generation in range(2, 52):
        before = time.monotonic()
        target = targets[generation % 5]
        publish(valkey.redis, gateway, table(target, generation=generation))
        routed.append((before, time.monotonic(), {str(previous.package), str(target.package)}))
        # Adopted: whatever is sent from here to the next publication must come from this package alone.
        adopted = time.monotonic()
        wait_for(lambda adopted=adopted: all(load.seen and load.seen[-1][0] > adopted for load in loads))
        routed.append((adopted, time.monotonic(), {str(target.package)}))
        previous = target
    for load in loads:
        load.stop.set()
        load.join(10)
    seen = [item for load in loads for item in load.seen]
    assert [error for load in loads for error in load.errors] == []
    assert {status for _, _, status, _ in seen} == {200}
    for begin, end, allowed in routed:
        assert {name for sent, answered, _, name in seen if sent > begin and answered < end} <= allowed
    assert len(seen) > 300
    wait_for(lambda: counted(valkey.redis) == len(seen))


def counted(redis: Redis) -> int:
    found = cells.read(redis, "dev", time.time() - 120, time.time() + 1)
    return min(sum(cell.completions for cell in found), sum(cell.starts for cell in found))


def test_redis_may_die_and_come_back_empty_and_the_gateway_may_restart_without_it(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    exchange.put_table(valkey.redis, table(package(store, 1), generation=7))
    gateway.start()
    wait_for(lambda: gateway.generation(valkey.redis) == 7)
    valkey.kill()
    for _ in range(20):
        assert gateway.predict(ROW).json() == {"predictions": [1.0]}
    assert gateway.stop() == 0
    for path in store.rglob("*.onnx"):
        path.unlink()
    gateway.start()
    wait_for(gateway.ready)
    assert gateway.predict(ROW).json() == {"predictions": [1.0]}
    assert gateway.client.post("/v1/models/eta:predict", json={"instances": [ROW]}).status_code == 200
    valkey.start()
    wait_for(lambda: gateway.generation(valkey.redis) == 7)
    assert exchange.get_table(valkey.redis, "dev") is None
    assert gateway.predict(ROW).status_code == 200
    wait_for(lambda: counted(valkey.redis) == 3)


def test_a_lower_generation_is_refused_and_said(valkey: Valkey, gateway: GatewayProcess, store: Path) -> None:
    exchange.put_table(valkey.redis, table(package(store, 1), generation=5))
    gateway.start()
    wait_for(lambda: gateway.generation(valkey.redis) == 5)
    assert not exchange.put_table(valkey.redis, table(package(store, 2), generation=5))
    valkey.redis.flushall()
    assert exchange.put_table(valkey.redis, table(package(store, 2), generation=4))
    wait_for(lambda: "refused" in str(gateway.beat(valkey.redis).get("environments", {}).get("dev", {}).get("error")))
    assert gateway.predict(ROW).json() == {"predictions": [1.0]}


def test_a_table_with_one_package_that_cannot_load_is_not_adopted_and_the_package_is_named(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    good, bad = package(store, 1), package(store, 2, "candidate", 5)
    exchange.put_table(valkey.redis, table(good, generation=1))
    gateway.start()
    wait_for(lambda: gateway.generation(valkey.redis) == 1)
    (Path(bad.url.removeprefix("file://")) / "model.onnx").write_bytes(b"altered")
    exchange.put_table(valkey.redis, table(dataclasses.replace(good, weight=95), bad, generation=2))

    def state() -> dict:
        return gateway.beat(valkey.redis)["environments"]["dev"]

    wait_for(lambda: state()["error"])
    assert "Package 2" in state()["error"]
    assert state()["packages"][bad.digest].startswith("error: ")
    assert state()["generation"] == 1
    assert gateway.predict(ROW).json() == {"predictions": [1.0]}
    publish(valkey.redis, gateway, table(good, generation=3))
    assert state()["error"] is None


FULL = """
from serving.gateway import disk
def full(*_): raise OSError(28, "No space left on device")
disk.Disk.keep_table = full
from serving.gateway.__main__ import main
import os; os._exit(main())
"""


def test_a_full_disk_holds_up_no_table(valkey: Valkey, tmp_path: Path, store: Path) -> None:
    process = GatewayProcess(valkey.url, tmp_path / "data", code=FULL)
    exchange.put_table(valkey.redis, table(package(store, 1), generation=1))
    try:
        wait_for(process.start().ready)
        exchange.put_table(valkey.redis, table(package(store, 2), generation=2))
        wait_for(lambda: process.generation(valkey.redis) == 2)
        assert process.predict(ROW).json() == {"predictions": [2.0]}
        assert "No space left" in process.log.read_text()
    finally:
        process.kill()


def test_a_file_that_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_package_that_ends_the_process_twice_is_left_out_and_its_weight_returns(
    valkey: Valkey, tmp_path: Path, store: Path
) -> None:
    stable, deadly = package(store, 1, weight=0), package(store, 2, "candidate", 100)
    exchange.put_table(valkey.redis, table(stable, deadly, generation=1))
    process = GatewayProcess(valkey.url, tmp_path / "data", code=DEADLY)
    try:
        for _ in range(2):
            process.start()
            wait_for(process.ready)
            assert process.predict(ROW).json() == {"predictions": [2.0]}
            with pytest.raises(Exception, match=r"disconnected|reset|closed"):
                process.predict({**ROW, "distance": 666})
            assert process.process.wait(5) == 11
        process.start()
        wait_for(lambda: process.generation(valkey.redis) == 1)
        state = process.beat(valkey.redis)["environments"]["dev"]
        assert "Package 2 is left out" in state["error"]
        assert "quarantined" in state["packages"][deadly.digest]
        assert process.predict({**ROW, "distance": 666}).json() == {"predictions": [1.0]}
    finally:
        process.kill()


def slow(store: Path, n: int = 10_000) -> Target:
    """Nearest neighbours among many rows: too slow for the event loop."""
    rows = pd.DataFrame(flight().draw(np.random.default_rng(0), n))[["distance", "hour"]]
    rows = pd.concat([rows + 0.001 * i for i in range(6)], axis=1)
    rows.columns = [f"x{i}" for i in range(12)]
    signature = {"inputs": [{"name": name, "type": "double", "required": True} for name in rows.columns]}
    model = KNeighborsRegressor(25, algorithm="brute").fit(rows, rows["x0"])
    return pipeline(store, 9, model, signature)


def test_a_slow_model_holds_up_nobody_and_a_stop_answers_what_is_in_flight(
    valkey: Valkey, gateway: GatewayProcess, store: Path
) -> None:
    routes = table(slow(store), model="slow").routes | table(package(store, 1)).routes
    exchange.put_table(valkey.redis, RouteTable("dev", 1, routes, keyless=True))
    gateway.start()
    wait_for(lambda: gateway.generation(valkey.redis) == 1)
    statuses: list[int] = []

    def work(rows: int, times: int) -> None:
        for _ in range(times):
            body = {"instances": [[5.0] * 12] * rows}
            statuses.append(gateway.client.post("/dev/v1/models/slow:predict", json=body).status_code)

    threads = [threading.Thread(target=work, args=(1, 20)) for _ in range(3)]
    for thread in threads:
        thread.start()
    quick = sum(gateway.predict(ROW).status_code == 200 for _ in range(20))
    for thread in threads:
        thread.join(20)
    assert (quick, set(statuses), len(statuses)) == (20, {200}, 60)

    last = threading.Thread(target=work, args=(1000, 1))
    last.start()
    time.sleep(0.1)
    gateway.process.terminate()
    assert gateway.process.wait(5) == 0
    last.join(5)
    assert (set(statuses), len(statuses)) == ({200}, 61)
    assert exchange.heartbeats(valkey.redis) == []


def test_a_star_gateway_learns_of_new_environments_and_leaves_out_those_of_others(
    valkey: Valkey, tmp_path: Path, store: Path
) -> None:
    target = package(store, 1)
    process = GatewayProcess(valkey.url, tmp_path / "data", "*", more={"GATEWAY_EXCEPT": "production"}).start()
    try:
        wait_for(process.ready)
        exchange.put_environments(valkey.redis, ["dev", "qa", "production"])
        for name in ("qa", "production"):
            exchange.put_table(valkey.redis, table(target, environment=name))
        wait_for(lambda: process.generation(valkey.redis, "qa") == 1)
        assert process.predict(ROW, "qa").status_code == 200
        assert "it serves: dev, qa" in process.predict(ROW, "production").json()["error"]
        exchange.put_environments(valkey.redis, ["dev", "production"])
        wait_for(lambda: process.predict(ROW, "qa").status_code == 404)
    finally:
        process.kill()


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run(GATEWAY_BIND=f"127.0.0.1:{port}")
    assert result.returncode == 78
    assert f"GATEWAY_BIND=127.0.0.1:{port} cannot be used: the port is taken." in result.stderr
    assert "Traceback" not in result.stderr


def run(**settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "GATEWAY_NAME": "x",
        "GATEWAY_BIND": "127.0.0.1:1",
        "GATEWAY_ENVIRONMENTS": "dev",
        "GATEWAY_DATA": "/nonexistent",
        "REDIS_URL": "redis://127.0.0.1:1",
        **settings,
    }
    command = [sys.executable, "-m", "serving.gateway"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
