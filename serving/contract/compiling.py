"""Fields turned into msgspec types, so that one pass over the bytes parses a request and checks every limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import UNSET, Meta, UnsetType

from serving.contract.fields import Field


def scalar(field: Field) -> Any:
    """Return the type of one value."""
    kind = _listed(field) if field.values is not None else _limited(field)
    return kind if field.required else Union[kind, None]  # noqa: UP007 - built at run time


def _listed(field: Field) -> Any:
    allowed = tuple(value for value in field.values or () if field.broken(value) is None)
    return Literal[allowed]


def _limited(field: Field) -> Any:
    python = field.kind.python
    if python in (bool, str):
        return python
    low, high = field.least(), field.most()
    limits: dict[str, Any] = {}
    if python is int or math.isfinite(low):
        limits["gt" if field.open_below() else "ge"] = low
    if python is int or math.isfinite(high):
        limits["lt" if field.open_above() else "le"] = high
    return Annotated[python, Meta(**limits)]


def tensor(field: Field) -> Any:
    """Return the type of one row of a tensor: nested lists of exactly the shape."""
    kind = scalar(field)
    for size in reversed(field.shape or ()):
        kind = Annotated[list[kind], Meta(min_length=size, max_length=size)]  # type: ignore[valid-type]
    return kind


def rows(fields: Sequence[Field]) -> tuple[type[msgspec.Struct], type[msgspec.Struct]]:
    """Return the types of a row sent as an object and of one sent as a plain list, in the order of the fields.

    A field left out is UNSET, and one sent as null is None.
    """
    members = [_member(f"c{i}", field) for i, field in enumerate(fields)]
    names = {f"c{i}": field.name for i, field in enumerate(fields)}
    by_name = msgspec.defstruct("Row", members, rename=names, forbid_unknown_fields=True, kw_only=True)
    by_place = msgspec.defstruct("Values", _trailing(members), array_like=True, forbid_unknown_fields=True)
    return by_name, by_place


def _member(name: str, field: Field) -> tuple[Any, ...]:
    kind = tensor(field) if field.shape is not None else scalar(field)
    return (name, kind) if field.required else (name, Union[kind, UnsetType], UNSET)  # noqa: UP007 - built at run time


def _trailing(members: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """In a list only the last members can be left out."""
    last_required = max((i for i, member in enumerate(members) if len(member) == 2), default=-1)
    return [member[:2] if i < last_required else member for i, member in enumerate(members)]


def envelopes(fields: Sequence[Field]) -> tuple[Any, Any]:
    """Return the types of a V1 request, `{"instances": [row, …]}`: all rows objects, or all rows lists."""
    by_name, by_place = rows(fields)
    return _envelope(by_name), _envelope(by_place if fields[0].shape is None else tensor(fields[0]))


def _envelope(row: Any) -> Any:
    instances = Annotated[list[row], Meta(min_length=1)]
    return msgspec.defstruct("V1Request", [("instances", instances)], forbid_unknown_fields=True)
