"""`/metrics` of a real gateway: right, complete, and only for who may read it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from serving import exchange
from serving.routing import Route, RouteTable
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for

TOKEN = "a-token-of-its-own"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(params=["uvicorn", "granian"])
def scraped(request: pytest.FixtureRequest, valkey: Valkey, store: Path, tmp_path: Path) -> Iterator[GatewayProcess]:
    routes = {"eta": Route("eta", (package(store, 1), package(store, 2, "previous", 0)))}
    exchange.put_table(valkey.redis, RouteTable("dev", 3, routes, keyless=True))
    more = {"GATEWAY_METRICS_TOKEN": TOKEN, "GATEWAY_SERVER": request.param}
    process = GatewayProcess(valkey.url, tmp_path / "data", more=more).start()
    try:
        wait_for(process.ready)
        yield process
    finally:
        process.kill()


def samples(process: GatewayProcess) -> dict[str, list[tuple[dict[str, str], float]]]:
    reply = process.client.get("/metrics", headers=BEARER)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in parse(reply.text):
        for each in family.samples:
            found.setdefault(each.name, []).append((each.labels, each.value))
    return found


def test_requests_errors_and_times_are_told_by_package_also_while_redis_is_away(
    scraped: GatewayProcess, valkey: Valkey
) -> None:
    for _ in range(5):
        scraped.predict(ROW)
    scraped.predict(ROW | {"distance": -1})
    scraped.predict(ROW, headers={"x-package": "2"})
    scraped.client.post("/dev/v1/models/nothing:predict", json={})
    found = samples(scraped)
    counted = {(labels["package"], labels["arm"]): value for labels, value in found["slipway_requests_total"]}
    assert sum(value for (_, arm), value in counted.items() if arm != "pinned") == 6
    assert counted["2", "pinned"] == 1
    assert sum(value for _, value in found["slipway_refused_total"]) == 1
    assert sum(value for _, value in found["slipway_request_duration_seconds_count"]) == 6
    assert sum(value for _, value in found["slipway_rows_total"]) == 6
    assert sum(value for _, value in found["slipway_model_seconds_total"]) > 0
    (labels, away), *_ = found["slipway_turned_away_total"]
    assert (labels["environment"], labels["status"], away) == ("dev", "404", 1)
    assert found["slipway_table_generation"] == [({"environment": "dev"}, 3)]
    assert {(each["package"], value) for each, value in found["slipway_package_weight"]} == {("1", 100), ("2", 0)}
    assert sum(value for _, value in found["slipway_queue_length"]) == 0
    assert sum(value for _, value in found["slipway_requests_in_flight"]) == 0
    assert found["slipway_redis_away_seconds"] == [({}, 0)]
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "slipway_log_dropped_total"} <= found.keys()

    valkey.kill()
    wait_for(lambda: samples(scraped)["slipway_redis_away_seconds"][0][1] > 1)
    scraped.predict(ROW)
    time.sleep(1.2)
    assert sum(value for _, value in samples(scraped)["slipway_requests_total"]) == 8


def test_a_wrong_token_learns_nothing(scraped: GatewayProcess) -> None:
    for wrong in (
        {},
        {"authorization": "Bearer no"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer"},
    ):
        reply = scraped.client.get("/metrics", headers=wrong)
        assert (reply.status_code, list(reply.json())) == (401, ["error"])
        assert "slipway_" not in reply.text
    assert scraped.client.post("/metrics", headers=BEARER).status_code == 405
    assert scraped.client.get("/dev/metrics", headers=BEARER).status_code == 404


@pytest.mark.parametrize(
    ("settings", "status"),
    [({}, 404), ({"GATEWAY_METRICS": "off", "GATEWAY_METRICS_TOKEN": TOKEN}, 404), ({"GATEWAY_METRICS": "open"}, 200)],
)
def test_without_a_token_nobody_reads_them_unless_they_are_open(
    valkey: Valkey, tmp_path: Path, settings: dict[str, str], status: int
) -> None:
    process = GatewayProcess(valkey.url, tmp_path / "data", more=settings).start()
    try:
        wait_for(process.ready)
        assert process.client.get("/metrics", headers=BEARER).status_code == status
    finally:
        process.kill()
