"""`python -m serving.batch CACHE`: carries out orders from its standard input, one at a time, for a worker.

A process of its own, because what a file or a model does to it (memory, a crash, a hang) must not take the worker with
it; it knows no secret but the token for packages. An order is a length and JSON, and so is a reply.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from serving.batch.assembling import assemble
from serving.batch.plan import Answer, Assemble, Compare, Look, Orders, Prepare, Reply, Unusable
from serving.batch.preparing import prepare
from serving.batch.working import Packages, answer_chunk, compare_chunk, look
from serving.comparison import Rule
from serving.runtimes.parent import die_with_parent

HEAD = struct.Struct("<Q")
NICE = 10
_orders = msgspec.json.Decoder(Orders)


def carry_out(order: Orders, packages: Packages) -> Any:
    """Do what is ordered and return what it gives; raises Unusable for what no other try would change."""
    folder = Path(order.folder)
    match order:
        case Prepare(form=form, packed=packed, rows=rows, most_bytes=most):
            return prepare(folder, form, packed, rows, most)
        case Look(form=form, targets=targets, columns=columns):
            return look(packages, form, targets, columns)
        case Answer(plan=plan, chunk=chunk):
            return answer_chunk(folder, plan, chunk, packages)
        case Compare(plan=plan, chunk=chunk, atol=atol, rtol=rtol):
            return compare_chunk(folder, plan, chunk, packages, Rule(atol, rtol))
        case Assemble(plan=plan, chunks=chunks, output=output):
            return assemble(folder, plan, chunks, output=output)


def serve(orders: BinaryIO, replies: BinaryIO, packages: Packages) -> None:
    """Carry out orders until there are no more."""
    while len(head := orders.read(HEAD.size)) == HEAD.size:
        order = _orders.decode(orders.read(*HEAD.unpack(head)))
        try:
            reply = Reply(carry_out(order, packages))
        except Unusable as problem:
            reply = Reply(refused=str(problem))
        data = msgspec.json.encode(reply)
        replies.write(HEAD.pack(len(data)) + data)
        replies.flush()


def main() -> None:
    """The whole life of the process."""
    die_with_parent()
    os.nice(NICE)
    serve(sys.stdin.buffer, sys.stdout.buffer, Packages(Path(sys.argv[1]), os.environ.get("GATEWAY_TOKEN", "")))


if __name__ == "__main__":
    main()
