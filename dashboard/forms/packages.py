"""The upload of a package, and what its files do not say: inputs, types and limits, one row each."""

from __future__ import annotations

import re
from typing import Any, cast

from django import forms
from django.forms import BaseFormSet, formset_factory
from django.http import QueryDict

TYPES = [
    ("", "In the file"),
    ("double", "Number"),
    ("long", "Whole number"),
    ("string", "Text"),
    ("boolean", "True or false"),
]
LIMIT = re.compile(r"(?P<sign>>=|<=|>|<|≥|≤)\s*(?P<number>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\Z")
SIGNS = {">": "gt", ">=": "ge", "≥": "ge", "<": "lt", "<=": "le", "≤": "le"}
WORDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


ROWS_MORE = 4


class UploadForm(forms.Form):
    """One file."""

    file = forms.FileField(
        label="Package",
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".zip,.gz,.tgz,.skops,.onnx"}),
        help_text="The same files twice are the same package.",
    )


class InputForm(forms.Form):
    """One input: its name, and its type and limits where the upload does not say them."""

    name = forms.CharField(max_length=200, required=False, widget=forms.TextInput(attrs={"spellcheck": "false"}))
    type = forms.ChoiceField(choices=TYPES, required=False)
    limits = forms.CharField(required=False, widget=forms.TextInput(attrs={"placeholder": "> 0, <= 100"}))
    values = forms.CharField(
        required=False, label="Allowed values", widget=forms.TextInput(attrs={"placeholder": "EWR, JFK, LGA"})
    )
    unit = forms.CharField(max_length=40, required=False, widget=forms.TextInput(attrs={"placeholder": "miles"}))

    def clean_limits(self) -> dict[str, float]:
        """`> 0, <= 100` as `{"gt": 0, "le": 100}`."""
        parts = [part.strip() for part in self.cleaned_data["limits"].split(",") if part.strip()]
        found = [LIMIT.match(part) for part in parts]
        for part, match in zip(parts, found, strict=True):
            if match is None:
                raise forms.ValidationError(f"{part!r} is not a limit. Write for example: > 0, <= 100")
        return {SIGNS[match["sign"]]: _number(match["number"]) for match in found if match}

    def clean(self) -> dict[str, Any]:
        """A row that says something must say of what."""
        data = super().clean() or self.cleaned_data
        says = any(data.get(name) for name in ("type", "limits", "values", "unit"))
        if says and not data.get("name"):
            self.add_error("name", "Name the input that this row is about.")
        return data


class BaseInputs(BaseFormSet):
    """All rows together."""

    def clean(self) -> None:
        """Types are said for every input or for none, because they replace what the upload says."""
        rows = self.rows()
        if any(row["type"] for row in rows) and not all(row["type"] for row in rows):
            raise forms.ValidationError("Say the type of every input, in order, or of none.")
        names = [row["name"] for row in rows]
        if len(set(names)) < len(names):
            raise forms.ValidationError("Each input may be named once.")

    def rows(self) -> list[dict[str, Any]]:
        """The rows that name an input."""
        cleaned = [form.cleaned_data for form in self.forms if hasattr(form, "cleaned_data")]
        return [{"type": "", "limits": {}, "values": "", "unit": "", **row} for row in cleaned if row.get("name")]

    def declared(self) -> dict[str, Any]:
        """What the intake takes: `{"inputs": […], "constraints": {…}}`, each only where something was said."""
        rows = self.rows()
        limits = {row["name"]: found for row in rows if (found := _limits(row))}
        inputs = [{"name": row["name"], "type": row["type"], "required": True} for row in rows if row["type"]]
        return {key: value for key, value in (("inputs", inputs), ("constraints", limits)) if value}


InputsFormSet = cast(
    type[BaseInputs], formset_factory(InputForm, formset=BaseInputs, extra=0, min_num=0, max_num=200, absolute_max=200)
)


def with_more_rows(data: QueryDict) -> BaseInputs:
    """Return the rows as they were filled in, and a few empty ones."""
    grown = data.copy()
    total = str(data.get("inputs-TOTAL_FORMS", ""))
    grown["inputs-TOTAL_FORMS"] = str(min(200, ROWS_MORE + (int(total) if total.isdecimal() and len(total) < 4 else 0)))
    return InputsFormSet(grown, prefix="inputs")


def first_rows(declared: dict[str, Any], least: int = 4) -> list[dict[str, Any]]:
    """Return what was declared before as rows of the form, with empty rows behind them."""
    types = {spec["name"]: spec["type"] for spec in declared.get("inputs") or []}
    limits = declared.get("constraints") or {}
    rows = [_row(name, types.get(name, ""), limits.get(name) or {}) for name in {**types, **limits}]
    return rows + [{}] * max(2, least - len(rows))


def _row(name: str, kind: str, limits: dict[str, Any]) -> dict[str, Any]:
    bounds = [f"{sign} {limits[key]}" for key, sign in WORDS.items() if limits.get(key) is not None]
    values = ", ".join(map(str, limits.get("values") or []))
    return {"name": name, "type": kind, "limits": ", ".join(bounds), "values": values, "unit": limits.get("unit", "")}


def _limits(row: dict[str, Any]) -> dict[str, Any]:
    values = [value.strip() for value in row["values"].split(",") if value.strip()]
    found = {**row["limits"], "unit": row["unit"], "values": [_value(value, row["type"]) for value in values]}
    return {key: value for key, value in found.items() if value not in ("", [])}


def _value(text: str, kind: str) -> Any:
    """Whole numbers are numbers, unless the row says that the input is text."""
    return int(text) if kind != "string" and re.fullmatch(r"[-+]?\d{1,18}", text) else text


def _number(text: str) -> float:
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)
