"""The process that scikit-learn models are born from: it imports the library once, then forks one child per model.

`python -m serving.runtimes.nursery FD` is told over that socket; every message carries the socket of one child. It ends
with the gateway that started it, and its children end with it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from serving.artefacts import ArtefactError, verify
from serving.runtimes import read_signature, wire
from serving.runtimes.base import ModelError, Runtime
from serving.runtimes.parent import die_with_parent
from serving.runtimes.sklearn import load_sklearn

# Where they share a core, who answers callers goes before who computes: what waits meanwhile joins the next batch.
NICE = 5


def main() -> None:
    """Fork a child for each socket that comes, until the gateway has gone."""
    # Whoever ends the gateway may signal its whole group: it finishes what is in flight, and needs its models for it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.nice(NICE)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        while True:
            _, sockets, _, _ = socket.recv_fds(control, 1, 1)
            if not sockets:
                return
            if os.fork() == 0:
                control.close()
                _live(sockets[0])
            os.close(sockets[0])


def _live(place: int) -> None:
    """The whole life of a child."""
    die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Connection(place) as line, suppress(EOFError, OSError):
        serve(line)
    os._exit(0)


def serve(line: Connection) -> None:
    """Load the model of the folder that comes first, then answer until the other end is closed (EOFError)."""
    try:
        runtime = _load(*msgspec.json.decode(line.recv_bytes(), type=tuple[str, str]))
    except Exception as error:
        # A file can be wrong in any way at all.
        line.send_bytes(_refusal(error))
        return
    line.send_bytes(msgspec.msgpack.encode(wire.Reply(probable=runtime.probable)))
    while True:
        line.send_bytes(_answer(runtime, line.recv_bytes()))


def _load(folder: str, digest: str) -> Runtime:
    place = Path(folder)
    manifest = verify(place, digest)
    return load_sklearn(place / manifest.model_file, manifest, read_signature(place))


def _answer(runtime: Runtime, data: bytes) -> bytes:
    try:
        return wire.reply(runtime.predict(wire.read_question(data)))
    except Exception as error:
        # A model may raise anything; its callers learn no more than that, and the log the name of it.
        return _refusal(error)


def _refusal(error: Exception) -> bytes:
    words = str(error) if isinstance(error, (ModelError, ArtefactError)) else None
    return msgspec.msgpack.encode(wire.Reply(words=words, raised=type(error).__name__))


if __name__ == "__main__":
    main()
