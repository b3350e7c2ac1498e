"""The playground's forms: what to ask, and one field for each input of a model's signature.

Nothing is checked here: what people type goes to the gateway as it is, so that they see what a client would see.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from releases.models import Environment, MLModel
from serving.contract import Signature
from serving.contract.fields import BOUNDS, Field

MANY = 12
SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


class ChoiceForm(forms.Form):
    """Which model, where, beside what, and which package."""

    model = forms.ChoiceField()
    environment = forms.ChoiceField()
    compare = forms.ChoiceField(label="Beside it", required=False)
    package = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, packages: Sequence[tuple[int, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        environments = [(name, name) for name in Environment.objects.values_list("name", flat=True)]
        self._offer("model", [(name, name) for name in MLModel.objects.values_list("name", flat=True)])
        self._offer("environment", environments)
        self._offer("compare", [("", "No other"), *environments])
        arms = [(str(number), f"Package {number} ({arm})") for number, arm in packages]
        self._offer("package", [("", "As it is routed"), *arms])

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]


class Raw(forms.CharField):
    """A field that lets everything through: the gateway judges, not the form."""

    def clean(self, value: Any) -> Any:
        return value


class InputForm(forms.Form):
    """One row for a model: a field per input, in the order of the signature, filled with the example."""

    def __init__(self, signature: Signature, example: Sequence[Any], data: Mapping[str, Any] | None = None) -> None:
        self.signature, first = signature, (example[0] if example else None)
        super().__init__(data, initial=_initial(signature, first), use_required_attribute=False)
        for place, item in enumerate(signature.inputs):
            self.fields[_name(place)] = _field(item, len(signature.inputs) > MANY)

    @property
    def many(self) -> bool:
        return len(self.signature.inputs) > MANY

    def instances(self) -> list[Any]:
        """Return what is sent: one row, or for a tensor the rows of the text; text that is no number stays text."""
        if self.signature.tensor:
            rows = _json(self._text(0))
            return rows if isinstance(rows, list) else [rows]
        texts = [(item, self._text(place)) for place, item in enumerate(self.signature.inputs)]
        return [{item.name: _value(item, text) for item, text in texts if text != ""}]

    def show(self, details: list[dict[str, Any]]) -> list[str]:
        """Put the gateway's rules at their fields; returns those that belong to no field."""
        self.full_clean()
        places = {item.name: _name(place) for place, item in enumerate(self.signature.inputs)}
        tensor, rest = self.signature.tensor is not None, list[str]()
        for detail in details:
            place = _name(0) if tensor else places.get(str(detail.get("field")))
            if place:
                self.add_error(place, _sentence(detail, with_row=tensor))
            else:
                rest.append(_sentence(detail, with_row=True))
        return rest

    def units(self) -> list[tuple[Any, str]]:
        """Return each bound field with its unit."""
        return [(self[_name(place)], item.unit) for place, item in enumerate(self.signature.inputs)]

    def _text(self, place: int) -> str:
        name = _name(place)
        return str(self.data.get(name, "") if self.is_bound else self.initial.get(name, "")).strip()


def _name(place: int) -> str:
    """Inputs may have any name, so the form's own names are numbers."""
    return f"input-{place}"


def _initial(signature: Signature, row: Any) -> dict[str, str]:
    if signature.tensor:
        row = row.get(signature.tensor.name, row) if isinstance(row, dict) else row
        return {_name(0): json.dumps([row])} if row is not None else {}
    row = row if isinstance(row, dict) else dict(zip((item.name for item in signature.inputs), row or [], strict=False))
    return {
        _name(place): _shown(row[item.name])
        for place, item in enumerate(signature.inputs)
        if row.get(item.name) is not None
    }


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _field(item: Field, brief: bool) -> forms.Field:
    named: dict[str, Any] = {"label": item.name, "required": item.required, "help_text": help_of(item)}
    if item.shape is not None:
        rows = forms.Textarea(attrs={"rows": 6, "class": "code", "spellcheck": "false"})
        return Raw(widget=rows, **named)
    if item.values is not None or item.type == "boolean":
        values = [str(value) for value in item.values] if item.values is not None else ["true", "false"]
        return Raw(widget=forms.Select(choices=[("", "–"), *[(each, each) for each in values]]), **named)
    attrs = {"autocomplete": "off", "title": help_of(item) if brief else ""}
    if item.type != "string":
        attrs["inputmode"] = "numeric" if item.type in ("integer", "long") else "decimal"
    return Raw(widget=forms.TextInput(attrs={k: v for k, v in attrs.items() if v}), **named)


def help_of(item: Field) -> str:
    """Return description, type and limits in one line, such as `Miles flown. A whole number > 0.`"""
    from_rules = [f"{SIGNS[key]} {getattr(item, key):g}" for key in BOUNDS if getattr(item, key) is not None]
    kind = f"rows of {' × '.join(map(str, item.shape))} numbers" if item.shape else item.kind.words
    described = f"{item.description.rstrip('.')}. " if item.description else ""
    return f"{described}{kind[:1].upper()}{kind[1:]}{' ' if from_rules else ''}{', '.join(from_rules)}."


def _value(item: Field, text: str) -> Any:
    """Return the JSON value that the text stands for; what does not fit the type is sent as text."""
    if item.type == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if item.type == "string":
        return text
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _sentence(detail: dict[str, Any], *, with_row: bool) -> str:
    row, rule = detail.get("row"), str(detail.get("rule", "is not accepted"))
    words = f"Row {row + 1}: {rule}" if with_row and isinstance(row, int) else rule
    name = f"{detail['field']}: " if with_row and detail.get("field") else ""
    sentence = f"{name}{words}"
    return f"{sentence[:1].upper()}{sentence[1:]}."
