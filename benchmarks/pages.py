"""Server time and queries of every page with 50 models, 5,000 packages, 100,000 audit rows, and traffic in every place.

Run: `.venv/bin/python -m benchmarks.pages`. Prints a line for each page: first answer, median of the rounds, worst,
queries, bytes. Everything is made in a temporary folder, on SQLite and an embedded Valkey that holds what two gateways
counted in 200 places: each called every second.
"""

from __future__ import annotations

import gc
import hashlib
import os
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

ROUNDS = 7
POLL = "/?part=rows"  # every time with new figures, as an open board asks for them
BUCKETS = 30  # of a model's latency in one second
MODELS, PACKAGES, AUDIT_ROWS, RELEASES = 50, 100, 100_000, 40


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sw-", dir="/tmp") as folder:
        os.environ |= {"VAR": folder, "DJANGO_SETTINGS_MODULE": "dashboard.settings", "ALLOWED_HOSTS": "testserver"}
        os.environ.pop("DATABASE_URL", None)
        os.environ["DEBUG"] = "0"
        sys.argv = ["benchmark", "x"]
        (Path(folder) / "db.sqlite3").touch()
        import django

        django.setup()
        from django.conf import settings

        from dashboard.supervisor import throwaway

        password = urlsplit(settings.REDIS_URL).password or ""
        with throwaway.running(Path(folder), settings.SOCKET, password):
            measure()


def measure() -> None:
    from django.conf import settings
    from django.core.management import call_command

    settings.STATIC_ROOT.mkdir()
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    call_command("migrate", verbosity=0)
    fill()
    count()
    roll_up()
    gc.collect()
    gc.freeze()  # what the filling left behind is not the product's
    print(f"{'page':<58} {'first ms':>9} {'median ms':>9} {'worst ms':>9} {'queries':>8} {'kB':>6}")
    slowest = max(time_page(path) for path in pages())
    print(f"slowest median: {slowest:.0f} ms")


def fill() -> None:
    """Make the models, packages, releases and audit rows."""
    from django.contrib.auth.models import Group, User
    from django.utils import timezone

    from releases.actions import setup
    from releases.models import AuditRow, Environment, Event, Evidence, MLModel, Package, Release, Route

    setup.first_start()
    user = User.objects.create(username="bench")
    user.groups.add(Group.objects.get(name="admin"))
    now = timezone.now()
    environments = list(Environment.objects.all())
    for index in range(MODELS):
        model = MLModel.objects.create(name=f"model-{index:02d}", last_number=PACKAGES)
        packages = Package.objects.bulk_create(package(model, number) for number in range(1, PACKAGES + 1))
        Evidence.objects.bulk_create(
            Evidence(digest=each.digest, kind="intake", verdict="pass", at=now, reference="bench") for each in packages
        )
        for place in environments:
            live, old = packages[-1], packages[-2]
            Route.objects.create(environment=place, model=model, stable=live, previous=old, changed_at=now)
            made = Release.objects.bulk_create(
                Release(
                    model=model,
                    package=packages[number],
                    environment=place,
                    strategy="blue_green",
                    state="live",
                    created_at=now - timedelta(hours=number),
                    state_since=now,
                    step_since=now,
                    ended_at=now,
                )
                for number in range(RELEASES)
            )
            Event.objects.bulk_create(
                Event(release=release, at=now, action=action, new_state="live")
                for release in made
                for action in ("create", "begin", "shift", "finish")
            )
    AuditRow.objects.bulk_create(audit_row(number, now) for number in range(AUDIT_ROWS))


def count() -> None:
    """Write what the gateways would have counted: the last 16 minutes by the second, and by ten seconds."""
    import redis
    from django.conf import settings

    from releases.models import Environment, Package
    from serving.metrics import store
    from serving.metrics.recorder import Pending
    from serving.metrics.series import Series

    newest = dict(Package.objects.filter(number=PACKAGES).values_list("model__name", "digest"))
    latency = {300 + bucket: 2 for bucket in range(BUCKETS)}
    client, now = redis.Redis.from_url(settings.REDIS_URL), int(time.time())
    for place in Environment.objects.values_list("name", flat=True):
        series = [
            Series(name, 1, "stable", digest, "rest", "v1", starts=60, completions=60, latency=latency)
            for name, digest in newest.items()
        ]
        for step in (1, 10):
            moments = range(now - 960 - (now - 960) % step, now + 900, step)
            store.write(client, "bench", (Pending(place, step, at, 1, series) for at in moments))


