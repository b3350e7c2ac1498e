"""Promote, roll back, stop: what a person decides, and the mark of the state that the person saw."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from releases.queries.quiet import Quiet
from releases.queries.releases import Option, Return

REASON = forms.Textarea(attrs={"rows": 2})


class PromoteForm(forms.Form):
    """How and when the package comes in. `seen` marks what was live when the page was drawn."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    strategy = forms.ChoiceField(widget=forms.RadioSelect, required=False)
    hotfix = forms.CharField(
        required=False,
        max_length=500,
        label="Hotfix, because",
        help_text="The line is stopped. A hotfix moves all the same; say why. It stands on the release for good.",
    )
    steps = forms.CharField(
        required=False,
        max_length=400,
        label="Steps of the canary",
        help_text="Each as per cent:minutes. All of the traffic follows when the judge certifies it.",
    )
    quiet = forms.BooleanField(required=False, label="Wait for the quiet window")
    start_at = forms.DateTimeField(
        required=False,
        label="Start at",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )
    reason = forms.CharField(required=False, max_length=500, widget=REASON, help_text="It stands in the history.")

    def __init__(self, *args: Any, options: list[Option], window: Quiet | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["quiet"].help_text = f"{window.words}." if window else ""
        self.fields["strategy"].choices = [(option.name, option.label) for option in options]  # type: ignore[attr-defined]
        zone = timezone.get_current_timezone_name()
        self.fields["start_at"].help_text = f"Leave empty to start now. Times are in {zone}."


class RollBackForm(forms.Form):
    """To which package, and why; switching a model off needs one more yes."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    package = forms.TypedChoiceField(coerce=int, label="Return to")
    confirm = forms.BooleanField(required=False)
    reason = forms.CharField(
        max_length=500,
        widget=REASON,
        help_text="Say what you saw. It stands in the history for good.",
        error_messages={"required": "Say why you roll back; it stands in the history."},
    )

    def __init__(self, *args: Any, way: Return, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.way = way
        if way.back is None or way.stops_only:
            del self.fields["package"]
        else:
            self.fields["package"].choices = _choices(way)  # type: ignore[attr-defined]
            self.fields["package"].initial = way.back.number
        if way.back is None and not way.stops_only:
            where = f"{way.model.name} in {way.environment.name}"
            self.fields["confirm"].label = f"Yes, take {where} off: its clients get 503 until a package is promoted."
            self.fields["confirm"].required = True
            self.fields["confirm"].error_messages["required"] = "Tick this, because nothing is left to return to."
        else:
            del self.fields["confirm"]


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        max_length=500,
        widget=REASON,
        help_text="It stands in the history for good.",
        error_messages={"required": "Say why; it stands in the history."},
    )


def _choices(way: Return) -> list[tuple[int, str]]:
    others = [package for package in way.choices if package != way.back]
    first = [(way.back.number, f"Package {way.back.number}, live before")] if way.back else []
    return first + [(package.number, f"Package {package.number}") for package in others]
