"""A real gateway whose stderr nobody reads goes on answering, and ends when it is told to."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from serving.tests.processes import PATIENCE, free_port, wait_for

PIPE = 4096
CALLS = 60


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_stderr_that_nobody_reads_holds_up_no_answer(tmp_path: Path, form: str) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
    port = free_port()
    settings = {
        "GATEWAY_NAME": "test",
        "GATEWAY_BIND": f"127.0.0.1:{port}",
        "GATEWAY_ENVIRONMENTS": "dev",
        "GATEWAY_DATA": str(tmp_path),
        "GATEWAY_LOG": form,
        "REDIS_URL": f"unix://{tmp_path}/none.sock",
    }
    os.set_blocking(writing, False)
    full = os.write(writing, b"x" * 10 * PIPE)
    os.set_blocking(writing, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.gateway"],
        env={**os.environ, **settings},
        stderr=writing,
        cwd=Path(__file__).parents[2],
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5, trust_env=False) as client:
            wait_for(lambda: answers(client))
            codes = {client.post(f"/dev/v1/models/m{number}:predict", json={}).status_code for number in range(CALLS)}
        assert codes == {503}
        process.terminate()
        assert process.wait(PATIENCE) == 0
        os.close(writing)
        assert os.read(reading, full) == b"x" * full
    finally:
        process.kill()
        process.wait(5)
        os.close(reading)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/v2/health/live").status_code == 200
    except httpx.TransportError:
        return False
