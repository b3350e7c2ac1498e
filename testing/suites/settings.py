"""Settings of a suite: a frozen dataclass whose fields say their limits, read from plain values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from releases.errors import Refused

S = TypeVar("S")


def number(default: float, least: float, most: float, unit: str, words: str) -> Any:
    """Declare a setting that is a number (whole where its default is) from `least` to `most`."""
    return dataclasses.field(default=default, metadata={"least": least, "most": most, "unit": unit, "words": words})


def choice(default: str, options: tuple[str, ...], words: str) -> Any:
    """Declare a setting that is one of some words."""
    return dataclasses.field(default=default, metadata={"options": options, "words": words})


def read(kind: type[S], values: Mapping[str, Any]) -> S:
    """Return the settings, the suite's own where nothing is said; raises Refused, naming the setting."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise Refused(f"There is no such setting. Choose from: {', '.join(fields)}.", name)
    return kind(**{name: _checked(fields[name], value) for name, value in values.items()})


def described(kind: type) -> list[dict[str, Any]]:
    """Return each setting as a form or a document shows it: name, default, and what it may be."""
    return [{"name": field.name, "default": field.default, **field.metadata} for field in dataclasses.fields(kind)]


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    allowed = field.metadata
    if "options" in allowed:
        if value not in allowed["options"]:
            raise Refused(f"Choose one of: {', '.join(allowed['options'])}.", field.name)
        return value
    whole = type(field.default) is int
    if type(value) is bool or not isinstance(value, (int,) if whole else (int, float)) or not math.isfinite(value):
        raise Refused(f"Must be a {'whole ' if whole else ''}number.", field.name)
    if not allowed["least"] <= value <= allowed["most"]:
        raise Refused(f"Must be from {allowed['least']:g} to {allowed['most']:g}.", field.name)
    return value
