"""How rows look in JSON; small pieces that several nouns share."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse


class Number(serializers.SlugRelatedField):
    """The number of a package, or null."""

    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="number", read_only=True, **options)


class Name(serializers.SlugRelatedField):
    """The name of a model or environment."""

    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="name", read_only=True, **options)


class Person(serializers.SlugRelatedField):
    """A user's name, or null for Slipway itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(slug_field="username", read_only=True, allow_null=True, **options)


@extend_schema_field({"type": "string", "format": "uri"})
class Address(serializers.Field):
    """The address of the row in this API; `columns` are the attributes that stand in its path."""

    def __init__(self, view: str, columns: dict[str, str]) -> None:
        self.view, self.columns = view, columns
        super().__init__(source="*", read_only=True)

    def to_representation(self, row: Any) -> str:
        values = {name: _follow(row, path) for name, path in self.columns.items()}
        return reverse(self.view, kwargs=values, request=self.context.get("request"))


def _follow(row: Any, path: str) -> Any:
    for part in path.split("."):
        row = getattr(row, part)
    return row
