"""Server time and queries of every page with 50 models, 5,000 packages and 100,000 audit rows.

Run: `.venv/bin/python -m benchmarks.pages`. Prints a line for each page: median of the rounds, worst, queries, bytes.
Everything is made in a temporary folder on SQLite; Redis is away, as in the worst case.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

ROUNDS = 7
MODELS, PACKAGES, AUDIT_ROWS, RELEASES = 50, 100, 100_000, 40


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        os.environ |= {"VAR": folder, "DJANGO_SETTINGS_MODULE": "dashboard.settings", "ALLOWED_HOSTS": "testserver"}
        os.environ.pop("DATABASE_URL", None)
        os.environ["DEBUG"] = "0"
        sys.argv = ["benchmark", "x"]
        (Path(folder) / "db.sqlite3").touch()
        measure()


def measure() -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.STATIC_ROOT.mkdir()
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    call_command("migrate", verbosity=0)
    fill()
    print(f"{'page':<58} {'median ms':>9} {'worst ms':>9} {'queries':>8} {'kB':>6}")
    slowest = max(time_page(path) for path in pages())
    print(f"slowest median: {slowest:.0f} ms")


def fill() -> None:
    """Make the models, packages, releases and audit rows."""
    from django.contrib.auth.models import Group, User
    from django.utils import timezone

    from releases.actions import setup
    from releases.models import AuditRow, Environment, Event, MLModel, Package, Release, Route

    setup.first_start()
    user = User.objects.create(username="bench")
    user.groups.add(Group.objects.get(name="admin"))
    now = timezone.now()
    environments = list(Environment.objects.all())
    for index in range(MODELS):
        model = MLModel.objects.create(name=f"model-{index:02d}", last_number=PACKAGES)
        packages = Package.objects.bulk_create(package(model, number) for number in range(1, PACKAGES + 1))
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
        "/", "/models/", "/models/model-07/", "/models/model-07/packages/50/", "/releases/", f"/releases/{release}/",
        "/models/model-07/promote/?package=99&environment=production", "/models/model-07/production/roll-back/",
        "/environments/", "/environments/production/", "/environments/staging/parity/?with=production", "/activity/",
        "/activity/?model=model-07", "/keys/", "/playground/?model=model-07&environment=dev",
        "/api/models/", "/api/releases/", "/api/audit/",
    ]  # fmt: skip


def time_page(path: str) -> float:
    """Return the median milliseconds of a page after one warm-up."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(username="bench"), backend="django.contrib.auth.backends.ModelBackend")
    queries: list[str] = []

    def count(execute, sql, *rest):  # type: ignore[no-untyped-def]
        queries.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        answer = client.get(path)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        client.get(path)
        times.append((time.perf_counter() - start) * 1000)
    median = statistics.median(times)
    flag = "" if answer.status_code == 200 else f"  STATUS {answer.status_code}"
    size = len(answer.content) / 1000
    print(f"{path:<58} {median:9.1f} {max(times):9.1f} {len(queries):8d} {size:6.0f}{flag}")
    return median


if __name__ == "__main__":
    main()
