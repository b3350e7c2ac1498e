"""A gateway inside the test's own process, without Redis: for what must be held still to be seen."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from serving.gateway.adopting import build
from serving.gateway.answer import Gateway
from serving.gateway.callers import Callers
from serving.gateway.journal import Journal
from serving.gateway.messages import Reply, Request
from serving.gateway.pool import Pool
from serving.gateway.predicting import Predictor
from serving.gateway.strangers import Strangers
from serving.gateway.world import Live, World
from serving.metrics.recorder import Recorder
from serving.routing import RouteTable


class Inside:
    """The parts of one gateway that serve one table; `pool` gives its loaded packages."""

    def __init__(self, folder: Path, table: RouteTable, mlflow_model: str = "") -> None:
        self.table = table
        self.pool = Pool(folder / "gateway" / "artefacts", "", Journal(folder / "gateway"))
        live = self.live = Live()
        live.world = World(served=(table.environment,), ready=True).with_table(
            build(table, self.pool.get, lambda _: None, 0)
        )
        self.recorder, self.strangers = Recorder(), Strangers()
        predictor, callers = Predictor(self.recorder), Callers()
        self.gateway = Gateway(live, predictor, callers, "test", mlflow_model, self.strangers)

    async def ask(self, path: str, body: Any = None, method: str = "", **headers: str) -> Reply:
        """Return the reply to a POST of `body` as JSON, to a GET without one; of headers `_` is `-`."""
        sent = b"" if body is None else json.dumps(body).encode()
        return await self.send(method or ("POST" if sent else "GET"), path, sent, **headers)

    async def exchange(self, path: str, body: Any, **headers: str) -> tuple[Request, Reply]:
        """Return a POST with its reply, as the doors hand both on."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        request = Request("POST", path, named, json.dumps(body).encode(), time.monotonic())
        return request, await self.gateway.answer(request)

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Return the reply to a body as it is."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.gateway.answer(Request(method, path, named, body, time.monotonic()))
