"""A Valkey, a folder of artefacts and a gateway process of each test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import exchange
from serving.tests.processes import GatewayProcess, Valkey


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    server = Valkey()
    exchange.put_environments(server.redis, ["dev"])
    yield server
    server.close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "artefacts"
    folder.mkdir()
    return folder


@pytest.fixture
def gateway(valkey: Valkey, tmp_path: Path) -> Iterator[GatewayProcess]:
    process = GatewayProcess(valkey.url, tmp_path / "data")
    yield process
    process.kill()
