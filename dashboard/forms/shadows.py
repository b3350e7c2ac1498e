"""Shadow a package, and say when answers agree."""

from __future__ import annotations

from typing import Any

from django import forms

from dashboard.forms.promotions import REASON
from releases.agreement import Rule, rule_of
from releases.models import MLModel, Package

HOURS = 3600.0


class ShadowForm(forms.Form):
    """How much is mirrored, and when it ends."""

    recorded = forms.TypedChoiceField(
        label="Which requests",
        widget=forms.RadioSelect,
        coerce=lambda value: value == "recorded",
        choices=[("live", "Those that come in from now on"), ("recorded", "Those that were captured: a replay")],
    )
    share = forms.FloatField(min_value=0.01, max_value=100, label="Share of the requests")
    pairs = forms.IntegerField(min_value=1, max_value=10_000_000, label="End after", help_text="pairs of answers")
    hours = forms.FloatField(min_value=0.001, max_value=720, label="Or at the latest after")
    hotfix = forms.CharField(
        required=False,
        max_length=500,
        label="Hotfix, because",
        help_text="The line is stopped. Say why this may go on.",
    )
    reason = forms.CharField(required=False, max_length=500, widget=REASON, help_text="It stands in the history.")

    @staticmethod
    def of(package: Package) -> dict[str, Any]:
        """Return what the form begins with."""
        return {"recorded": "live", "share": 100, "pairs": rule_of(package.model.agreement).pairs, "hours": 24}

    @property
    def wanted(self) -> dict[str, Any]:
        """Return what the verb takes."""
        given = self.cleaned_data
        named = {name: given[name] for name in ("recorded", "share", "pairs", "hotfix", "reason")}
        return named | {"seconds": given["hours"] * HOURS}


class ComparingForm(forms.Form):
    """How the packages of a model share traffic and are compared."""

    sticky = forms.ChoiceField(
        required=False,
        label="Who gets the candidate",
        help_text="With an input chosen, callers with the same value keep their package while its share grows. "
        "The header X-Route-Key goes before it.",
    )
    tolerance = forms.FloatField(
        min_value=0,
        max_value=60_000,
        label="A candidate may be slower by",
        help_text="Less than that is no fault to the judge.",
    )
    limit = forms.FloatField(
        min_value=0.0001, max_value=99.99, label="May disagree", help_text="of the pairs, in a comparison that passes"
    )
    pairs = forms.IntegerField(min_value=1, max_value=10_000_000, label="Pairs asked for")
    rtol = forms.FloatField(min_value=0, label="Numbers agree within", help_text="of what the live package answers")
    atol = forms.FloatField(min_value=0, label="And", help_text="in the unit of the answer, added to it")

    def __init__(self, *args: Any, inputs: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chance = [("", "Chance, request by request")]
        self.fields["sticky"].choices = chance + [(name, f"The input {name}") for name in inputs]  # type: ignore[attr-defined]

    @staticmethod
    def of(model: MLModel) -> dict[str, Any]:
        """Return what is set now, in the units of the form: milliseconds and per cent."""
        rule = rule_of(model.agreement)
        return {
            "sticky": model.sticky,
            "tolerance": f"{1000 * model.tolerance:g}",
            "limit": f"{100 * rule.limit:g}",
            "pairs": rule.pairs,
            "rtol": f"{100 * rule.rtol:g}",
            "atol": f"{rule.atol:g}",
        }

    @property
    def wanted(self) -> dict[str, Any]:
        """Return what the verb takes."""
        given = self.cleaned_data
        rule = Rule(given["limit"] / 100, given["pairs"], given["atol"], given["rtol"] / 100)
        return {"sticky": given["sticky"], "tolerance": given["tolerance"] / 1000, "agreement": rule.to_json()}
