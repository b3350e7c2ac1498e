"""`manage.py up` for real: one start that people and signals act on, and a second one on the same data."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.same_everywhere
LINUX = sys.platform.startswith("linux")
OURS = ("REDIS_URL", "DATABASE_URL", "SLIPWAY_TEST_REDIS", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Up:
    """One `manage.py up` on a data folder of its own, without the demo."""

    def __init__(self, var: Path, **more: str) -> None:
        self.web, production, others = free_ports(3)
        self.var = var
        self.environment = {name: value for name, value in os.environ.items() if name not in OURS} | {
            "VAR": str(var),
            "WEB_BIND": f"127.0.0.1:{self.web}",
            "GATEWAYS": f"production=127.0.0.1:{production};*=127.0.0.1:{others}",
            "DEMO": "0",
            **more,
        }
        self.gateways = [production, others]
        self.out = var.with_suffix(".out")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=out, stderr=out)
        self.until(lambda: answers(self.web, "/") and all(answers(port, "/v2/health/live") for port in self.gateways))
        self.until(lambda: "Ctrl-C stops everything" in self.said)

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(settings.BASE_DIR / "manage.py"), "up"]

    @property
    def said(self) -> str:
        return self.out.read_text()

    def until(self, true: Callable[[], bool], seconds: float = 40) -> None:
        until = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < until, self.said
            assert self.process
            assert self.process.poll() is None, self.said
            time.sleep(0.05)

    def end(self, number: int = signal.SIGINT) -> tuple[int, float]:
        """Send the signal; returns the exit code and the seconds it took."""
        assert self.process
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(20), time.monotonic() - began

    def refused(self, **changed: str) -> str:
        """Start another one, which must give up at once; returns what it says."""
        done = subprocess.run(self.command, env=self.environment | changed, capture_output=True, text=True, timeout=30)
        assert done.returncode in (1, 78), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.strip()

    def left(self) -> list[str]:
        """Return what still runs with this data folder in its environment or its command (Linux)."""
        return [about for about in map(self._about, Path("/proc").glob("[0-9]*")) if about]

    def _about(self, entry: Path) -> str:
        with suppress(OSError):
            known = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            if str(self.var).encode() in known and int(entry.name) != os.getpid():
                return f"{entry.name} {(entry / 'cmdline').read_text()}"
        return ""


def answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    it = Up(tmp_path_factory.mktemp("up") / "var with spaces")
    it.start()
    yield it
    if it.process and it.process.poll() is None:
        it.process.kill()
        it.process.wait()


def test_it_prints_the_addresses_and_an_account_and_keeps_its_data_to_itself(up: Up) -> None:
    assert f"http://127.0.0.1:{up.web}/" in up.said
    assert all(f"http://127.0.0.1:{port}" in up.said for port in up.gateways)
    accounts = up.var / "secrets" / "accounts.txt"
    password = accounts.read_text().split()[1]
    assert re.search(rf"admin +{re.escape(password)}", up.said)
    assert accounts.stat().st_mode & 0o777 == 0o600
    assert up.var.stat().st_mode & 0o777 == 0o700
    assert (up.var / "db.sqlite3").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_no_password_shows_in_the_list_of_processes(up: Up) -> None:
    secrets = [path.read_bytes() for path in (up.var / "secrets").iterdir() if path.name != "accounts.txt"]
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes())
    assert len(secrets) >= 2
    assert not [line for line in lines if any(secret in line for secret in secrets)]


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_a_gateway_does_not_know_our_secrets(up: Up) -> None:
    known = [about for about in up.left() if "serving.gateway" in about]
    assert len(known) == 2
    for about in known:
        names = {
            entry.partition(b"=")[0] for entry in Path(f"/proc/{about.split()[0]}/environ").read_bytes().split(b"\0")
        }
        assert b"GATEWAY_NAME" in names
        assert not names & {b"SECRET_KEY", b"DATABASE_URL", b"VAR"}


def test_a_second_one_on_the_same_data_is_refused_with_the_pid(up: Up) -> None:
    assert up.process
    said = up.refused()
    assert f"as process {up.process.pid}" in said
    assert "VAR=" in said
    assert "\n" not in said


def test_a_taken_port_is_named_with_the_setting_that_moves_it(up: Up, tmp_path: Path) -> None:
    free = free_ports(1)[0]
    pages = up.refused(VAR=str(tmp_path / "a"))
    assert f"The pages cannot listen on 127.0.0.1:{up.web}: the port is taken" in pages
    assert re.search(r"WEB_BIND=127.0.0.1:\d+ make up$", pages)
    gateway = up.refused(VAR=str(tmp_path / "b"), WEB_BIND=f"127.0.0.1:{free}")
    assert f"The gateway production cannot listen on 127.0.0.1:{up.gateways[0]}: the port is taken" in gateway
    assert re.search(r"GATEWAYS='production=127.0.0.1:\d+;\*=127.0.0.1:\d+' make up$", gateway)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEB_BIND", "8000"),
        ("GATEWAYS", "production"),
        ("DEMO", "perhaps"),
        ("DEMO_TRAFFIC_RATE", "-1"),
        ("QUICK_THREADS", "0"),
        ("REDIS_URL", "localhost"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(up: Up, tmp_path: Path, name: str, value: str) -> None:
    said = up.refused(VAR=str(tmp_path / "c"), **{name: value})
    assert said.startswith("Settings: ")
    assert name in said
    assert "\n" not in said


def test_a_killed_web_process_is_reported_and_comes_back(up: Up) -> None:
    before = up.said.count("ended by SIGKILL")
    os.kill(pid_of(up, "dashboard.web"), signal.SIGKILL)
    up.until(lambda: up.said.count("ended by SIGKILL") > before)
    up.until(lambda: answers(up.web, "/"))


@pytest.mark.skipif(not LINUX, reason="elsewhere a killed supervisor is only noticed by the guards")
def test_when_the_supervisor_is_killed_nothing_stays_behind_and_the_next_start_is_clean(up: Up) -> None:
    assert len(up.left()) > 10
    up.end(signal.SIGKILL)
    until = time.monotonic() + 5
    while (left := up.left()) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []
    up.start()


def test_ctrl_c_stops_everything_within_ten_seconds(up: Up) -> None:
    code, seconds = up.end(signal.SIGINT)
    assert code == 0
    assert seconds < 10
    assert up.left() == []


def pid_of(up: Up, words: str) -> int:
    listed = subprocess.run(["ps", "-axo", "pid=,args="], capture_output=True, text=True).stdout.splitlines()
    group = [line.split(None, 1) for line in listed if words in line]
    mine = {about.split()[0] for about in up.left()} if LINUX else {pid for pid, _ in group}
    return next(int(pid) for pid, _ in group if pid in mine)
