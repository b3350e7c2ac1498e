"""What an upload may declare beside its files: types and limits of the inputs, as JSON text in a form field."""

from __future__ import annotations

import math
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError

from releases.api.parsing import Body, Switch, Text, read_json
from serving.contract.fields import KINDS

MOST_INPUTS = 2000
MOST_VALUES = 10_000


class Real(serializers.FloatField):
    """A finite number, as it was written: 5 stays 5."""

    def to_internal_value(self, data: Any) -> Any:
        if type(data) not in (int, float) or not -1e308 <= data <= 1e308 or not math.isfinite(data):
            raise serializers.ValidationError("This must be a finite number.")
        return data


class Value(serializers.Field):
    """One allowed value: text or a whole number."""

    def to_internal_value(self, data: Any) -> str | int:
        if type(data) not in (str, int):
            raise serializers.ValidationError("An allowed value is text or a whole number.")
        return data  # type: ignore[no-any-return]


class Limits(Body):
    gt = Real(required=False, allow_null=True)
    ge = Real(required=False, allow_null=True)
    lt = Real(required=False, allow_null=True)
    le = Real(required=False, allow_null=True)
    values = serializers.ListField(child=Value(), required=False, allow_null=True, max_length=MOST_VALUES)
    unit = Text(required=False, allow_null=True, allow_blank=True, max_length=100)
    description = Text(required=False, allow_null=True, allow_blank=True, max_length=1000)
    sensitive = Switch(required=False, allow_null=True)


class Input(Body):
    name = Text(max_length=200, trim_whitespace=False)
    type = serializers.ChoiceField(list(KINDS))

    def get_fields(self) -> dict[str, Any]:
        """`required` is a word of the framework's own, so it cannot be an attribute."""
        return {**super().get_fields(), "required": Switch(default=True)}


class _Declared(serializers.Field):
    """JSON, or its text, that must fit `inside`."""

    def inside(self) -> serializers.Field:
        raise NotImplementedError

    def to_internal_value(self, data: Any) -> Any:
        try:
            value = read_json(data) if isinstance(data, str) else data
        except ParseError as error:
            raise serializers.ValidationError(error.detail) from error
        return self.inside().run_validation(value)


@extend_schema_field({"type": "object", "additionalProperties": {"type": "object"}})
class Constraints(_Declared):
    """Limits by input: `{"distance": {"gt": 0, "unit": "miles"}}`; null takes a limit of the files away."""

    def inside(self) -> serializers.Field:
        return serializers.DictField(child=Limits(allow_null=True))


@extend_schema_field({"type": "array", "items": {"type": "object"}})
class Inputs(_Declared):
    """What the inputs are, where the files do not say it: `[{"name": "distance", "type": "double"}]`."""

    def inside(self) -> serializers.Field:
        return serializers.ListField(child=Input(), max_length=MOST_INPUTS)
