"""What every test shares: a throw-away `var`, a Redis of its own, a browser where there is one, and honest skips.

Nothing here touches the data of a running Slipway: VAR is always a new temporary folder, whatever the shell says.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parent))
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"
DRILL = os.environ.get("DRILL") == "1"
SHORT = os.environ.get("SHORT") == "1"
GIVEN_REDIS = os.environ.get("SLIPWAY_TEST_REDIS") or os.environ.get("REDIS_URL", "")


def _own_folder() -> Path:
    """One folder per run, one folder in it per xdist worker."""
    if not WORKER:
        return Path(tempfile.mkdtemp(prefix="slipway-test-")).resolve()
    folder = Path(os.environ["SLIPWAY_TEST_VAR"]) / WORKER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _own_redis(url: str) -> str:
    """The given server, with a database number per worker, so that flushing one leaves the others alone."""
    number = 9 + int(WORKER.removeprefix("gw")) if WORKER else 8
    if url.startswith("unix://"):
        return f"{url.partition('?')[0]}?db={number}"
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{number}"


VAR = _own_folder()
os.environ["VAR"] = str(VAR)
if GIVEN_REDIS:
    os.environ["SLIPWAY_TEST_REDIS"] = GIVEN_REDIS
    os.environ["REDIS_URL"] = _own_redis(GIVEN_REDIS)
if not WORKER:
    os.environ["SLIPWAY_TEST_VAR"] = str(VAR)
    atexit.register(shutil.rmtree, VAR, ignore_errors=True)
# These belong to the shell's Slipway, not to the tests'.
for _name in (
    "SECRET_KEY",
    "VALKEY_PASSWORD",
    "ARTEFACTS",
    "WEB_BIND",
    "GATEWAYS",
    "GATEWAY_URLS",
    "DEBUG",
    "HTTPS",
    "DEMO",
):
    os.environ.pop(_name, None)
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright's loop runs in the main thread
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"

import django  # noqa: E402
from django.conf import settings  # noqa: E402 - only now does it read the right VAR

assert str(settings.VAR) == str(VAR), "Settings were loaded before the tests' VAR was set (DJANGO_SETTINGS_MODULE?)."
# A worker must load its settings here, not earlier by this variable.
del os.environ["DJANGO_SETTINGS_MODULE"]
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
django.setup()  # the folders' own conftest files import models, and pytest loads them before any plugin is ready

INSTALL = {
    "browser": "no Chromium found: apt-get install -y chromium, or set BROWSER_PATH",
    "bubblewrap": "no working bubblewrap: apt-get install -y bubblewrap",
    "postgresql": "no PostgreSQL: apt-get install -y postgresql, or set DATABASE_URL",
    "redis": "no separate Redis: apt-get install -y redis-server, or set REDIS_URL",
    "faketime": "no libfaketime: apt-get install -y faketime",
    "namespaces": "the system lets nobody mount a file system in a namespace of its own (unshare -rm)",
}


def _browser_path() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, names)), None)


def _bubblewrap_works() -> bool:
    trial = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    return bool(shutil.which("bwrap")) and subprocess.run(trial, capture_output=True).returncode == 0


def _mounts_in_a_namespace() -> bool:
    trial = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(trial, capture_output=True).returncode == 0


FOUND: dict[str, Callable[[], bool]] = {
    "browser": lambda: bool(_browser_path()),
    "bubblewrap": _bubblewrap_works,
    "postgresql": lambda: bool(os.environ.get("DATABASE_URL") or shutil.which("pg_virtualenv")),
    "redis": lambda: bool(GIVEN_REDIS or shutil.which("redis-server")),
    "faketime": lambda: any(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
    "namespaces": _mounts_in_a_namespace,
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"needs(name): skipped, by name, without {', '.join(INSTALL)}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long proofs to `make drill`, and everything else to `make test`."""
    dropped = [item for item in items if bool(item.get_closest_marker("drill")) != DRILL]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in set(dropped)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    wanted = {str(name) for mark in item.iter_markers("needs") for name in mark.args}
    if item.get_closest_marker("browser"):
        wanted.add("browser")
    for name in sorted(wanted):
        if not FOUND[name]():
            pytest.skip(INSTALL[name])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With REQUIRE_ALL=1 a skip is an error, whatever its reason."""
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"REQUIRE_ALL=1 allows no skip: {reason}"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a running Redis: the given one, else a Valkey of this worker's own, started as `up` starts it."""
    from dashboard.supervisor.throwaway import running

    if GIVEN_REDIS:
        yield settings.REDIS_URL
        return
    password = urlsplit(settings.REDIS_URL).password or ""
    with running(VAR / "valkey", settings.SOCKET, password):
        yield settings.REDIS_URL
    shutil.rmtree(settings.SOCKET.parent, ignore_errors=True)


@pytest.fixture
def redis(redis_server: str) -> Iterator[object]:
    """A client of an empty database, of which the next test finds nothing."""
    from redis import Redis

    client = Redis.from_url(redis_server)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """Debian's Chromium, told to leave the network alone; `playwright install` is never called."""
    quiet = ["quic", "gpu", "background-networking", "component-update", "sync", "dev-shm-usage"]
    flags = ["--no-sandbox", "--no-first-run", *(f"--disable-{word}" for word in quiet)]
    return {**browser_type_launch_args, "executable_path": _browser_path(), "args": flags}
