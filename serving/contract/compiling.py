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


def by_name(fields: Sequence[Field]) -> type[msgspec.Struct]:
    """Return the type of a row sent as an object; a field left out is UNSET, and one sent as null is None."""
    names = {f"c{i}": field.name for i, field in enumerate(fields)}
    return msgspec.defstruct("Row", _members(fields), rename=names, forbid_unknown_fields=True, kw_only=True)


def by_place(fields: Sequence[Field]) -> type[msgspec.Struct]:
    """Return the type of a row sent as a plain list, in the order of the fields; what is left out is UNSET."""
    return msgspec.defstruct("Values", _trailing(_members(fields)), array_like=True, forbid_unknown_fields=True)


def _members(fields: Sequence[Field]) -> list[tuple[Any, ...]]:
    return [_member(f"c{i}", field) for i, field in enumerate(fields)]


def _member(name: str, field: Field) -> tuple[Any, ...]:
    kind = tensor(field) if field.shape is not None else scalar(field)
    return (name, kind) if field.required else (name, Union[kind, UnsetType], UNSET)  # noqa: UP007 - built at run time


def _trailing(members: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """In a list only the last members can be left out."""
    last_required = max((i for i, member in enumerate(members) if len(member) == 2), default=-1)
    return [member[:2] if i < last_required else member for i, member in enumerate(members)]


def named(fields: Sequence[Field]) -> Any:
    """Return the type of a V1 request, `{"instances": [row, …]}`, whose rows are all objects."""
    return _envelope(by_name(fields))


def plain(fields: Sequence[Field]) -> Any:
    """Return the type of a V1 request whose rows are all lists."""
    return _envelope(by_place(fields) if fields[0].shape is None else tensor(fields[0]))


def _envelope(row: Any) -> Any:
    instances = Annotated[list[row], Meta(min_length=1)]
    return msgspec.defstruct("V1Request", [("instances", instances)], forbid_unknown_fields=True)
