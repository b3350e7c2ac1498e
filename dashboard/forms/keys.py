"""Forms about secrets: an API key of an environment, an access token of one's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from releases.models import Environment, MLModel

EXPIRY = [("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), ("never", "Never")]


class ExpiryForm(forms.Form):
    """A secret's name and its end."""

    name = forms.CharField(max_length=100)
    expires = forms.ChoiceField(label="Expires", choices=EXPIRY, initial="90")

    @property
    def expires_at(self) -> datetime | None:
        """The end, so many days from now; None for never."""
        choice = self.cleaned_data["expires"]
        return None if choice == "never" else timezone.now() + timedelta(days=int(choice))


class KeyForm(ExpiryForm):
    """A key of one environment, for all models or some."""

    name = forms.CharField(max_length=100, help_text="Such as that of the client that will call with it.")
    environment = forms.ModelChoiceField(Environment.objects.all(), to_field_name="name", empty_label=None)
    models = forms.ModelMultipleChoiceField(
        MLModel.objects.all(),
        to_field_name="name",
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "choices"}),
        help_text="None chosen: all, also those to come.",
    )
    pin = forms.BooleanField(
        label="May choose the package (X-Package)", required=False, help_text="For tests, not for clients."
    )

    field_order = ["name", "environment", "expires", "models", "pin"]

    @property
    def values(self) -> dict[str, Any]:
        """What the verb takes."""
        given = self.cleaned_data
        return {
            "environment": given["environment"],
            "name": given["name"],
            "models": [model.name for model in given["models"]] or None,
            "pin": given["pin"],
            "expires_at": self.expires_at,
        }


class RevokeForm(forms.Form):
    """Why a key is revoked."""

    reason = forms.CharField(
        max_length=500, required=False, help_text="It stands in the history.", widget=forms.Textarea(attrs={"rows": 2})
    )
