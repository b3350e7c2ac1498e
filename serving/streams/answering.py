"""A micro-batch answered: each record by the package that the route picks, each by its own; one that fails, alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from serving.alone import alone
from serving.contract import Batch, ContractError
from serving.contract.errors import sentence, whole
from serving.gateway.pool import Package
from serving.gateway.ways import chance
from serving.gateway.world import LiveRoute
from serving.routing import Route, Target
from serving.runtimes.rows import predictions

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class Taken:
    """A record as it was taken from the stream; `tries` counts how often that happened."""

    entry: bytes
    row: bytes
    id: str
    given: bool
    key: str | None
    at: float
    tries: int = 1


@dataclass(frozen=True)
class Outcome:
    """The answer of a target, or why there is none, with the rules of the contract that the record breaks."""

    taken: Taken
    target: Target | None = None
    prediction: Any = None
    reason: str = ""
    details: Sequence[Any] = ()


def answer(live: LiveRoute, records: Sequence[Taken]) -> list[Outcome]:
    """Return the outcomes in the records' order; the route must not be off."""
    groups: dict[str, list[int]] = {}
    targets: dict[str, Target] = {}
    for place, record in enumerate(records):
        target = _pick(live, record)
        targets[target.digest] = target
        groups.setdefault(target.digest, []).append(place)
    found: dict[int, Outcome] = {}
    for digest, places in groups.items():
        taken = [records[place] for place in places]
        outcomes = _ask(live.packages[digest], targets[digest], taken)
        found.update(zip(places, outcomes, strict=True))
    return [found[place] for place in range(len(records))]


def _pick(live: LiveRoute, record: Taken) -> Target:
    route = live.route
    if not _decides(route):
        return route.pick(0.0)[0]
    key = None if record.key is None else record.key.encode()
    if key is None and route.sticky:
        key = _field(live, record, route.sticky)
    return route.pick(chance(route.model, key))[0]


def _decides(route: Route) -> bool:
    """Whether there is more than one package that a record may go to."""
    return sum(target.weight > 0 for target in route.targets) > 1


def _field(live: LiveRoute, record: Taken, name: str) -> bytes | None:
    """The sticky field, read with stable's decoder as for REST; a record that it refuses is left to chance."""
    stable = live.route.stable
    if stable is None:
        return None
    try:
        batch = live.packages[stable.digest].decoder.decode_v1(_body([record]))
    except ContractError:
        return None
    return repr(batch.columns[name][:1].tolist()).encode() if name in batch.columns else None


def _ask(package: Package, target: Target, records: list[Taken]) -> list[Outcome]:
    found: dict[int, Outcome] = {}
    for start, batch in _read(package, records):
        if isinstance(batch, ContractError):
            found[start] = Outcome(records[start], reason=_words(batch), details=batch.details)
            continue
        for at, answered in alone(package.compute, batch):
            if isinstance(answered, str):
                found[start + at] = Outcome(records[start + at], reason=answered)
                continue
            for place, prediction in enumerate(predictions(answered), start + at):
                found[place] = Outcome(records[place], target, prediction)
    return [found[place] for place in range(len(records))]


def _read(package: Package, records: list[Taken]) -> Iterator[tuple[int, Batch | ContractError]]:
    """Yield the batch of all records, or, where one of them is refused, each alone."""
    if all(map(_is_object, records)):
        try:
            yield 0, package.decoder.decode_v1(_body(records))
            return
        except ContractError:
            pass
    for place, record in enumerate(records):
        yield place, _alone(package, record)


def _alone(package: Package, record: Taken) -> Batch | ContractError:
    if not _is_object(record):
        return whole("row must be one JSON object")
    try:
        return package.decoder.decode_v1(_body([record]))
    except ContractError as problem:
        return problem


def _words(problem: ContractError) -> str:
    """Say which fields break which rules; there is only one row to speak of."""
    return "; ".join(sentence({**detail, "row": None}, "") for detail in problem.details)


def _is_object(record: Taken) -> bool:
    """Whoever writes to Redis directly may write anything; half an object must not reach into the next record."""
    try:
        _members.decode(record.row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _body(records: Sequence[Taken]) -> bytes:
    return b'{"instances":[%b]}' % b",".join(record.row for record in records)
