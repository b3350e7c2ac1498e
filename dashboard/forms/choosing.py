"""What is asked before a serving mode is recommended."""

from __future__ import annotations

from django import forms

from releases.modes.choosing import ARRIVALS, CALLS, LATENCIES, Need

WAITS = {"hour": "an hour or more", "minute": "a minute", "second": "a second", "millisecond": "a millisecond"}


class NeedForm(forms.Form):
    """Latency, how inputs arrive, how many, and whether the client is online."""

    latency = forms.ChoiceField(choices=[(name, WAITS[name]) for name in LATENCIES], label="The client can wait")
    arrival = forms.ChoiceField(choices=list(ARRIVALS.items()), label="Inputs come")
    rows = forms.IntegerField(
        required=False, min_value=1, max_value=10**12, label="Rows of a file", help_text="where they come as one"
    )
    online = forms.ChoiceField(choices=[("yes", "always"), ("no", "not always")], label="The client is online")

    @property
    def need(self) -> Need:
        """Return what is asked; what was not answered yet as a client that calls and waits for a second."""
        if not self.is_valid():
            return Need("second", CALLS)
        given = self.cleaned_data
        return Need(given["latency"], given["arrival"], given["rows"], given["online"] == "yes")
