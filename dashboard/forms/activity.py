"""The filter of the activity page."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils import timezone

from releases.models import Environment, MLModel
from releases.queries import activity

ALL = ("", "All")


class FilterForm(forms.Form):
    """Model, environment, person, action, dates; all may be left out."""

    model = forms.ChoiceField(required=False)
    environment = forms.ChoiceField(required=False)
    person = forms.ChoiceField(required=False)
    action = forms.ChoiceField(required=False)
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offer("model", MLModel.objects.values_list("name", flat=True))
        self._offer("environment", Environment.objects.values_list("name", flat=True))
        self._offer("person", ["slipway", *User.objects.order_by("username").values_list("username", flat=True)])
        actions = [
            (name, f"{name.partition('.')[0].capitalize()}: {name.partition('.')[2]}") for name in activity.WORDS
        ]
        nouns = [(noun, f"{noun.capitalize()}: all") for noun in activity.nouns()]
        self.fields["action"].choices = [ALL, *sorted([*nouns, *actions])]  # type: ignore[attr-defined]

    def wanted(self) -> activity.Filter:
        """Return the filter; a field that is wrong is left out, and says so itself."""
        self.is_valid()
        given = self.cleaned_data
        names = ("model", "environment", "person", "action")
        since, until = given.get("since"), given.get("until")
        return activity.Filter(
            **{name: given.get(name, "") for name in names},
            since=_midnight(since) if since else None,
            until=_midnight(until + timedelta(days=1)) if until else None,
        )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("since") and given.get("until") and given["since"] > given["until"]:
            self.add_error("until", "This lies before the first day.")
        return given

    def _offer(self, name: str, values: Any) -> None:
        """A name that is gone, or was never there, may still be asked for: its rows stay."""
        known = [str(value) for value in values]
        asked = str(self.data.get(name, ""))[:200]
        if asked and asked not in known:
            known.append(asked)
        self.fields[name].choices = [ALL, *[(value, value) for value in known]]  # type: ignore[attr-defined]


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
