"""Keys over two gateways, in every protocol: revoked, expired, over a limit, for another model, without a right."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving import exchange
from serving.gateway.protocols import PROTOCOLS
from serving.routing import Key, Route, RouteTable, Target
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for

TENSORS = {"distance": ("INT64", 529), "hour": ("FP64", 6.5), "origin": ("BYTES", "JFK")}
V2 = {"inputs": [{"name": n, "shape": [1], "datatype": kind, "data": [x]} for n, (kind, x) in TENSORS.items()]}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "v1": ("/dev/v1/models/eta:predict", {"instances": [ROW]}),
    "v2": ("/dev/v2/models/eta/infer", V2),
    "mlflow": ("/dev/mlflow/eta/invocations", {"dataframe_records": [ROW]}),
}
PROTOCOL = [name for name in CALLS if name in PROTOCOLS]


def api_key(text: str, **more: Any) -> Key:
    given: dict[str, Any] = {"models": ("*",), "pin": False, "expires": None, **more}
    return Key(hashlib.sha256(text.encode()).hexdigest(), text[:4], **given)


KEYS = (
    api_key("plain"),
    api_key("pinner", pin=True),
    api_key("other-model", models=("iris",)),
    api_key("expired", expires=time.time() - 5),
    api_key("slow", row=5, requests_per_second=2),
    api_key("revoked"),
)


class Pair:
    """Two gateways of one environment, and the Redis between them."""

    def __init__(self, folder: Path) -> None:
        self.valkey, self.generation = Valkey(), 0
        artefacts = folder / "artefacts"
        artefacts.mkdir()
        self.targets: tuple[Target, ...] = (package(artefacts, 1), package(artefacts, 2, "candidate", 0))
        exchange.put_environments(self.valkey.redis, ["dev"])
        self.publish(*KEYS)
        self.gateways = [GatewayProcess(self.valkey.url, folder / name).start() for name in ("one", "two")]

    def publish(self, *keys: Key) -> None:
        self.generation += 1
        routes = {"eta": Route("eta", self.targets)}
        exchange.put_table(self.valkey.redis, RouteTable("dev", self.generation, routes, keys=keys))

    def ask(self, gateway: GatewayProcess, protocol: str, key: str | None, **headers: str) -> httpx.Response:
        path, body = CALLS[protocol]
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        sent |= {} if key is None else {"authorization": f"Bearer {key}"}
        return gateway.client.post(path, json=body, headers=sent)

    def close(self) -> None:
        for gateway in self.gateways:
            gateway.kill()
        self.valkey.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    found = Pair(tmp_path_factory.mktemp("keys"))
    try:
        for gateway in found.gateways:
            wait_for(gateway.ready)
        yield found
    finally:
        found.close()


def words(reply: httpx.Response) -> str:
    """The sentence of an error, in each protocol's own form."""
    body = reply.json()
    return str(body.get("error") or body["message"])


@pytest.mark.parametrize("protocol", PROTOCOL)
@pytest.mark.parametrize(
    ("key", "status", "sentence"),
    [
        (None, 401, "needs an API key"),
        ("unknown", 401, "not known in this environment"),
        ("expired", 401, "has expired"),
        ("other-model", 403, "not for this model"),
    ],
)
def test_a_key_that_will_not_do_is_told_why(
    pair: Pair, protocol: str, key: str | None, status: int, sentence: str
) -> None:
    for gateway in pair.gateways:
        reply = pair.ask(gateway, protocol, key)
        assert reply.status_code == status
        assert sentence in words(reply)
        assert ("www-authenticate" in reply.headers) == (status == 401)


@pytest.mark.parametrize("protocol", PROTOCOL)
def test_only_a_key_with_the_right_chooses_the_package(pair: Pair, protocol: str) -> None:
    for gateway in pair.gateways:
        assert pair.ask(gateway, protocol, "pinner", x_package="2").headers["x-package"] == "2"
        digest = pair.targets[1].digest
        assert pair.ask(gateway, protocol, "pinner", x_package=digest).headers["x-package-digest"] == digest
        refused = pair.ask(gateway, protocol, "plain", x_package="2")
        assert (refused.status_code, words(refused)) == (403, "This API key may not choose the package.")
        missing = pair.ask(gateway, protocol, "pinner", x_package="9")
        assert (missing.status_code, "loaded are: 1, 2" in words(missing)) == (404, True)


@pytest.mark.parametrize("protocol", PROTOCOL)
def test_a_key_over_its_rate_is_told_when_to_come_again(pair: Pair, protocol: str) -> None:
    for gateway in pair.gateways:
        replies = [pair.ask(gateway, protocol, "slow") for _ in range(12)]
        refused = replies[-1]
        assert refused.status_code == 429
        assert words(refused) == "This API key is over its limit of 2 requests a second; try again."
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["ratelimit-policy"] == '"key";q=2;w=1'
        assert refused.headers["ratelimit"].startswith('"key";r=0;')
        assert pair.ask(gateway, protocol, "plain").status_code == 200


def test_what_was_over_a_limit_is_counted(pair: Pair) -> None:
    gateway = pair.gateways[0]
    for _ in range(12):
        pair.ask(gateway, "v1", "slow")
    wait_for(lambda: gateway.beat(pair.valkey.redis).get("throttled", {}).get("dev", 0) > 0)


def test_two_gateways_grant_one_limit_together(pair: Pair) -> None:
    """In four seconds a limit of 2 a second gives 8, and what two gateways may grant at once."""
    ends = time.monotonic() + 4

    def hammer(gateway: GatewayProcess) -> int:
        granted = 0
        with httpx.Client(base_url=gateway.client.base_url, trust_env=False) as client:
            while time.monotonic() < ends:
                reply = client.post(CALLS["v1"][0], json=CALLS["v1"][1], headers={"authorization": "Bearer slow"})
                granted += reply.status_code == 200
                time.sleep(0.02)
        return granted

    with ThreadPoolExecutor(2) as threads:
        granted = sum(threads.map(hammer, pair.gateways))
    assert 4 <= granted <= 8 + 4


@pytest.mark.parametrize("protocol", PROTOCOL)
def test_a_revoked_key_is_refused_by_both_gateways(pair: Pair, protocol: str) -> None:
    pair.publish(*KEYS)
    both = [pair.ask(gateway, protocol, "revoked") for gateway in pair.gateways]
    wait_for(lambda: all(pair.ask(gateway, protocol, "revoked").status_code == 200 for gateway in pair.gateways))
    pair.publish(*(key for key in KEYS if key.prefix != "revo"))
    wait_for(lambda: all(pair.ask(gateway, protocol, "revoked").status_code == 401 for gateway in pair.gateways))
    assert pair.ask(pair.gateways[0], protocol, "plain").status_code == 200
    assert both


def test_the_use_of_a_key_is_noted(pair: Pair) -> None:
    pair.ask(pair.gateways[1], "v1", "pinner")
    wait_for(lambda: api_key("pinner").hash in exchange.get_used(pair.valkey.redis))
    assert api_key("expired").hash not in exchange.get_used(pair.valkey.redis)
