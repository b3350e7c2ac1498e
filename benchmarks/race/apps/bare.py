"""A bare prototype behind the gateway's own servers: what is left to win when it only reads, runs and writes.

It checks names, types and ranges, and requests that come together share a call; there is no key, no limit, no route, no
id and no count.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import onnxruntime
import uvloop

from serving.gateway import server
from serving.gateway.after import After
from serving.gateway.config import Config
from serving.gateway.granian import GranianServer
from serving.gateway.messages import Reply, Request
from serving.gateway.straight import StraightDoor
from serving.gateway.world import Live
from serving.metrics.recorder import Recorder

FOLDER = Path(os.environ["MODEL_FOLDER"])
JSON = [("content-type", "application/json")]
ANSWER = '{"predictions":[{"label":%d,"probabilities":{"0":%r,"1":%r}}]}'


class Ticks:
    """One call for all requests of one turn of the event loop."""

    def __init__(self) -> None:
        self.decoder = msgspec.json.Decoder(envelope())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(FOLDER / "model.onnx", options, providers=["CPUExecutionProvider"])
        self.outputs = [item.name for item in self.session.get_outputs()]
        self.queue: list[tuple[Any, Callable[[bytes], object]]] = []

    def ask(self, body: bytes, then: Callable[[bytes], object]) -> None:
        if not self.queue:
            asyncio.get_running_loop().call_soon(self._run)
        self.queue.append((msgspec.structs.astuple(self.decoder.decode(body).instances[0]), then))

    async def answer(self, body: bytes) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.ask(body, future.set_result)
        return await future

    def _run(self) -> None:
        queue, self.queue = self.queue, []
        matrix = np.array([row for row, _ in queue], np.float32)
        labels, shares = self.session.run(self.outputs, {"X": matrix})
        for (_, then), label, (no, yes) in zip(queue, labels.tolist(), shares.tolist(), strict=True):
            then((ANSWER % (label, no, yes)).encode())


def envelope() -> type[msgspec.Struct]:
    told = json.loads((FOLDER / "upload" / "signature.json").read_text())
    limits = told["metadata"]["constraints"]
    fields = [(name, Annotated[float, msgspec.Meta(**bounds)]) for name, bounds in limits.items()]
    row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True)
    return msgspec.defstruct("Envelope", [("instances", list[row])], forbid_unknown_fields=True)  # type: ignore[valid-type]


class RsgiDoor:
    def __init__(self, ticks: Ticks) -> None:
        self.ticks = ticks

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        protocol.response_bytes(200, JSON, await self.ticks.answer(await protocol()))


class StraightBare:
    def __init__(self) -> None:
        self.ticks = Ticks()

    async def answer(self, request: Request) -> Reply:
        return Reply(200, await self.ticks.answer(request.body), list(JSON))

    def straight(self, request: Request, then: Callable[[Reply], object]) -> bool:
        self.ticks.ask(request.body, lambda body: then(Reply(200, body, list(JSON))))
        return True


async def main(kind: str, port: int) -> None:
    config = Config("bare", "127.0.0.1", port, ("production",), frozenset(), "unix://nowhere", Path("nowhere"))
    made = {
        "granian": lambda: GranianServer(config, RsgiDoor(Ticks())),  # type: ignore[arg-type]
        "uvicorn": lambda: server.UvicornServer(config, StraightDoor(StraightBare(), After(Recorder(), Live()))),
    }[kind]()
    await server.until_signal(made)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
