"""The route table that the control plane writes and every gateway obeys: its types, its checks, its random choice."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")
Arm = Literal["stable", "candidate", "control", "previous", "shadow"]
RESERVED = frozenset({"v1", "v2", "mlflow", "metrics", "stream", "edge", "api"})
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
HASH = re.compile(r"[0-9a-f]{64}\Z")
# The candidate's share starts at 0, so that a sticky caller who is in it stays in it while the weight grows.
PICK_ORDER = {"candidate": 0, "control": 1, "previous": 2, "stable": 3}


@dataclass(frozen=True)
class Target:
    """One package behind a route. `weight` is a percentage; at 0 it is loaded and warm, and only a pin reaches it."""

    package: int
    digest: str
    artefact: str
    url: str
    runtime: Literal["onnx", "sklearn"]
    arm: Arm
    weight: float

    def __post_init__(self) -> None:
        # 95 and 95.0 are one weight, and must be the same bytes.
        object.__setattr__(self, "weight", float(self.weight))


@dataclass(frozen=True)
class Shadow:
    """A package that answers a share of the requests, above 0 and up to 1, once more, and no caller ever sees it.

    `run` names the comparison; two numbers agree that differ by no more than atol + rtol × the live one.
    """

    run: int
    target: Target
    share: float
    atol: float = 0.0
    rtol: float = 0.0


@dataclass(frozen=True)
class Capture:
    """The share of requests that is kept with its answers, above 0 and up to 1, and how many in an hour at most."""

    share: float
    per_hour: int


@dataclass(frozen=True)
class Route:
    """A model's targets. `deadline` is in seconds; `sticky` names the field whose value decides, instead of chance.

    Without `capture` nothing of a request is kept. `shadows` are none of the targets: no gateway loads them.
    """

    model: str
    targets: tuple[Target, ...]
    control: float = 0.10
    sticky: str | None = None
    deadline: float = 10.0
    capture: Capture | None = None
    shadows: tuple[Shadow, ...] = ()

    @cached_property
    def off(self) -> bool:
        return not any(target.weight > 0 for target in self.targets)

    @cached_property
    def stable(self) -> Target | None:
        return next((target for target in self.targets if target.arm == "stable"), None)

    @cached_property
    def shares(self) -> tuple[tuple[float, tuple[Target, str]], ...]:
        """Upper edges in [0, 1] with the target and the arm's label, in the order of PICK_ORDER; none if off."""
        live = sorted((t for t in self.targets if t.weight > 0), key=lambda t: PICK_ORDER[t.arm])
        judged = any(target.arm in ("candidate", "control") for target in live)
        return tuple(_edges(live, 0.0 if judged else self.control))

    def pick(self, u: float) -> tuple[Target, str]:
        """Return the target and the arm it counts under, for `u` in [0, 1); raises LookupError if off."""
        if self.off:
            raise LookupError(f"{self.model} is switched off")
        return pick(self.shares, u)


def pick(shares: Sequence[tuple[float, T]], u: float) -> T:
    """Return whose share of [0, 1) holds `u`; shares come with their upper edges, of which the last may be rounded."""
    for edge, found in shares:
        if u < edge:
            return found
    return shares[-1][1]


def _edges(live: list[Target], control: float) -> Iterator[tuple[float, tuple[Target, str]]]:
    """With nothing to compare, the first part of stable's share is labelled `control`: the A/A history of the judge."""
    at = 0.0
    for target in live:
        share = target.weight / 100.0
        if target.arm == "stable" and control > 0:
            yield at + share * control, (target, "control")
        at += share
        yield at, (target, target.arm)


@dataclass(frozen=True)
class Key:
    """One API key: the SHA-256 of its text, a prefix for display, its models (`*`: all), its rights, its end.

    Secrets of one `row` share their limits, which hold over all gateways together; None is no limit. `origins` are
    those of pages whose scripts may use the key. An `internal` key is Slipway's own: no limit holds it up.
    """

    hash: str
    prefix: str
    models: tuple[str, ...]
    pin: bool
    expires: float | None
    row: int = 0
    requests_per_second: int | None = None
    concurrent_requests: int | None = None
    origins: tuple[str, ...] = ()
    internal: bool = False


@dataclass(frozen=True)
class RouteTable:
    """All that a gateway needs to know about one environment: always whole, and numbered."""

    environment: str
    generation: int
    routes: dict[str, Route]
    keys: tuple[Key, ...] = ()
    keyless: bool = False
    limits: dict[str, Any] = field(default_factory=dict)

    def targets(self) -> Iterator[Target]:
        """Every target of every route."""
        return (target for route in self.routes.values() for target in route.targets)


