"""Forms about environments: make, change, and the moment of "what was live at"."""

from __future__ import annotations

from typing import Any

from django import forms

from releases.models import Environment
from releases.models.packages import NAME
from releases.queries.environments import STRATEGY_WORDS
from releases.strategies import STRATEGIES

SETTINGS = (
    "description",
    "default_strategy",
    "watch_seconds",
    "requests_per_second",
    "keyless",
    "needs_previous",
    "developers_deploy",
    "undoes_failed_smoke",
)


class SettingsForm(forms.Form):
    """Every setting of an environment that may change."""

    description = forms.CharField(max_length=300, required=False, help_text="What this environment is for.")
    default_strategy = forms.ChoiceField(
        label="Strategy",
        choices=[(name, STRATEGY_WORDS.get(name, name)) for name in STRATEGIES],
        help_text="How a release switches here, unless it says otherwise.",
    )
    watch_seconds = forms.IntegerField(
        label="Watch after the switch", min_value=0, max_value=86_400, help_text="Seconds; 0 ends a release at once."
    )
    requests_per_second = forms.IntegerField(
        label="Limit", min_value=1, required=False, help_text="Requests per second; empty for no limit."
    )
    keyless = forms.BooleanField(label="Answer calls that carry no key", required=False)
    needs_previous = forms.BooleanField(
        label="A package must have been live one environment before", required=False, initial=True
    )
    developers_deploy = forms.BooleanField(label="Developers may release here", required=False)
    undoes_failed_smoke = forms.BooleanField(
        label="A release whose smoke test fails is rolled back by itself", required=False
    )

    @classmethod
    def of(cls, environment: Environment) -> dict[str, Any]:
        """Return the environment's settings as initial values."""
        return {name: getattr(environment, name) for name in SETTINGS}

    @property
    def settings(self) -> dict[str, Any]:
        """The cleaned settings, as the verbs take them."""
        return {name: self.cleaned_data[name] for name in SETTINGS}


class NewForm(SettingsForm):
    """A new environment: its name and place; as a copy it takes the other one's settings."""

    name = forms.CharField(
        max_length=63, validators=[NAME], help_text="Part of every address: small letters, digits and dashes."
    )
    before = forms.ModelChoiceField(
        Environment.objects.all(),
        label="Place",
        to_field_name="name",
        required=False,
        empty_label="At the end",
        help_text="Promotion follows the order; the last one also answers calls that name no environment.",
    )
    packages = forms.BooleanField(label="Release there what is live in the other one", required=False)
    copy_of = forms.ModelChoiceField(
        Environment.objects.all(), to_field_name="name", required=False, widget=forms.HiddenInput
    )

    field_order = ["name", "before", *SETTINGS]

    def __init__(self, *args: Any, source: Environment | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if source:
            self.fields["packages"].label = f"Release here what is live in {source.name}"
        else:
            del self.fields["packages"]
        self.fields["before"].label_from_instance = lambda each: f"Before {each.name}"  # type: ignore[attr-defined]

    @property
    def asked(self) -> dict[str, Any]:
        """Name, place and source, as the verb takes them."""
        place = self.cleaned_data["before"]
        return {"name": self.cleaned_data["name"], "copy_of": self.cleaned_data["copy_of"]} | {
            "before": place,
            "last": place is None,
        }


class MomentForm(forms.Form):
    """The moment of "what was live at"; in the time zone of the page."""

    at = forms.DateTimeField(
        label="What was live at",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
        input_formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"],
        error_messages={"invalid": "Write a time such as 2026-11-22 14:02."},
    )


class ParityForm(forms.Form):
    """Which other environment to compare with."""

    def __init__(self, *args: Any, others: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["with"] = forms.ChoiceField(label="Compare with", choices=[(name, name) for name in others])
