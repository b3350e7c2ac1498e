"""The slow, patient reading of a V1 request that was refused: which row, which field, which rule."""

from __future__ import annotations

import codecs
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from serving.contract import crowd
from serving.contract.batch import refuse_many
from serving.contract.errors import MOST_DETAILS, ContractError, Detail, whole
from serving.contract.fields import Field

Pairs = list[tuple[str, Any]]
FORM = 'the body must be {"instances": [row, …]}'


class Doubled(dict[str, Any]):
    """An object of which `names` came more than once."""

    names: tuple[str, ...] = ()


def parse(body: bytes, pairs: Callable[[Pairs], Any] | None = None, constant: Any = None) -> Any:
    """Return the JSON value, objects with doubled names as `Doubled`; raises ContractError when it is not JSON."""
    try:
        if body.startswith(codecs.BOM_UTF8):
            raise whole("the body starts with a byte order mark; send UTF-8 without one")
        return json.loads(body.decode("utf-8"), object_pairs_hook=pairs or _object, parse_constant=constant)
    except UnicodeDecodeError as error:
        raise whole("the body is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise whole(f"the body is not valid JSON (line {error.lineno}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise whole("the body is not JSON that can be read here (a number too long, or nested too deeply)") from error


def refuse_unreadable(body: bytes) -> None:
    """Raise ContractError, in the words for all protocols, for a body that is not JSON at all."""
    parse(body, constant=_no_number)


def refuse_doubled(body: bytes) -> None:
    """Raise ContractError for a body in which an object gives a name twice."""
    parse(body, _each_once)


def _each_once(pairs: Pairs) -> dict[str, Any]:
    found = _object(pairs)
    if isinstance(found, Doubled):
        raise whole(f"the body gives a name twice: {_shown(found.names[0])}")
    return found


def _no_number(_: str) -> None:
    """Python's own reader lets NaN and Infinity pass."""
    raise whole("NaN and infinity are no JSON")


def _object(pairs: Pairs) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled, counts = Doubled(found), Counter(name for name, _ in pairs)
    doubled.names = tuple(sorted(name for name, count in counts.items() if count > 1))
    return doubled


def refuse_v1(body: bytes, fields: Sequence[Field], most: float = math.inf) -> None:
    """Raise ContractError with up to 20 broken rules, or for over `most` rows; return when every rule is kept."""
    if most < math.inf:
        crowd.refuse(body, fields)
    instances = _instances(parse(body))
    refuse_many(len(instances), most)
    if len({isinstance(row, dict) for row in instances}) > 1:
        raise whole("the rows must be all objects or all lists")
    found: list[Detail] = []
    for number, row in enumerate(instances):
        found += _row(number, row, fields)
        if len(found) >= MOST_DETAILS:
            break
    if found:
        raise ContractError(found)


def _instances(value: Any) -> list[Any]:
    if not isinstance(value, dict) or "instances" not in value:
        raise whole(FORM)
    if isinstance(value, Doubled):
        raise whole("the body gives a name twice")
    if len(value) > 1:
        raise whole(f"{FORM}; it holds other names too")
    if not isinstance(value["instances"], list) or not value["instances"]:
        raise whole("instances must be a list of at least one row")
    return value["instances"]


def _row(number: int, row: Any, fields: Sequence[Field]) -> Iterator[Detail]:
    rules = _tensor_row(row, fields[0]) if fields[0].shape is not None else _column_row(row, fields)
    return (Detail(row=number, field=name, rule=rule) for name, rule in rules)


def _tensor_row(row: Any, field: Field) -> Iterator[tuple[str | None, str]]:
    if isinstance(row, dict) and field.named:
        yield from _object_row(row, [field])
    elif rule := nested(row, field, field.shape or ()):
        yield None, rule


def nested(value: Any, field: Field, shape: tuple[int, ...]) -> str | None:
    """Return the first rule that one row of a tensor breaks, or None."""
    if not shape:
        return field.broken(value)
    if not isinstance(value, list) or len(value) != shape[0]:
        return f"must be a list of {shape[0]} {'lists' if len(shape) > 1 else 'values'}"
    broken = ((i, nested(item, field, shape[1:])) for i, item in enumerate(value))
    return next((f"value {i + 1} {rule}" for i, rule in broken if rule), None)


def _column_row(row: Any, fields: Sequence[Field]) -> Iterator[tuple[str | None, str]]:
    if isinstance(row, dict):
        yield from _object_row(row, fields)
    elif isinstance(row, list):
        yield from _list_row(row, fields)
    else:
        yield None, "must be an object of fields or a list of values"


def _object_row(row: dict[str, Any], fields: Sequence[Field]) -> Iterator[tuple[str | None, str]]:
    known = {field.name for field in fields}
    for name in getattr(row, "names", ()):
        yield _shown(name), "is given twice"
    for name in row:
        if name not in known:
            yield _shown(name), "is not a field of this model"
    for field in fields:
        if field.name not in row:
            if field.required:
                yield field.name, "is required"
        elif rule := _value(row[field.name], field):
            yield field.name, rule


def _value(value: Any, field: Field) -> str | None:
    return field.broken(value) if field.shape is None else nested(value, field, field.shape)


def _list_row(row: list[Any], fields: Sequence[Field]) -> Iterator[tuple[str | None, str]]:
    least = max((i + 1 for i, field in enumerate(fields) if field.required), default=0)
    if not least <= len(row) <= len(fields):
        yield None, f"must hold {len(fields)} values: {', '.join(field.name for field in fields[:20])}"
        return
    for value, field in zip(row, fields, strict=False):
        if rule := field.broken(value):
            yield field.name, rule


def _shown(name: str) -> str:
    """A name that the model does not know comes from outside: show it only when it is short and harmless."""
    return name if len(name) <= 60 and name.isprintable() else "a name that cannot be shown"
