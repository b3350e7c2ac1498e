"""Forms about suites: the filters of their list, what a model's runs are set to, how much it must show."""

from __future__ import annotations

from typing import Any

from django import forms

from releases.models import Environment, MLModel, Risk
from testing.models import Run
from testing.suites import SUITES
from testing.suites.settings import described


class RunFilter(forms.Form):
    """Every field may be left empty."""

    model = forms.ChoiceField(required=False)
    environment = forms.ChoiceField(required=False)
    kind = forms.ChoiceField(required=False, label="Suite")
    state = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        states = [("open", "Not ended"), *((value, str(label).capitalize()) for value, label in Run.State.choices)]
        self._offer("model", "All models", [(name, name) for name in MLModel.objects.values_list("name", flat=True)])
        names = Environment.objects.values_list("name", flat=True)
        self._offer("environment", "All environments", [(name, name) for name in names])
        self._offer("kind", "All suites", [(kind, suite.label) for kind, suite in SUITES.items()])
        self._offer("state", "All states", states)

    def _offer(self, name: str, every: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = [("", every), *choices]  # type: ignore[attr-defined]


class RiskForm(forms.Form):
    """How much the packages of a model must show."""

    risk = forms.ChoiceField(choices=Risk.choices, help_text="Each environment asks something else of each risk.")


class SuiteForm(forms.Form):
    """What can be set of one suite; a field that is emptied goes back to the suite's own value."""

    def __init__(self, kind: str, values: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        self.kind, self.described = kind, described(SUITES[kind].Settings)
        initial = {each["name"]: values.get(each["name"], each["default"]) for each in self.described}
        super().__init__(*args, **{"initial": initial, "prefix": kind, **kwargs})
        for each in self.described:
            self.fields[each["name"]] = _field(each)

    def values(self) -> dict[str, Any]:
        """Return what differs from the suite's own."""
        given = {each["name"]: (self.cleaned_data.get(each["name"]), each["default"]) for each in self.described}
        return {name: value for name, (value, default) in given.items() if value not in (None, "", default)}

    def units(self) -> list[tuple[Any, str]]:
        """Return each bound field with its unit."""
        return [(self[each["name"]], each.get("unit", "")) for each in self.described]


def _field(each: dict[str, Any]) -> forms.Field:
    label, words = each["name"].replace("_", " ").capitalize(), each["words"][:1].upper() + each["words"][1:] + "."
    if "options" in each:
        choices = [(option, option.capitalize()) for option in each["options"]]
        return forms.ChoiceField(choices=choices, label=label, help_text=words, required=False)
    limits = {"min_value": each["least"], "max_value": each["most"]}
    kind = forms.IntegerField if type(each["default"]) is int else forms.FloatField
    return kind(label=label, help_text=f"{words} Normally {each['default']:g}.", required=False, **limits)