def roll_up() -> None:
    """Write a week of one model as beat would have rolled it up: by the minute for a day, by the hour for the rest."""
    from datetime import UTC, datetime

    from releases.models import Count, Package

    digest = Package.objects.get(model__name="model-07", number=PACKAGES).digest
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for seconds, number in ((Count.MINUTE, 1440), (Count.HOUR, 168)):
        Count.objects.bulk_create(
            Count(
                seconds=seconds, at=now - timedelta(seconds=seconds * back), environment="production",
                model="model-07", package=digest, arm="stable", mode="rest", protocol="v1", starts=3600,
                completions=3600, latency={str(300 + bucket): 24 for bucket in range(150)},
            )
            for back in range(number)
        )  # fmt: skip


def package(model, number):  # type: ignore[no-untyped-def]
    from releases.models import Package

    digest = "sha256:" + hashlib.sha256(f"{model.name} {number}".encode()).hexdigest()
    signature = {
        "inputs": [{"name": f"x{i}", "type": "double", "required": True} for i in range(10)],
        "outputs": [{"name": "y", "type": "double"}],
        "params": None,
        "metadata": {"constraints": {"x0": {"gt": 0}}},
    }
    return Package(
        model=model, number=number, digest=digest, artefact=digest, format="skops", runtime="onnx",
        runtime_reason="The answers are equal.", signature=signature,
        manifest=[{"path": "a", "size": 1, "sha256": "0"}],
        example=[{f"x{i}": 1.0 for i in range(10)}], sandbox="bubblewrap", size=1000,
    )  # fmt: skip


def audit_row(number: int, now):  # type: ignore[no-untyped-def]
    from releases.models import AuditRow

    return AuditRow(
        at=now - timedelta(seconds=AUDIT_ROWS - number), actor_name="bench", action="release.finish",
        subject=f"release {number}", model=f"model-{number % MODELS:02d}", environment="production",
        previous_hash=f"{number:064d}", hash=f"{number + 1:064d}",
    )  # fmt: skip


def pages() -> list[str]:
    from releases.models import Release

    release = Release.objects.order_by("-id").values_list("pk", flat=True)[0]
    return [
        "/", POLL, "/models/", "/models/model-07/", "/models/model-07/?environment=production&span=24h",
        "/models/model-07/?environment=production&span=7d", "/models/model-07/packages/50/", "/releases/",
        f"/releases/{release}/", "/models/model-07/promote/?package=99&environment=production",
        "/models/model-07/production/roll-back/", "/environments/", "/environments/production/",
        "/environments/staging/parity/?with=production", "/activity/", "/activity/?model=model-07", "/keys/",
        "/playground/?model=model-07&environment=dev", "/api/models/", "/api/releases/", "/api/audit/",
    ]  # fmt: skip


def time_page(path: str) -> float:
    """Return the median milliseconds of a page after one warm-up."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from releases.queries import glance

    client = Client()
    client.force_login(User.objects.get(username="bench"), backend="django.contrib.auth.backends.ModelBackend")
    queries: list[str] = []

    def count(execute, sql, *rest):  # type: ignore[no-untyped-def]
        queries.append(sql)
        return execute(sql, *rest)

    first = time.perf_counter()
    with connection.execute_wrapper(count):
        answer = client.get(path)
    first, times = (time.perf_counter() - first) * 1000, []
    for _ in range(ROUNDS):
        if path == POLL:
            glance._memory.until = 0.0
        start = time.perf_counter()
        client.get(path)
        times.append((time.perf_counter() - start) * 1000)
    median = statistics.median(times)
    flag = "" if answer.status_code == 200 else f"  STATUS {answer.status_code}"
    size = len(answer.content) / 1000
    print(f"{path:<58} {first:9.1f} {median:9.1f} {max(times):9.1f} {len(queries):8d} {size:6.0f}{flag}")
    return median


if __name__ == "__main__":
    main()
