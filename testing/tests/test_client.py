"""The gateway client says what it asked for, and turns every failure into one exception with a sentence."""

import json
import socket

import httpx
import pytest

from testing.client import GatewayClient, GatewayError

ANSWER = {"X-Package": "4", "X-Package-Digest": "sha256:ab", "X-Request-Id": "r1"}


class Gateway(httpx.MockTransport):
    """Keeps the requests and gives one answer."""

    def __init__(self, *args, **options):
        self.requests: list[httpx.Request] = []
        self.answer = httpx.Response(*args, **options)
        super().__init__(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer


def client(gateway: httpx.BaseTransport, **options) -> GatewayClient:
    return GatewayClient("http://gateway", transport=gateway, **options)


def test_v1_sends_instances_with_key_pin_and_request_id():
    gateway = Gateway(200, json={"predictions": [61.5]}, headers=ANSWER)
    with client(gateway, key="secret") as c:
        answer = c.predict_v1("flight-eta", [{"distance": 200}], package=4, request_id="r1")
    request = gateway.requests[0]
    assert request.url == "http://gateway/production/v1/models/flight-eta:predict"
    assert json.loads(request.content) == {"instances": [{"distance": 200}]}
    assert request.headers["Authorization"] == "Bearer secret"
    assert (request.headers["X-Package"], request.headers["X-Request-Id"]) == ("4", "r1")
    assert answer.predictions == [61.5]
    assert (answer.package, answer.digest, answer.request_id) == (4, "sha256:ab", "r1")


def test_without_key_pin_or_id_none_of_them_is_sent():
    gateway = Gateway(200, json={"predictions": []})
    with client(gateway) as c:
        assert c.predict_v1("m", []).package is None
    assert not {"authorization", "x-package", "x-request-id"} & set(gateway.requests[0].headers)


@pytest.mark.parametrize(("version", "part"), [(None, ""), (3, "/versions/3")])
def test_v2_sends_tensors_to_the_model_or_one_version(version, part):
    gateway = Gateway(200, json={"model_name": "m", "outputs": []})
    tensor = {"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]}
    with client(gateway, environment="dev") as c:
        c.infer_v2("m", [tensor], version=version, outputs=[{"name": "y"}])
    assert gateway.requests[0].url.path == f"/dev/v2/models/m{part}/infer"
    assert json.loads(gateway.requests[0].content) == {"inputs": [tensor], "outputs": [{"name": "y"}]}


@pytest.mark.parametrize(("status", "expected"), [(200, True), (503, False)])
def test_live_and_ready_are_the_status_of_the_health_addresses(status, expected):
    gateway = Gateway(status)
    with client(gateway) as c:
        assert (c.live(), c.ready()) == (expected, expected)
    assert [request.url.path for request in gateway.requests] == ["/v2/health/live", "/v2/health/ready"]


def test_a_refusal_carries_status_and_the_gateways_sentence():
    gateway = Gateway(400, json={"error": "distance must be above 0"}, headers=ANSWER)
    with client(gateway) as c, pytest.raises(GatewayError, match="distance must be above 0") as caught:
        c.predict_v1("m", [{}])
    assert (caught.value.status, caught.value.request_id) == (400, "r1")


@pytest.mark.parametrize("options", [{"text": "<html>"}, {"json": []}, {"json": {"detail": "x"}}])
def test_a_failure_without_a_sentence_is_told_by_its_status(options):
    with client(Gateway(502, **options)) as c, pytest.raises(GatewayError, match="502 Bad Gateway"):
        c.predict_v1("m", [{}])


def test_an_answer_that_is_not_json_is_an_error():
    with client(Gateway(200, text="hello")) as c, pytest.raises(GatewayError, match="not JSON") as caught:
        c.predict_v1("m", [{}])
    assert caught.value.status == 200


def test_a_gateway_that_is_away_has_no_status_and_is_neither_live_nor_ready():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with GatewayClient(address) as c:
        with pytest.raises(GatewayError, match="cannot be reached") as caught:
            c.predict_v1("m", [])
        assert caught.value.status is None
        assert not c.live()
        assert not c.ready()


def test_a_gateway_that_does_not_answer_is_given_up_after_the_timeout():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with GatewayClient(address, timeout=0.1) as c, pytest.raises(GatewayError, match=r"within 0\.1 s"):
            c.predict_v1("m", [])
