"""What an address asks for: environment, protocol, model, version and verb."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

V2_VERBS = {"infer": "infer", "ready": "model-ready", "openapi.json": "openapi"}
PROTOCOLS = ("v1", "v2", "mlflow")
STREAM = "stream"
MLFLOW_VERBS = {"invocations": "predict", "ping": "ping", "health": "ping", "version": "version"}
# Longer than any address here; what is remembered by path must not grow with what strangers send.
LONGEST_PATH = 512


@dataclass(frozen=True, slots=True)
class Place:
    """`environment` is None for an address without one. `verb` is what is wanted: predict, infer, model, models, …

    MLflow's client knows no addresses but those at the root: there `model` is empty, and a setting names it.
    """

    environment: str | None
    protocol: str
    verb: str
    model: str = ""
    version: str | None = None

    @property
    def method(self) -> str:
        return "POST" if self.verb in ("predict", "infer", "add") else "GET"


def read(path: str) -> Place | None:
    """Return what a path asks for, or None when there is nothing at it."""
    return _read(path) if len(path) <= LONGEST_PATH else None


def protocol(path: str) -> str | None:
    """Return the protocol in which to say that something is wrong, also where there is nothing at the path."""
    parts = path[:LONGEST_PATH].split("/")[1:3]
    if parts[:1] and parts[0] in MLFLOW_VERBS and parts[1:] in ([], [""]):
        return "mlflow"
    return next((part for part in parts if part in PROTOCOLS), None)


@lru_cache(maxsize=2048)
def _read(path: str) -> Place | None:
    parts = unquote(path).removeprefix("/").split("/")
    if parts == ["metrics"]:
        return Place(None, "v2", "metrics")
    if parts[0] in MLFLOW_VERBS and parts[1:] in ([], [""]):
        return Place(None, "mlflow", MLFLOW_VERBS[parts[0]])
    if parts[0] not in PROTOCOLS and parts[1:] in ([], [""]) and parts[-1] == "":
        return Place(parts[0] or None, "v1", "alive")
    environment = None if parts[0] in (*PROTOCOLS, STREAM) else parts.pop(0)
    if environment == "" or not parts:
        return None
    if len(parts) > 1 and parts[-1] == "":
        parts.pop()
    read = _READ.get(parts[0])
    return None if read is None else read(environment, parts[1:])


def _v1(environment: str | None, parts: list[str]) -> Place | None:
    match parts:
        case ["models"]:
            return Place(environment, "v1", "models")
        case ["models", name] if name.endswith(":predict"):
            return Place(environment, "v1", "predict", name.removesuffix(":predict"))
        case ["models", name]:
            return Place(environment, "v1", "model", name)
    return None


def _v2(environment: str | None, parts: list[str]) -> Place | None:
    match parts:
        case []:
            return Place(environment, "v2", "server")
        case ["health", ("live" | "ready") as verb]:
            return Place(environment, "v2", verb)
        case ["models"]:
            return Place(environment, "v2", "models")
        case ["models", name, *rest]:
            return _v2_model(environment, name, rest)
    return None


def _v2_model(environment: str | None, name: str, rest: list[str]) -> Place | None:
    version = None
    if rest[:1] == ["versions"] and len(rest) > 1:
        version, rest = rest[1], rest[2:]
    if not rest:
        return Place(environment, "v2", "model", name, version)
    if len(rest) == 1 and rest[0] in V2_VERBS:
        return Place(environment, "v2", V2_VERBS[rest[0]], name, version)
    return None


def _mlflow(environment: str | None, parts: list[str]) -> Place | None:
    match parts:
        case [name, verb] if name and verb in MLFLOW_VERBS:
            return Place(environment, "mlflow", MLFLOW_VERBS[verb], name)
    return None


def _stream(environment: str | None, parts: list[str]) -> Place | None:
    match parts:
        case [name] if name:
            return Place(environment, STREAM, "add", name)
        case [name, "results"] if name:
            return Place(environment, STREAM, "results", name)
    return None


_READ = {"v1": _v1, "v2": _v2, "mlflow": _mlflow, STREAM: _stream}
