"""Replay: the same comparison as a shadow's on captured requests, offline, before any live traffic.

A worker feeds a shadow process of its own with what was recorded, and the answers of then. Killed half-way it begins
again from the first request: what the dead one found is forgotten, so that nothing counts twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import BinaryIO, cast

import msgspec
import redis
from django.conf import settings
from redis.exceptions import LockError

from releases import broker, capture, routes
from releases.alive import beating
from releases.errors import Conflict
from releases.models import CaptureFile, Environment, MLModel, Package, Release
from releases.wake import enqueue, wake
from serving import tallies
from serving.captured import Record
from serving.gateway.pairs import Pair, Watch, Watched, frame
from serving.gateway.protocols import v1
from serving.routing import Shadow
from serving.runtimes import wire

ACTIVE = (Release.State.PREPARING, Release.State.SHIFTING)
# Who says nothing for so long has died; the next worker begins again.
LOST_SECONDS = 30.0
# After so many requests a worker looks whether it shall go on.
CHECK = 200
KNOWN = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE")


def is_one(release: Release) -> bool:
    return bool(release.plan.get("recorded"))


def must_be_possible(model: MLModel, environment: Environment, live: Package) -> None:
    """Raise Conflict where nothing was captured, or where a field that was left out would be missing."""
    limits = (live.signature.get("metadata") or {}).get("constraints") or {}
    secret = [name for name, limit in limits.items() if isinstance(limit, dict) and limit.get("sensitive")]
    if secret:
        raise Conflict(f"{', '.join(secret)} is never recorded, so no request can be replayed. Shadow it live.")
    if not CaptureFile.objects.filter(model=model.name, environment=environment.name, records__gt=0).exists():
        raise Conflict(f"No request of {model.name} in {environment.name} was captured yet. Switch capture on first.")


def keep(release: Release) -> None:
    """Send a worker where a replay is under way and none is at it."""
    if not is_one(release) or release.state not in ACTIVE or release.paused_at or release.plan.get("over"):
        return
    with suppress(redis.RedisError):
        # One that is asked for waits its turn on the queue: it is not asked for with every look.
        if broker.client().set(f"slipway:replay-asked:{release.pk}", 1, nx=True, ex=int(LOST_SECONDS)):
            enqueue("releases.tasks.replay_shadow", release.pk, queue="long", expires=LOST_SECONDS)


def run(release_id: int) -> None:
    """Answer what was recorded, unless another worker does; tell the release when it is over."""
    release = Release.objects.select_related("model", "environment", "package__model", "replaces").get(pk=release_id)
    if not is_one(release) or release.state not in ACTIVE or release.plan.get("over"):
        return
    lock = broker.client().lock(
        f"slipway:replay:{release.pk}", timeout=LOST_SECONDS, blocking=False, thread_local=False
    )
    if not lock.acquire():
        return
    try:
        with beating(lambda: _renew(lock, release), LOST_SECONDS / 5):
            _forget(release)
            said = _feed(release)
    finally:
        with suppress(LockError):
            lock.release()
    plan = Release.objects.values_list("plan", flat=True).get(pk=release.pk) | said
    Release.objects.filter(pk=release.pk, state__in=ACTIVE).update(plan=plan)
    wake(release)


def _forget(release: Release) -> None:
    broker.client().delete(tallies.key(release.pk))
    release.tallies.all().delete()


def _renew(lock: redis.lock.Lock, release: Release) -> None:
    """Say that a worker is at it."""
    lock.reacquire()
    broker.client().set(f"slipway:replay-asked:{release.pk}", 1, ex=int(LOST_SECONDS))


def _feed(release: Release) -> dict[str, str]:
    """Send every recorded request to a shadow process; return what the release is told in the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.gateway.shadow"],
        stdin=subprocess.PIPE,
        cwd=settings.BASE_DIR,
        env=_environment(release),
    )
    line = cast("BinaryIO", process.stdin)
    timer = threading.Timer(float(release.plan["seconds"]), process.kill)
    timer.start()
    try:
        sent, skipped = _send(release, line)
        line.close()
        code = process.wait()
    except OSError:
        code = process.wait()
        if code == 0:
            code = -1
    finally:
        timer.cancel()
        process.kill()
    if code:
        return {"over": "The process that answered recorded requests ended early.", "error": _early(code)}
    return {"over": f"{sent:,} recorded requests were replayed, {skipped:,} had no answer to compare with."}


def _send(release: Release, line: BinaryIO) -> tuple[int, int]:
    """Return how many were sent, and how many could not be compared; the newest that are wanted, oldest first."""
    line.write(frame(Watch([_watched(release)])))
    line.flush()
    every = Counter(bool(record.answer) for record in _recorded(release))
    older = max(0, every[True] - release.plan["pairs"])
    sent = 0
    for record in islice((record for record in _recorded(release) if record.answer), older, None):
        if sent % CHECK == 0 and not _goes_on(release):
            break
        line.write(frame(_pair(release, record)))
        sent += 1
    return sent, every[False]


def _goes_on(release: Release) -> bool:
    """Whether the release still wants more; while it is paused this waits."""
    while True:
        now = Release.objects.only("state", "paused_at").get(pk=release.pk)
        if now.paused_at is None or now.state not in ACTIVE:
            return now.state in ACTIVE
        time.sleep(1.0)


def _recorded(release: Release) -> Iterator[Record]:
    digest = release.replaces.digest if release.replaces else ""
    records = capture.read(release.model.name, release.environment.name)
    return (record for record in records if record.digest == digest and not record.left_out)


def _watched(release: Release) -> Watched:
    rule = release.plan["rule"]
    assert release.package is not None  # noqa: S101 - a shadow has one
    target = routes.target(release.package, "shadow", 0.0)
    shadow = Shadow(release.pk, target, 1.0, rule["atol"], rule["rtol"])
    return Watched(release.environment.name, release.model.name, release.model.deadline, shadow)


def _pair(release: Release, record: Record) -> Pair:
    return Pair(
        runs=[release.pk],
        protocol="v1",
        headers={"content-type": "application/json"},
        body=msgspec.json.encode({"instances": record.instances()}),
        answer=wire.reply(v1.answer_of(record.answer)),
        at=record.at,
        id=record.id,
        seconds=record.ms / 1000,
        dropped={},
    )


def _environment(release: Release) -> dict[str, str]:
    """Return what the process may know: no secret of the web process, and no gateway's data but its own."""
    known = {name: value for name, value in os.environ.items() if name in KNOWN}
    return known | {
        "GATEWAY_NAME": "replay",
        "GATEWAY_BIND": "127.0.0.1:1",
        "GATEWAY_ENVIRONMENTS": release.environment.name,
        "GATEWAY_DATA": str(settings.VAR / "replay"),
        "GATEWAY_TOKEN": settings.GATEWAY_TOKEN,
        "REDIS_URL": settings.REDIS_URL,
        "PYTHONPATH": str(settings.BASE_DIR),
    }


def _early(code: int) -> str:
    return f"The package ended the process that replays (exit code {code})."
