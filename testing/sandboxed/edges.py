"""Every limit of a field from both sides: a value just outside is refused, one just inside is taken."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from serving.contract import ContractError, Field
from testing.sandboxed.saying import Wrong

Row = dict[str, Any]
NOBODY = "no such value"


def look(field: Field, row: Row, read: Callable[[Row], None]) -> str:
    """Try every value in the place of the field; raises Wrong. Returns how many were tried."""
    inside, outside = list(taken(field, row[field.name])), list(refused(field))
    for value in inside:
        _try(field, row, value, read, wanted=True)
    for value in outside:
        _try(field, row, value, read, wanted=False)
    if field.required:
        _missing(field, row, read)
    return f"{len(inside)} values taken, {len(outside) + field.required} refused"


def taken(field: Field, seen: Any) -> Iterator[Any]:
    """Values just inside each limit, each allowed value, null where it may be missing."""
    yield seen
    if not field.required and field.shape is None:
        yield None
    if field.values is not None:
        yield from (_shaped(field, value) for value in field.values)
    elif field.kind.python in (int, float):
        yield from (_shaped(field, value) for value in _ends(field, inside=True))


def refused(field: Field) -> Iterator[Any]:
    """Values just outside each limit, one that is not on the list, one of another type."""
    if field.values is not None and field.kind.python is str:
        yield NOBODY
    if field.kind.python in (int, float):
        yield from (_shaped(field, value) for value in _ends(field, inside=False))
    yield _shaped(field, {} if field.kind.python is str else "text")


def _ends(field: Field, *, inside: bool) -> Iterator[Any]:
    """The lowest and the highest value that are taken, or the first ones beyond them."""
    limits = (
        (field.gt is not None or field.ge is not None, field.least(), field.open_below(), -1),
        (field.lt is not None or field.le is not None, field.most(), field.open_above(), 1),
    )
    for limited, limit, is_open, away in limits:
        if field.kind.python is int and (limited or not inside):
            value = int(limit) if inside else int(limit) + away
            if inside or limited or abs(value) < 2**63:
                yield value
        elif field.kind.python is float and limited:
            yield _next(field, limit, -away) if inside and is_open else _beyond(field, limit, is_open, inside, away)


def _beyond(field: Field, limit: float, is_open: bool, inside: bool, away: int) -> float:
    return float(limit) if inside or is_open else _next(field, limit, away)


def _next(field: Field, limit: float, away: int) -> float:
    """The neighbour of a limit, in the type's own steps."""
    kind: Any = np.float32 if field.type == "float" else np.float64
    return float(np.nextafter(kind(limit), kind(np.inf * away)))


def _shaped(field: Field, value: Any) -> Any:
    if field.shape is None:
        return value
    filled = np.empty(field.shape, dtype=object)
    filled.fill(value)
    return filled.tolist()


def _missing(field: Field, row: Row, read: Callable[[Row], None]) -> None:
    if not field.named:
        return
    try:
        read({name: value for name, value in row.items() if name != field.name})
    except ContractError:
        return
    raise Wrong(f"A row without {field.name} is taken, but it is required.")


def _try(field: Field, row: Row, value: Any, read: Callable[[Row], None], *, wanted: bool) -> None:
    try:
        read({**row, field.name: value})
    except ContractError as error:
        if wanted:
            raise Wrong(f"{field.name} = {_short(value)} is refused ({error}), but its limits allow it.") from None
        return
    if not wanted:
        raise Wrong(f"{field.name} = {_short(value)} is taken, but its limits forbid it.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
