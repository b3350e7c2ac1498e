"""Webhooks of streams: in order, at least once, signed; an address that fails keeps nobody else waiting."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from redis import Redis

from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, Environment, MLModel, StreamHook
from releases.modes.stream import hooks
from serving.streams.names import Names

pytestmark = pytest.mark.django_db
NAMES = Names("dev", "flight-eta")


class Service:
    """Somebody's own service, which answers with the next of `says`, and 200 after that."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.raw: list[bytes] = []
        self.says: list[int] = []

    @property
    def ids(self) -> list[str]:
        return [each["id"] for body in self.bodies for each in body["results"]]


@pytest.fixture
def service() -> Iterator[tuple[Service, str]]:
    found = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            status = found.says.pop(0) if found.says else 200
            found.raw.append(data)
            found.headers.append(self.headers["X-Slipway-Signature"])
            if status == 200:
                found.bodies.append(json.loads(data))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found, f"http://127.0.0.1:{server.server_port}/results"
    server.shutdown()
    server.server_close()
    thread.join()


def results(redis: Redis, *ids: str) -> None:
    for id in ids:
        redis.xadd(NAMES.output, {"id": id, "result": json.dumps({"id": id, "prediction": 1.5})})


@pytest.fixture
def dev(environments: dict[str, Environment]) -> Environment:
    return environments["dev"]


@pytest.fixture
def hook(redis: Redis, dev: Environment, model: MLModel, manager: User, service: tuple[Service, str]) -> StreamHook:
    results(redis, "before")
    return hooks.put(actor=manager, environment=dev, model=model, url=service[1])[0]


def due() -> None:
    StreamHook.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    hooks.deliver_due()


def test_results_come_in_their_order_from_then_on(
    redis: Redis, hook: StreamHook, service: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "TOGETHER", 2)
    results(redis, "a", "b", "c")
    due()
    assert service[0].ids == ["a", "b", "c"]
    assert [len(body["results"]) for body in service[0].bodies] == [2, 1]
    assert (service[0].bodies[0]["environment"], service[0].bodies[0]["model"]) == ("dev", "flight-eta")
    due()
    assert len(service[0].bodies) == 2
    hook.refresh_from_db()
    assert (hook.delivered, hook.failures, hook.words) == (3, 0, "")


def test_each_body_is_signed_with_the_secret_that_was_shown(
    redis: Redis, dev: Environment, model: MLModel, manager: User, service: tuple[Service, str]
) -> None:
    _, secret = hooks.put(actor=manager, environment=dev, model=model, url=service[1])
    results(redis, "a")
    due()
    at, made = (part.partition("=")[2] for part in service[0].headers[0].split(","))
    assert made == hmac.new(secret.encode(), f"{at}.".encode() + service[0].raw[0], hashlib.sha256).hexdigest()
    assert secret not in str(list(StreamHook.objects.values()))


@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_is_not_taken_comes_again(
    redis: Redis, hook: StreamHook, service: tuple[Service, str], status: int
) -> None:
    service[0].says = [status, status]
    results(redis, "a", "b")
    due()
    hook.refresh_from_db()
    assert (hook.failures, hook.words) == (1, f"It answered {status}.")
    assert hook.next_at > timezone.now()
    hooks.deliver_due()
    assert len(service[0].raw) == 1, "it waits for its time"
    due()
    due()
    assert service[0].ids == ["a", "b"]
    hook.refresh_from_db()
    assert (hook.failures, hook.words, hook.delivered) == (0, "", 2)


def test_an_address_that_nobody_answers_at_says_so(redis: Redis, hook: StreamHook) -> None:
    StreamHook.objects.update(url="http://127.0.0.1:9/")
    results(redis, "a")
    due()
    hook.refresh_from_db()
    assert "cannot be reached" in hook.words


def test_of_two_workers_one_delivers_and_one_that_died_holds_it_up_for_a_minute(
    redis: Redis, hook: StreamHook, service: tuple[Service, str]
) -> None:
    results(redis, "a")
    assert hooks._hold(hook.pk)
    assert hooks._hold(hook.pk) is None
    hooks.deliver_due()
    assert service[0].ids == []
    hook.refresh_from_db()
    assert timedelta(0) < hook.next_at - timezone.now() < timedelta(seconds=61)
    due()
    assert service[0].ids == ["a"]


def test_addresses_that_hang_never_take_all_workers(
    redis: Redis, hook: StreamHook, service: tuple[Service, str]
) -> None:
    results(redis, "a")
    taken = [hooks._place() for _ in range(hooks.MOST_AT_ONCE)]
    assert all(taken)
    due()
    assert service[0].ids == []
    redis.delete(*(place for place in taken if place))
    due()
    assert service[0].ids == ["a"]
    assert hooks._place(), "who has delivered gives its place back"


def test_another_address_takes_over_where_the_one_before_was(
    redis: Redis, hook: StreamHook, dev: Environment, model: MLModel, manager: User, service: tuple[Service, str]
) -> None:
    results(redis, "a")
    held = hooks._hold(hook.pk)
    assert held
    _, secret = hooks.put(actor=manager, environment=dev, model=model, url=f"{service[1]}/other")
    assert secret != hooks.secret_of(hook)
    hooks._failed(held, "the old one")
    hook.refresh_from_db()
    assert hook.words == ""
    due()
    assert service[0].ids == ["a"]


def test_a_hook_that_fails_keeps_no_other_one_waiting(
    redis: Redis, hook: StreamHook, environments: dict[str, Environment], model: MLModel, service: tuple[Service, str]
) -> None:
    hooks.put(actor=None, environment=environments["test"], model=model, url="http://127.0.0.1:9/")
    redis.xadd(Names("test", "flight-eta").output, {"id": "x", "result": "{}"})
    results(redis, "a")
    due()
    assert service[0].ids == ["a"]


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "https://", "javascript:alert(1)", "http://a:b@c", "http://a b", "http://[x", "h" * 501]
)
def test_an_address_that_makes_no_sense_is_refused(
    redis: Redis, dev: Environment, model: MLModel, manager: User, url: str
) -> None:
    with pytest.raises(Refused) as refused:
        hooks.put(actor=manager, environment=dev, model=model, url=url)
    assert refused.value.field == "url"


def test_who_may_set_it_and_what_is_written_down(
    redis: Redis, dev: Environment, model: MLModel, manager: User, person: Callable[[str], User]
) -> None:
    with pytest.raises(Forbidden):
        hooks.put(actor=person("developer"), environment=dev, model=model, url="https://example.com")
    hooks.put(actor=manager, environment=dev, model=model, url="https://example.com")
    hooks.remove(actor=manager, environment=dev, model=model)
    with pytest.raises(Conflict):
        hooks.remove(actor=manager, environment=dev, model=model)
    written = AuditRow.objects.filter(action__startswith="stream.").order_by("id")
    assert list(written.values_list("action", flat=True)) == ["stream.hook", "stream.unhook"]


def test_without_redis_nothing_is_lost(hook: StreamHook, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis as library

    def away(*_: Any) -> None:
        raise library.ConnectionError

    monkeypatch.setattr(hooks, "_results", away)
    due()
    hook.refresh_from_db()
    assert (hook.failures, hook.cursor != "0-0") == (0, True)
