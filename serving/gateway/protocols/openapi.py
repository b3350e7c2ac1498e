"""The description of one model's addresses, typed by its signature: what generators of clients and of tests read."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.contract import schema
from serving.gateway.addresses import Place
from serving.gateway.messages import Reply, value
from serving.gateway.pool import Package
from serving.gateway.protocols import outputs, v2
from serving.gateway.protocols.outputs import Output
from serving.gateway.world import LiveRoute, LiveTable
from serving.routing import Target
from serving.runtimes.rows import LABEL, PROBABILITIES

STATUSES = {
    400: "The input breaks the signature; the sentence names row, field and rule.",
    401: "There is no key, or it is unknown, expired or revoked.",
    403: "The key is for other models, or may not choose a package.",
    404: "There is no such environment, model or package here.",
    408: "The body did not come in time.",
    413: "The body is too large, as it is or opened.",
    415: "The content type or the coding is not read here.",
    429: "The key or the environment is over its limit; Retry-After says for how long.",
    500: "The model failed on valid input.",
    503: "The model is off, not loaded, or has too many requests to answer; Retry-After says when to come again.",
    504: "The model did not answer within its deadline.",
}
JSON_VALUES = {"BOOL": "boolean", "INT64": "integer", "FP64": "number", "BYTES": "string"}
PIN = "Ask for exactly this package, by number (or digest); the key needs the right."
REQUEST_HEADERS = {
    "X-Route-Key": "The same key always reaches the same package while the weights stay.",
    "X-Request-Id": "Kept on the answer; made when not given.",
}
REPLY_HEADERS = {
    "X-Package": "The number of the package that answered.",
    "X-Package-Digest": "Its digest.",
    "X-Request-Id": "The request's id.",
}
SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "The API key."},
    "password": {"type": "http", "scheme": "basic", "description": "Any name, the API key as the password."},
}


def document(place: Place, live: LiveTable, found: LiveRoute, target: Target | None) -> Reply:
    """Return the OpenAPI document of a model as the package asked for answers, else the one that most requests get."""
    package = v2.chosen(found, target)
    known = outputs.of(package)
    versions = [str(number) for number in sorted({item.package for item in found.route.targets})]
    return value(
        {
            "openapi": "3.1.0",
            "info": {"title": place.model, "version": place.version or versions[-1], "description": _words(package)},
            "servers": [{"url": f"/{place.environment}" if place.environment else "/"}],
            "security": [{name: []} for name in SECURITY] + ([{}] if live.table.keyless else []),
            "paths": _paths(place.model, package, versions),
            "components": {"schemas": _schemas(package, known), "securitySchemes": SECURITY},
        }
    )


def _words(package: Package) -> str:
    kind = package.manifest.kind
    return (
        f"A {kind}, typed by its signature. Nothing is rounded, cut or wrapped in silence; a broken rule is named. "
        "Whole numbers are written without a decimal point, which JSON Schema cannot say."
    )


def _paths(model: str, package: Package, versions: list[str]) -> dict[str, Any]:
    drawn = package.decoder.signature.draw(np.random.default_rng(0), 1)
    tensor = package.decoder.signature.tensor
    instances = [row[tensor.name] for row in drawn] if tensor else drawn
    sent = [
        {"name": item.name, "shape": [1, *(item.shape or ())], "datatype": item.kind.v2, "data": [drawn[0][item.name]]}
        for item in package.decoder.fields
    ]
    version = {"name": "version", "in": "path", "required": True, "schema": {"enum": versions}}
    pin = {"name": "X-Package", "in": "header", "schema": {"enum": versions}, "description": PIN}
    infer = _post("V2", "Predict (Open Inference Protocol)", {"inputs": sent})
    one = {**infer, "operationId": "infer_version", "parameters": [version, *infer["parameters"]]}
    infer["parameters"] = [pin, *infer["parameters"]]
    predict = _post("V1", "Predict", {"instances": instances})
    predict["parameters"] = [pin, *predict["parameters"]]
    return {
        f"/v1/models/{model}:predict": {"post": predict},
        f"/v1/models/{model}": {"get": _get("V1", "ready_v1", "Whether the model is ready")},
        f"/v2/models/{model}/infer": {"post": infer},
        f"/v2/models/{model}/versions/{{version}}/infer": {"post": one},
        f"/v2/models/{model}": {"get": _get("V2", "metadata", "Names, types and shapes")},
        f"/v2/models/{model}/ready": {"get": _get("V2", "ready_v2", "Whether the model is ready")},
    }


def _post(protocol: str, summary: str, example: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"application/json": {"schema": _ref(f"{protocol}Request"), "example": example}}
    answer = {"application/json": {"schema": _ref(f"{protocol}Response")}}
    if protocol == "V2":
        answer[v2.OCTETS] = {"schema": {"type": "string", "contentMediaType": v2.OCTETS}}
    headers = {name: {"schema": {"type": "string"}, "description": words} for name, words in REPLY_HEADERS.items()}
    return {
        "operationId": "predict" if protocol == "V1" else "infer",
        "summary": summary,
        "parameters": [
            {"name": name, "in": "header", "schema": {"type": "string"}, "description": words}
            for name, words in REQUEST_HEADERS.items()
        ],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": {"description": "The predictions.", "headers": headers, "content": answer},
            **_errors(protocol),
        },
    }


def _get(protocol: str, name: str, summary: str) -> dict[str, Any]:
    answer = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": {"description": "The answer.", "content": answer}, **_errors(protocol)},
    }


def _errors(protocol: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _ref(f"{protocol}Error")}}
    return {str(status): {"description": words, "content": content} for status, words in STATUSES.items()}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(package: Package, known: dict[str, Output]) -> dict[str, Any]:
    text, none = {"type": "string"}, {"type": "null"}
    detail = _object(
        {"row": {"anyOf": [{"type": "integer", "minimum": 0}, none]}, "field": {"anyOf": [text, none]}, "rule": text}
    )
    return {
        "V1Request": schema.request(package.decoder.fields, list(known)),
        "V1Response": _object({"predictions": {"type": "array", "items": {"anyOf": _predictions(package, known)}}}),
        "V1Error": _object({"error": text, "details": {"type": "array", "items": detail}}),
        "V2Request": schema.tensors(package.decoder.fields),
        "V2Response": _object(
            {"model_name": text, "model_version": text, "outputs": {"type": "array", "items": _any(known)}, "id": text},
            {"id"},
        ),
        "V2Error": _object({"error": text}),
    }


def _any(known: dict[str, Output]) -> dict[str, Any]:
    whole = {"type": "integer", "minimum": 0}
    return {
        "anyOf": [
            _object(
                {
                    "name": {"const": item.name},
                    "datatype": {"const": item.datatype},
                    "shape": {"type": "array", "items": whole},
                    "data": {"type": "array", "items": {"type": JSON_VALUES[item.datatype]}},
                    "parameters": schema.PARAMETERS,
                },
                {"data", "parameters"},
            )
            for item in known.values()
        ]
    }


def _predictions(package: Package, known: dict[str, Output]) -> list[dict[str, Any]]:
    """One row's prediction: as V1 gives it unasked, one output alone, and several by name."""
    each = {name: _prediction(package, item) for name, item in known.items()}
    several = {"type": "object", "properties": each, "additionalProperties": False}
    if package.manifest.kind == "classifier":
        return [{**several, "required": [LABEL]}, several, *each.values()]
    numbers = {"type": "array", "items": {"type": "number"}}
    return [numbers if len(known) > 1 else next(iter(each.values())), several, *each.values()]


def _prediction(package: Package, output: Output) -> dict[str, Any]:
    if output.name == PROBABILITIES and package.manifest.kind == "classifier":
        return _object({str(name): {"type": "number"} for name in package.manifest.classes or []})
    found: dict[str, Any] = {"type": JSON_VALUES[output.datatype]}
    for _ in output.shape:
        found = {"type": "array", "items": found}
    return found


def _object(properties: dict[str, Any], optional: set[str] | None = None) -> dict[str, Any]:
    required = [name for name in properties if name not in (optional or ())]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
