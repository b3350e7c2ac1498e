"""Forms about secrets: an API key of an environment, its change and its rotation, an access token of one's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.formats import date_format

from releases.actions.key_values import MOST
from releases.models import ApiKey, Environment, MLModel

EXPIRY = [("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), ("never", "Never")]
KEEP = "keep"
OVERLAP = [("0", "Ends now"), ("1", "Ends in an hour"), ("24", "Ends in 24 hours"), ("168", "Ends in 7 days")]


class ExpiryForm(forms.Form):
    """A secret's name and its end."""

    name = forms.CharField(max_length=100)
    expires = forms.ChoiceField(label="Expires", choices=EXPIRY, initial="90")

    @property
    def expires_at(self) -> datetime | None:
        """The end, so many days from now; None for never."""
        choice = self.cleaned_data["expires"]
        return None if choice == "never" else timezone.now() + timedelta(days=int(choice))


class KeyValuesForm(ExpiryForm):
    """What a key may do, how much, and until when."""

    name = forms.CharField(max_length=100, help_text="Such as that of the client that will call with it.")
    models = forms.ModelMultipleChoiceField(
        MLModel.objects.all(),
        to_field_name="name",
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "choices"}),
        help_text="None chosen: all, also those to come.",
    )
    requests_per_second = forms.IntegerField(
        label="Requests a second",
        min_value=1,
        max_value=MOST,
        required=False,
        help_text="Over all gateways together; empty for no limit.",
    )
    concurrent_requests = forms.IntegerField(
        label="Requests at once",
        min_value=1,
        max_value=MOST,
        required=False,
        help_text="In flight at the same time; empty for no limit.",
    )
    origins = forms.CharField(
        label="Pages that may call",
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocapitalize": "none"}),
        help_text="One origin a line, such as https://shop.example.com. Empty: no web page's script.",
    )
    pin = forms.BooleanField(
        label="May choose the package (X-Package)", required=False, help_text="For tests, not for clients."
    )

    LIMITS = ("requests_per_second", "concurrent_requests", "origins", "pin")

    @property
    def limits(self) -> list[forms.BoundField]:
        """The fields that most keys leave empty."""
        return [self[name] for name in self.LIMITS]

    @property
    def limits_open(self) -> bool:
        """Whether one of them says something."""
        return any(bound.errors or bound.value() for bound in self.limits)

    @property
    def values(self) -> dict[str, Any]:
        """What the verbs take."""
        given = self.cleaned_data
        return {
            "name": given["name"],
            "models": [model.name for model in given["models"]] or ["*"],
            "pin": given["pin"],
            "requests_per_second": given["requests_per_second"],
            "concurrent_requests": given["concurrent_requests"],
            "origins": given["origins"].split(),
        }


class KeyForm(KeyValuesForm):
    """A new key of one environment."""

    environment = forms.ModelChoiceField(Environment.objects.all(), to_field_name="name", empty_label=None)

    field_order = ["name", "environment", "expires", "models", *KeyValuesForm.LIMITS]

    @property
    def values(self) -> dict[str, Any]:
        given = super().values | {"environment": self.cleaned_data["environment"], "expires_at": self.expires_at}
        return {name: value for name, value in given.items() if value is not None}


class KeyChangeForm(KeyValuesForm):
    """Every setting of a key that may change; its end stays unless another is chosen."""

    field_order = ["name", "expires", "models", *KeyValuesForm.LIMITS]

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ends = f"On {date_format(timezone.localtime(key.expires_at), 'j M Y')}" if key.expires_at else "Never"
        choices = [(KEEP, f"{ends}, as it is"), *(each for each in EXPIRY if key.expires_at or each[0] != "never")]
        self.fields["expires"] = forms.ChoiceField(label="Expires", choices=choices, initial=KEEP)
        self.order_fields(self.field_order)

    @classmethod
    def of(cls, key: ApiKey) -> dict[str, Any]:
        """Return the key's settings as initial values."""
        plain = {name: getattr(key, name) for name in ("name", "requests_per_second", "concurrent_requests", "pin")}
        models = [] if "*" in key.models else key.models
        return plain | {"models": models, "origins": "\n".join(key.origins)}

    @property
    def values(self) -> dict[str, Any]:
        ends = {} if self.cleaned_data["expires"] == KEEP else {"expires_at": self.expires_at}
        return super().values | ends


class RotateForm(forms.Form):
    """Until when the secret before stays valid."""

    overlap_hours = forms.ChoiceField(
        label="The secret in use now",
        choices=OVERLAP,
        initial="24",
        help_text="Until then both secrets are answered, and share the key's limits.",
    )
    in_use = forms.CharField(widget=forms.HiddenInput)  # a page sent twice must not end the secret it has just shown

    @property
    def values(self) -> dict[str, Any]:
        """What the verb takes."""
        overlap = timedelta(hours=int(self.cleaned_data["overlap_hours"]))
        return {"overlap": overlap, "prefix": self.cleaned_data["in_use"]}


class RevokeForm(forms.Form):
    """Why a key is revoked."""

    reason = forms.CharField(
        max_length=500, required=False, help_text="It stands in the history.", widget=forms.Textarea(attrs={"rows": 2})
    )