_decoder = msgspec.json.Decoder(RouteTable)


def dumps(table: RouteTable) -> bytes:
    """Return canonical JSON: equal tables give equal bytes."""
    return msgspec.json.encode(table, order="deterministic")


def loads(data: bytes) -> RouteTable:
    """Read and check a table; raises ValueError, in words, for anything that must not be routed by."""
    try:
        table = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(f"The route table cannot be read: {error}.") from error
    return check(table)


def check(table: RouteTable) -> RouteTable:
    """Return the table when it may be routed by; raises ValueError naming the route and the rule otherwise."""
    if not NAME.match(table.environment) or table.environment in RESERVED:
        raise ValueError(f"{table.environment!r} cannot be the name of an environment.")
    if table.generation < 1:
        raise ValueError(f"The generation of {table.environment} must be at least 1.")
    for model, route in table.routes.items():
        _check_route(model, route)
    for key in table.keys:
        _check_key(table.environment, key)
    _check_limit(table.environment, table.limits.get("requests_per_second"))
    _check_artefacts(table)
    return table


def _check_key(environment: str, key: Key) -> None:
    where = f"The key {key.prefix}… of {environment}"
    if not HASH.match(key.hash):
        raise ValueError(f"{where} has no SHA-256 of 64 hex digits.")
    for limit in (key.requests_per_second, key.concurrent_requests):
        _check_limit(where, limit)


def _check_limit(where: str, limit: Any) -> None:
    if limit is not None and not (type(limit) is int and limit >= 1):
        raise ValueError(f"{where}: a limit must be a whole number from 1.")


def _check_artefacts(table: RouteTable) -> None:
    """One package has one artefact: otherwise two targets of one digest could answer differently."""
    seen: dict[str, str] = {}
    for target in table.targets():
        if seen.setdefault(target.digest, target.artefact) != target.artefact:
            raise ValueError(f"Package {target.package} has two different artefacts in one table.")


def _check_route(model: str, route: Route) -> None:
    if route.model != model or not NAME.match(model):
        raise ValueError(f"The route {model!r} must carry its model's own name, of letters, digits, '.', '_' and '-'.")
    if not 0 <= route.control < 1:
        raise ValueError(f"{model}: the control share must be at least 0 and under 1.")
    if not 0 < route.deadline < math.inf:
        raise ValueError(f"{model}: the deadline must be a number of seconds above 0.")
    if route.capture and not (0 < route.capture.share <= 1 and route.capture.per_hour >= 1):
        raise ValueError(f"{model}: capture needs a share above 0 and up to 1, and at least one request an hour.")
    for target in route.targets:
        _check_target(model, target)
    for shadow in route.shadows:
        _check_shadow(model, shadow)
    _check_weights(model, route)


def _check_weights(model: str, route: Route) -> None:
    total = sum(target.weight for target in route.targets)
    if not math.isclose(total, 100, abs_tol=1e-6) and total != 0:
        raise ValueError(f"{model}: the weights add up to {total:g}; they must add up to 100, or to 0 (off).")
    arms: Counter[str] = Counter(target.arm for target in route.targets)
    if doubled := [arm for arm in ("stable", "candidate") if arms[arm] > 1]:
        raise ValueError(f"{model}: there are {arms[doubled[0]]} {doubled[0]} targets; there can be one.")


def _check_target(model: str, target: Target) -> None:
    where = f"{model}, package {target.package}"
    for name, digest in (("digest", target.digest), ("artefact", target.artefact)):
        if not DIGEST.match(digest):
            raise ValueError(f"{where}: the {name} must be sha256: and 64 hex digits.")
    if not target.url.startswith(("file://", "http://", "https://")):
        raise ValueError(f"{where}: the address must start with file://, http:// or https://.")
    if not 0 <= target.weight <= 100:
        raise ValueError(f"{where}: the weight must lie between 0 and 100.")


def _check_shadow(model: str, shadow: Shadow) -> None:
    _check_target(model, shadow.target)
    where = f"{model}, shadow {shadow.run}"
    if shadow.target.weight:
        raise ValueError(f"{where}: a shadow takes none of the traffic.")
    if not 0 < shadow.share <= 1:
        raise ValueError(f"{where}: the share must lie above 0 and be at most 1.")
    if not (0 <= shadow.atol < math.inf and 0 <= shadow.rtol < math.inf):
        raise ValueError(f"{where}: the tolerances must be numbers from 0.")
