"""A whole Slipway of its own for a drill: `manage.py up` on free ports, ended by its pid, bounded in time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import redis

from dashboard.addresses import socket_folder
from dashboard.tests.drills import processes
from dashboard.tests.drills.people import Api, Browser
from releases import pulse

ROOT = Path(__file__).resolve().parents[3]
# What belongs to the shell's Slipway, or to the tests', and never to a drill's.
UNWANTED = ("VAR", "REDIS_URL", "DATABASE_URL", "SECRET_KEY", "SLIPWAY_TEST_REDIS", "DRILL", "DJANGO_SETTINGS_MODULE")
TOKEN = (
    "from django.contrib.auth.models import User; from releases.actions import keys;"
    "print(keys.issue_token(user=User.objects.get(username='admin'), name='drill')[1])"
)
ASK_NOTHING = (
    "from releases.models import Rule, Want; from testing.models import Run;"
    "Want.objects.all().delete(); Rule.objects.update(least_hours=0); Run.objects.filter(state='queued').delete()"
)


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def until(
    what: str,
    probe: Callable[[], Any],
    seconds: float = 60.0,
    pause: float = 0.05,
    why: Callable[[], object] = lambda: "",
) -> Any:
    """Return the probe's first true answer; fails after the given time, saying what was waited for and `why` not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError, OSError, redis.RedisError):
            if answer := probe():
                return answer
        time.sleep(pause)
    raise AssertionError(f"Waited {seconds:.0f} s in vain for {what}. {why()}")


@dataclass
class Slipway:
    """One running installation. `var` is its data; `environment` what it was started with.

    Unless it `asks`, its gates want no suites: a drill about something else needs the machine for itself.
    """

    var: Path
    web: str
    production: str
    others: str
    environment: dict[str, str]
    log: Path
    asks: bool = False
    process: subprocess.Popen[bytes] | None = None
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    # --- start and stop --------------------------------------------------------------------------------------------

    def start(self, seconds: float = 240.0) -> float:
        """Start everything, wait until pages and both gateways answer; return the seconds it took."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until("the pages and the gateways", self.answers, seconds)
        took = time.monotonic() - began
        if not self.asks:
            self.shell(ASK_NOTHING)
            self.asks = True  # rules without wants stay so, also after the next start
        return took

    def answers(self) -> bool:
        """Say whether the pages answer, production predicts and the other gateway is up; fails when `up` has ended."""
        assert self.process is None or self.process.poll() is None, self.log.read_text()[-3000:]
        doors = (f"{self.web}/health/", f"{self.production}/v2/health/ready", f"{self.others}/v2/health/live")
        return all(httpx.get(door, timeout=5).status_code == 200 for door in doors)

    def until_well(self) -> None:
        """Wait until nothing is away: every child runs, workers and beat left a sign, pages see nothing amiss."""
        until("everything to be well", lambda: not self.ails() and self.answers(), 120, why=self.ails)

    def until_quiet(self) -> None:
        """Wait until the smoke tests after the last switch are over and lie behind what is counted."""
        api = self.api()

        def none_open() -> bool:
            return not any(api.get("/runs/", state=state)["count"] for state in ("queued", "running"))

        time.sleep(3.0)  # beat starts them within two seconds
        until("every suite to end", none_open, 60)
        time.sleep(3.0)

    def ails(self) -> list[str]:
        """Say what is not as it should be."""
        missing = [f"{name} does not run" for name in sorted(set(processes.NAMES) - self.children().keys())]
        with self.redis() as client:
            signs = pulse.last(client, (pulse.BEAT, *pulse.QUEUES))
        silent = [f"{name} is silent" for name, at in signs.items() if not at or time.time() - at >= pulse.AWAY]
        health = httpx.get(f"{self.web}/health/", timeout=10).json()
        said = [] if health["status"] == "ok" and not health["away"] else [str(health)]
        return missing + silent + said

    def stop(self) -> float:
        """Ctrl-C; return the seconds until everything was gone."""
        began = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)
        return time.monotonic() - began

    def kill_everything(self) -> None:
        """SIGKILL for the supervisor, its guards and every child, in one go."""
        assert self.process
        for pid in (self.process.pid, *processes.of(self.var)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def children(self) -> dict[str, int]:
        """Return name -> pid of what runs now."""
        return processes.named(self.var)

    # --- people and programs ---------------------------------------------------------------------------------------

    def redis(self) -> redis.Redis:
        """Return a client of the embedded Valkey."""
        with mock.patch.dict(os.environ, self.environment):
            path = socket_folder(self.var) / "valkey.sock"
        password = (self.var / "secrets" / "valkey-password").read_text().strip()
        client = redis.Redis(unix_socket_path=str(path), password=password, socket_timeout=3)
        self.closing.callback(client.close)
        return client

    def redis_url(self) -> str:
        """The Redis of the installation, with its password, as its gateways were told it."""
        variables = Path(f"/proc/{self.children()['gateway-production']}/environ").read_bytes().split(b"\0")
        return next(line for line in variables if line.startswith(b"REDIS_URL=")).decode().partition("=")[2]

    def shell(self, code: str) -> str:
        """Run a few lines of Django code beside the running product; return what they print."""
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    def api(self) -> Api:
        """Return a REST client with an admin's token."""
        path = self.var / "secrets" / "drill-token"
        if not path.exists():
            path.write_text(self.shell(TOKEN))
        client = Api(self.web, path.read_text())
        self.closing.callback(client.http.close)
        return client

    def browser(self) -> Browser:
        """Return a signed-in session that posts the pages' own forms."""
        name, password = (self.var / "secrets" / "accounts.txt").read_text().split()[:2]
        client = Browser(self.web, name, password)
        self.closing.callback(client.http.close)
        return client

    def close(self) -> None:
        """End everything, whatever state it is in."""
        self.closing.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()
        if self.process and self.process.poll() is None:
            self.kill_everything()


@contextlib.contextmanager
def slipway(*, asks: bool = False, **settings: str) -> Iterator[Slipway]:
    """A new installation in a folder of its own; started by the caller, always ended and removed here."""
    web, production, others = free_ports(3)
    folder = Path(tempfile.mkdtemp(prefix="slipway-drill-")).resolve()
    environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    environment |= {
        "VAR": str(folder / "var"),
        "WEB_BIND": f"127.0.0.1:{web}",
        "GATEWAYS": f"production=127.0.0.1:{production};*=127.0.0.1:{others}",
        "DEMO": "0",
        **settings,
    }
    doors = (f"http://127.0.0.1:{port}" for port in (web, production, others))
    running = Slipway(folder / "var", *doors, environment, folder / "up.log", asks)
    try:
        yield running
    finally:
        running.close()
        shutil.rmtree(folder, ignore_errors=True)
