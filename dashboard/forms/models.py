"""A new model: its name and what it is for."""

from __future__ import annotations

from django import forms


class ModelForm(forms.Form):
    """The name's own rule stands in the model; here is what the browser can say at once."""

    name = forms.CharField(
        max_length=63,
        help_text="Small letters, digits and single dashes, such as flight-eta. Clients call it by this name.",
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off", "spellcheck": "false"}),
    )
    description = forms.CharField(max_length=300, required=False, help_text="One line: what it predicts, and for whom.")
