"""The form of one rule: which suites an environment asks for, where they ran, how old they may be, how long before."""

from __future__ import annotations

from typing import Any

from django import forms

from releases.actions.gates import MOST_DAYS, MOST_HOURS, Asked
from releases.models import Environment, MLModel, Rule
from releases.wants import KINDS, NEVER_IN_PRODUCTION, PRODUCTION


class RuleForm(forms.Form):
    """For each kind: in which environment it must have passed ("" for: not asked), and how many days ago at most."""

    least_hours = forms.FloatField(
        label="Live one environment before for at least", min_value=0, max_value=MOST_HOURS, required=False
    )

    def __init__(self, rule: Rule | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": _initial(rule), **kwargs})
        places = [
            ("", "Not asked"),
            *((name, f"in {name}") for name in Environment.objects.values_list("name", flat=True)),
        ]
        for kind, label in KINDS.items():
            allowed = [each for each in places if kind not in NEVER_IN_PRODUCTION or each[0] != PRODUCTION]
            self.fields[f"{kind}-where"] = forms.ChoiceField(choices=allowed, required=False, label=label)
            self.fields[f"{kind}-days"] = forms.IntegerField(
                min_value=1, max_value=MOST_DAYS, required=False, label=f"{label}: not older than"
            )

    def rows(self) -> list[tuple[Any, Any]]:
        """Return where and how old, kind by kind."""
        return [(self[f"{kind}-where"], self[f"{kind}-days"]) for kind in KINDS]

    @property
    def values(self) -> dict[str, Any]:
        """What the verb takes."""
        given = self.cleaned_data
        wants = [
            Asked(kind, given[f"{kind}-where"], given[f"{kind}-days"]) for kind in KINDS if given.get(f"{kind}-where")
        ]
        return {"wants": wants, "least_hours": given["least_hours"] or 0.0}


class OwnRuleForm(forms.Form):
    """Which model gets a rule of its own."""

    model = forms.ModelChoiceField(MLModel.objects.all(), to_field_name="name", empty_label="Choose a model")


def _initial(rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {"least_hours": 0}
    found: dict[str, Any] = {"least_hours": f"{rule.least_hours:g}"}
    for want in rule.wants.select_related("where"):
        found |= {f"{want.kind}-where": want.where.name, f"{want.kind}-days": want.most_days}
    return found
