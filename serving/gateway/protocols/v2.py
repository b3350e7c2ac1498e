"""The Open Inference Protocol V2: named tensors in and out, metadata from the signature."""

from __future__ import annotations

from typing import Any

import msgspec

from serving.contract import Batch, ContractError
from serving.contract import Request as Asked
from serving.gateway.messages import Problem, Reply, Request, error, value
from serving.gateway.pool import Package
from serving.gateway.world import LiveRoute, LiveTable
from serving.routing import Target
from serving.runtimes import Answer

__all__ = ["FORMS", "encode", "error", "model", "models", "outputs", "parse", "refuse"]
FORMS = frozenset({"application/json"})
PLATFORMS = {"onnx": "onnx_onnxv1", "sklearn": "sklearn_skops"}
LABEL, PROBABILITIES = "label", "probabilities"


def parse(package: Package, request: Request) -> tuple[Batch, Asked]:
    """Return the batch and the request; raises ContractError."""
    asked = package.decoder.decode_v2(request.body)
    known = [item["name"] for item in outputs(package)]
    if unknown := [name for name in asked.outputs or () if name not in known]:
        words = f"{len(unknown)} of the outputs asked for do not exist; there are {', '.join(known)}"
        raise ContractError([{"row": None, "field": "outputs", "rule": words}])
    return asked.batch, asked


def encode(target: Target, model: str, package: Package, answer: Answer, asked: Asked) -> Reply:
    """Return an inference response, with the outputs asked for, in their order."""
    found = {item["name"]: item for item in _tensors(package, answer)}
    chosen = asked.outputs if asked.outputs is not None else tuple(found)
    body: dict[str, Any] = {"model_name": model, "model_version": str(target.package)}
    if asked.id is not None:
        body["id"] = asked.id
    return value({**body, "outputs": [found[name] for name in chosen]})


def refuse(problem: ContractError) -> Reply:
    return error(400, str(problem))


def models(live: LiveTable, names: list[str]) -> Reply:
    return value({"models": names})


def model(live: LiveRoute, target: Target | None) -> Reply:
    """Return the metadata of the version asked for, else of the one that most requests get."""
    chosen = target or max(live.route.targets, key=lambda item: item.weight, default=None)
    if chosen is None:
        raise Problem(404, "This model has no package here.")
    package = live.packages[chosen.digest]
    inputs = [
        {"name": field.name, "datatype": field.kind.v2, "shape": [-1, *(field.shape or ())]}
        for field in package.decoder.fields
    ]
    found: dict[str, Any] = {
        "name": live.route.model,
        "versions": [str(number) for number in sorted({item.package for item in live.route.targets})],
        "platform": PLATFORMS[package.manifest.runtime],
        "inputs": inputs,
        "outputs": outputs(package),
    }
    if package.manifest.classes:
        found["properties"] = {"classes": msgspec.json.encode(package.manifest.classes).decode()}
    return value(found)


def outputs(package: Package) -> list[dict[str, Any]]:
    """Return the tensors that a package answers with."""
    if package.manifest.kind == "classifier":
        return _classifier_outputs(package)
    names = _names(package)
    if len(names) > 1:
        return [{"name": name, "datatype": "FP64", "shape": [-1]} for name in names]
    spec = package.decoder.signature.outputs[0] if package.decoder.signature.outputs else {}
    shape = list(spec.get("tensor-spec", {}).get("shape", [-1]))
    return [{"name": names[0], "datatype": "FP64", "shape": [-1] if shape in ([-1, 1], []) else shape}]


def _classifier_outputs(package: Package) -> list[dict[str, Any]]:
    classes = package.manifest.classes or []
    label = {"name": LABEL, "datatype": _label_type(classes), "shape": [-1]}
    if not package.runtime.probable:
        return [label]
    return [label, {"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, len(classes)]}]


def _label_type(classes: list[Any]) -> str:
    if classes and all(type(name) is bool for name in classes):
        return "BOOL"
    return "INT64" if classes and all(type(name) is int for name in classes) else "BYTES"


def _names(package: Package) -> list[str]:
    names = [str(item.get("name") or "") for item in package.decoder.signature.outputs]
    return names if names and all(names) else ["prediction"]


def _tensors(package: Package, answer: Answer) -> list[dict[str, Any]]:
    if answer.values is None:
        return _classifier_tensors(package, answer)
    names, values = _names(package), answer.values
    if len(names) > 1 and values.ndim == 2 and values.shape[1] == len(names):
        return [_tensor(name, "FP64", values[:, i]) for i, name in enumerate(names)]
    return [_tensor(names[0], "FP64", values)]


def _classifier_tensors(package: Package, answer: Answer) -> list[dict[str, Any]]:
    labels = answer.labels or []
    kind = _label_type(package.manifest.classes or [])
    data = [str(label) for label in labels] if kind == "BYTES" else labels
    found = [{"name": LABEL, "datatype": kind, "shape": [len(data)], "data": data}]
    if answer.probabilities is not None:
        found.append(_tensor(PROBABILITIES, "FP64", answer.probabilities))
    return found


def _tensor(name: str, datatype: str, values: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(values.shape), "data": values.ravel().tolist()}
