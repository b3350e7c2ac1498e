"""The V1 protocol: `{"instances": […]}` in, `{"predictions": […]}` out, and `parameters` beside the instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType

from serving.contract import Batch, ContractError, explaining
from serving.contract.errors import named, whole
from serving.contract.wire import UNREADABLE
from serving.gateway.messages import JSON, Header, Problem, Reply, Request, value
from serving.gateway.pool import Package, inline
from serving.gateway.protocols import outputs
from serving.gateway.world import LiveRoute, LiveTable
from serving.routing import Target
from serving.runtimes import Answer
from serving.runtimes.rows import LABEL, PROBABILITIES, by_class, predictions

__all__ = ["FORMS", "answer_of", "encode", "error", "inline", "model", "models", "parse", "predictions", "refuse"]
FORMS = frozenset({"application/json"})
PARAMETERS = b'"parameters"'
Asked = tuple[str, ...] | None


class Parameters(msgspec.Struct):
    """What is asked of the answer; names that are not known here are ignored."""

    outputs: list[str] | UnsetType = UNSET


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A request with parameters; its instances are read by the package's own decoder."""

    instances: Raw
    parameters: Parameters | UnsetType = UNSET


_envelope = msgspec.json.Decoder(Envelope)


def parse(package: Package, request: Request) -> tuple[Batch, Asked]:
    """Return the batch, and the outputs that are asked for (None: all); raises ContractError."""
    body = request.body
    # Most requests end with their rows; the others are searched, and those in which the parameters come first fail.
    if body.endswith(b"]}") or PARAMETERS not in body:
        try:
            return package.decoder.decode_v1(body), None
        except ContractError:
            if PARAMETERS not in body:
                raise
    return _parse_asked(package, body)


def _parse_asked(package: Package, body: bytes) -> tuple[Batch, Asked]:
    try:
        found = _envelope.decode(body)
    except UNREADABLE:
        explaining.refuse_unreadable(body)
        raise whole(f'{explaining.FORM}, and may hold "parameters": {{"outputs": [name, …]}}') from None
    rows = bytes(found.instances)
    # Quotation marks beside the rows that nothing explains, or escapes there, may hide a name that is given twice.
    if body.count(b'"') - rows.count(b'"') != _quotes(found.parameters) or body.count(b"\\") != rows.count(b"\\"):
        explaining.refuse_doubled(body)
    batch = package.decoder.decode_v1(b'{"instances":%b}' % rows)
    if found.parameters is UNSET or found.parameters.outputs is UNSET:
        return batch, None
    names = tuple(found.parameters.outputs)
    if not names or len(set(names)) < len(names):
        raise named("parameters.outputs", "must name at least one output, and each once")
    outputs.refuse_unknown(package, names, "parameters.outputs")
    return batch, names


def _quotes(found: Parameters | UnsetType) -> int:
    if found is UNSET:
        return 2
    return 4 if found.outputs is UNSET else 6 + 2 * len(found.outputs)


def encode(target: Target, model: str, package: Package, answer: Answer, asked: Asked) -> Reply:
    """Return a prediction: numbers, or a label with its probabilities by class, or only what was asked for."""
    return value({"predictions": predictions(answer) if asked is None else _chosen(package, answer, asked)})


def answer_of(found: list[Any]) -> Answer:
    """Return the answer that `predictions` wrote; raises ValueError for anything else."""
    if not found or not isinstance(found[0], dict):
        return Answer(values=np.array(found, np.float64))
    labels = [row[LABEL] for row in found]
    if PROBABILITIES not in found[0]:
        return Answer(labels=labels)
    classes = list(found[0][PROBABILITIES])
    rows = [[row[PROBABILITIES][name] for name in classes] for row in found]
    return Answer(labels=labels, probabilities=np.array(rows, np.float64), classes=classes)


def _chosen(package: Package, answer: Answer, asked: tuple[str, ...]) -> list[Any]:
    """One output that was asked for stands alone, several stand by their names."""
    columns = [_column(package, answer, name) for name in asked]
    return columns[0] if len(asked) == 1 else [dict(zip(asked, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(package: Package, answer: Answer, name: str) -> list[Any]:
    if name == PROBABILITIES and answer.probabilities is not None:
        return answer.once(by_class)
    found = outputs.of(package)[name].take(answer)
    return found if isinstance(found, list) else list(found.tolist())


def error(status: int, words: str, headers: Sequence[Header] = ()) -> Reply:
    """Return any failure but a broken contract: `details` is empty, as no row is to blame."""
    return _refusal(status, words, [], headers)


def refuse(problem: ContractError) -> Reply:
    """Return the 400 of a request that breaks the contract, with every broken rule."""
    return _refusal(400, str(problem), problem.details)


def _refusal(status: int, words: str, details: Sequence[Any], headers: Sequence[Header] = ()) -> Reply:
    return Reply(status, msgspec.json.encode({"error": words, "details": details}), [JSON, *headers])


def models(live: LiveTable, names: list[str]) -> Reply:
    return value({"models": names})


def model(live: LiveRoute, target: Target | None) -> Reply:
    """Return that the model is ready; raises Problem 503 while it is not."""
    if live.lost or live.route.off:
        raise Problem(503, f"{live.route.model} is not ready here.")
    return value({"name": live.route.model, "ready": True})
