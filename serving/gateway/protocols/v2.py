"""The Open Inference Protocol V2: named tensors in and out, as JSON or as binary data, metadata from the signature."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from serving.contract import Batch, ContractError, binary
from serving.contract import Request as Asked
from serving.contract.errors import whole
from serving.gateway.messages import Problem, Reply, Request, error, value
from serving.gateway.pool import Package, inline
from serving.gateway.protocols import outputs
from serving.gateway.protocols.outputs import Output
from serving.gateway.world import LiveRoute, LiveTable
from serving.routing import Target
from serving.runtimes import Answer

__all__ = ["FORMS", "chosen", "encode", "error", "inline", "model", "models", "parse", "refuse"]
OCTETS, LENGTH = "application/octet-stream", "inference-header-content-length"
FORMS = frozenset({"application/json", OCTETS})
PLATFORMS = {"onnx": "onnx_onnxv1", "sklearn": "sklearn_skops"}


class Tensor(msgspec.Struct, omit_defaults=True):
    """An output as it is answered; one of data and the size of what follows the JSON."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | UnsetType = UNSET
    parameters: dict[str, int] | UnsetType = UNSET


class Response(msgspec.Struct, omit_defaults=True):
    """An inference response; nothing in it is null."""

    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str | None = None


def parse(package: Package, request: Request) -> tuple[Batch, Asked]:
    """Return the batch and the request; raises ContractError."""
    length = request.headers.get(LENGTH)
    asked = _plain(package, request) if length is None else package.decoder.decode_binary(request.body, length)
    if asked.outputs is not None:
        outputs.refuse_unknown(package, asked.outputs, "outputs")
    return asked.batch, asked


def _plain(package: Package, request: Request) -> Asked:
    try:
        return package.decoder.decode_v2(request.body)
    except ContractError:
        if (request.headers.get("content-type") or "").startswith(OCTETS):
            raise whole(f"a body of {OCTETS} needs the header Inference-Header-Content-Length") from None
        raise


def encode(target: Target, model: str, package: Package, answer: Answer, asked: Asked) -> Reply:
    """Return an inference response, with the outputs asked for, in their order."""
    known = outputs.of(package)
    names = known if asked.outputs is None else asked.outputs
    raw: list[bytes] = []
    tensors = [_tensor(known[name], answer, raw if asked.wants_raw(name) else None) for name in names]
    head = msgspec.json.encode(Response(model, str(target.package), tensors, asked.id))
    if not raw:
        return Reply(200, head, [("content-type", "application/json")])
    return Reply(200, b"".join([head, *raw]), [("content-type", OCTETS), (LENGTH, str(len(head)))])


def _tensor(output: Output, answer: Answer, raw: list[bytes] | None) -> Tensor:
    found = output.take(answer)
    shape = [len(found), *output.shape]
    if raw is not None:
        raw.append(binary.encode(output.datatype, found))
        return Tensor(output.name, output.datatype, shape, parameters={binary.SIZE: len(raw[-1])})
    if not isinstance(found, list):
        return Tensor(output.name, output.datatype, shape, found.ravel().tolist())
    return Tensor(output.name, output.datatype, shape, list(map(str, found)) if output.datatype == "BYTES" else found)


def refuse(problem: ContractError) -> Reply:
    return error(400, str(problem))


def models(live: LiveTable, names: list[str]) -> Reply:
    return value({"models": names})


def model(live: LiveRoute, target: Target | None) -> Reply:
    """Return the metadata of the version asked for, else of the one that most requests get."""
    package = chosen(live, target)
    found: dict[str, Any] = {
        "name": live.route.model,
        "versions": [str(number) for number in sorted({item.package for item in live.route.targets})],
        "platform": PLATFORMS[package.manifest.runtime],
        "inputs": [
            {"name": field.name, "datatype": field.kind.v2, "shape": [-1, *(field.shape or ())]}
            for field in package.decoder.fields
        ],
        "outputs": [item.described() for item in outputs.of(package).values()],
    }
    if properties := _properties(package):
        found["properties"] = properties
    return value(found)


def chosen(live: LiveRoute, target: Target | None) -> Package:
    """Return the package asked for, else the one that most requests get; raises Problem where there is none."""
    found = target or max(live.route.targets, key=lambda item: item.weight, default=None)
    if found is None or found.digest not in live.packages:
        raise Problem(404, "This model has no package here.")
    return live.packages[found.digest]


def _properties(package: Package) -> dict[str, str]:
    """What the protocol has no word for, as JSON texts, because its properties are texts."""
    found = {}
    if package.manifest.classes:
        found["classes"] = msgspec.json.encode(package.manifest.classes).decode()
    if (matrix := package.decoder.matrix) is not None:
        tensor = {"name": matrix.name, "datatype": matrix.datatype, "shape": [-1, *matrix.shape]}
        found["matrix_input"] = msgspec.json.encode(
            {**tensor, "columns": [item.name for item in matrix.fields]}
        ).decode()
    return found
