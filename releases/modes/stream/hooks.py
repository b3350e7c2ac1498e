"""Webhooks: a stream's results sent to an address, in their order, each at least once, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import broker as redis_of
from releases.actions import audit
from releases.errors import Conflict, Refused
from releases.models import Environment, MLModel, StreamHook
from releases.rights import TRAFFIC, require
from serving.streams.names import Names

TOGETHER = 200
# A worker stays with one hook for so long; others wait meanwhile, and the next look goes on.
STAY_SECONDS, PATIENCE_SECONDS = 5.0, 10.0
# For so long a worker that delivers keeps others away; one that died has lost nothing but this time.
HELD = timedelta(seconds=60)
LONGEST_PAUSE = 600
# One look lasts at most so long and the stay and patience of its last hook: less than a place is held for.
LOOK_SECONDS, MOST_AT_ONCE = 20.0, 2
SIGNED = "X-Slipway-Signature"


def put(*, actor: User | None, environment: Environment, model: MLModel, url: str) -> tuple[StreamHook, str]:
    """Send the results from now on to an address; returns the row and the secret of its signatures.

    Another address takes over where the one before had come to, with a new secret. Raises Forbidden, Refused.
    """
    require(actor, TRAFFIC, environment)
    _check(url)
    now = timezone.now()
    with transaction.atomic():
        fresh = {"url": url, "salt": secrets.token_hex(16), "failures": 0, "words": "", "next_at": now}
        first = {**fresh, "cursor": _end(environment, model), "created_at": now, "created_by": actor}
        hook, _ = StreamHook.objects.update_or_create(
            environment=environment, model=model, defaults=fresh, create_defaults=first
        )
        _record("stream.hook", actor, hook, {"url": url})
    return hook, secret_of(hook)


def remove(*, actor: User | None, environment: Environment, model: MLModel) -> None:
    """Send nothing any more. Raises Forbidden, Conflict where there is no hook."""
    require(actor, TRAFFIC, environment)
    with transaction.atomic():
        hook = StreamHook.objects.filter(environment=environment, model=model).first()
        if hook is None:
            raise Conflict("No results of this stream are sent anywhere.")
        _record("stream.unhook", actor, hook, {"url": hook.url})
        hook.delete()


def secret_of(hook: StreamHook) -> str:
    """Return the secret with which a hook's bodies are signed; it is kept nowhere."""
    return hmac.new(settings.SECRET_KEY.encode(), f"stream hook {hook.salt}".encode(), hashlib.sha256).hexdigest()


def signature(hook: StreamHook, body: bytes, at: int) -> str:
    """Return `t=<epoch seconds>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>`."""
    made = hmac.new(secret_of(hook).encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"


def deliver_due() -> None:
    """Deliver what waits for each hook whose time has come; one that fails keeps no other one waiting.

    Addresses that hang must not take all workers from the releases: so many look after hooks at once, and no more.
    """
    due = list(StreamHook.objects.filter(next_at__lte=timezone.now()).order_by("next_at").values_list("pk", flat=True))
    place = _place() if due else None
    if place is None:
        return
    until = time.monotonic() + LOOK_SECONDS
    for pk in due:
        if time.monotonic() < until and (held := _hold(pk)):
            deliver(held)
    with suppress(redis.RedisError):
        redis_of.client().delete(place)


def _place() -> str | None:
    """Take one of the places of those who deliver; None while all are taken, or Redis is away."""
    client = redis_of.client()
    names = (f"slipway:hooks:{number}" for number in range(MOST_AT_ONCE))
    with suppress(redis.RedisError):
        return next((name for name in names if client.set(name, 1, nx=True, ex=int(HELD.total_seconds()))), None)
    return None


def deliver(hook: StreamHook) -> None:
    """Send results from the cursor on until none is left, a while is over, or the address does not take them."""
    until = time.monotonic() + STAY_SECONDS
    try:
        while time.monotonic() < until:
            found = _results(hook)
            if not found:
                break
            if words := _send(hook, found):
                return _failed(hook, words)
            _took(hook, found)
    except redis.RedisError:
        pass  # nothing to send: the next look asks again
    StreamHook.objects.filter(pk=hook.pk, salt=hook.salt).update(next_at=timezone.now())


def _hold(pk: int) -> StreamHook | None:
    """Take a hook for this worker alone; None when another one was first."""
    now = timezone.now()
    if StreamHook.objects.filter(pk=pk, next_at__lte=now).update(next_at=now + HELD) != 1:
        return None
    return StreamHook.objects.select_related("environment", "model").get(pk=pk)


def _results(hook: StreamHook) -> list[tuple[str, bytes]]:
    names = Names(hook.environment.name, hook.model.name)
    found = redis_of.client().xrange(names.output, f"({hook.cursor}", count=TOGETHER)
    entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
    return [(entry.decode(), fields[b"result"]) for entry, fields in entries]


def _send(hook: StreamHook, found: list[tuple[str, bytes]]) -> str:
    """Return why the address did not take them; nothing where it did."""
    results = b",".join(result for _, result in found)
    head = json.dumps({"environment": hook.environment.name, "model": hook.model.name, "next": found[-1][0]}).encode()
    body = head[:-1] + b', "results": [' + results + b"]}"
    headers = {"Content-Type": "application/json", SIGNED: signature(hook, body, int(time.time()))}
    try:
        with httpx.Client(timeout=PATIENCE_SECONDS, follow_redirects=False, trust_env=False) as client:
            answer = client.post(hook.url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"It cannot be reached ({type(error).__name__})."
    return "" if answer.is_success else f"It answered {answer.status_code}."


def _took(hook: StreamHook, found: list[tuple[str, bytes]]) -> None:
    now = timezone.now()
    hook.cursor, hook.delivered = found[-1][0], hook.delivered + len(found)
    columns: dict[str, Any] = {
        "cursor": hook.cursor,
        "delivered": hook.delivered,
        "last_at": now,
        "next_at": now + HELD,
    }
    StreamHook.objects.filter(pk=hook.pk, salt=hook.salt).update(failures=0, words="", **columns)


def _failed(hook: StreamHook, words: str) -> None:
    """Try again after 1, 2, 4 … seconds, ten minutes at most."""
    pause = timedelta(seconds=min(LONGEST_PAUSE, 2 ** min(hook.failures, 10)))
    columns: dict[str, Any] = {"failures": hook.failures + 1, "words": words, "next_at": timezone.now() + pause}
    StreamHook.objects.filter(pk=hook.pk, salt=hook.salt).update(**columns)


def _end(environment: Environment, model: MLModel) -> str:
    """Return the newest result there is: a new hook gets what comes after it."""
    try:
        found = redis_of.client().xrevrange(Names(environment.name, model.name).output, count=1)
    except redis.RedisError as error:
        raise Conflict("Redis is away, so nobody knows where to begin. Try again.") from error
    entries = cast("list[tuple[bytes, Any]]", found)
    return entries[0][0].decode() if entries else "0-0"


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole or len(url) > 500 or not url.isprintable() or " " in url:
        raise Refused("The address must begin with https:// or http:// and name a host.", "url")
    if parts.username or parts.password:
        raise Refused("The address must hold no name or password; each body is signed instead.", "url")


def _record(action: str, actor: User | None, hook: StreamHook, details: dict[str, Any]) -> None:
    model, environment = hook.model.name, hook.environment.name
    where = f"stream of {model} in {environment}"
    audit.record(action, where, actor=actor, model=model, environment=environment, details=details)
