"""The doors of the data plane: each reads a request into a checked batch, and writes an answer or an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from serving.contract import Batch, ContractError
from serving.gateway import addresses, messages
from serving.gateway.messages import Header, Reply, Request
from serving.gateway.pool import Package
from serving.gateway.protocols import mlflow, v1, v2
from serving.gateway.world import LiveRoute, LiveTable
from serving.routing import Target
from serving.runtimes import Answer


class Door(Protocol):
    """What a protocol's module offers. `FORMS` are the content types that it reads."""

    @property
    def FORMS(self) -> frozenset[str]: ...

    def inline(self, request: Request) -> bool:
        """Whether the body is read on the event loop, and not beside it."""
        ...

    def parse(self, package: Package, request: Request) -> tuple[Batch, Any]:
        """Return the checked batch and what else was asked for, for `encode`; raises ContractError."""
        ...

    def encode(self, target: Target, model: str, package: Package, answer: Answer, asked: Any) -> Reply:
        """Return the 200 of a prediction."""
        ...

    def refuse(self, problem: ContractError) -> Reply:
        """Return the reply to a request that breaks the contract."""
        ...

    def error(self, status: int, words: str, headers: Sequence[Header] = ()) -> Reply:
        """Return any other error."""
        ...

    def models(self, live: LiveTable, names: list[str]) -> Reply: ...

    def model(self, live: LiveRoute, target: Target | None) -> Reply: ...


PROTOCOLS: dict[str, Door] = {"v1": v1, "v2": v2, "mlflow": mlflow}


def error(path: str, status: int, words: str, headers: Sequence[Header] = ()) -> Reply:
    """Return an error in the form of the protocol that the path belongs to, `{"error": words}` where to none."""
    name = addresses.protocol(path)
    return messages.error(status, words, headers) if name is None else PROTOCOLS[name].error(status, words, headers)
