"""The form of capture: whether requests are kept in one environment, how many, and for how long."""

from __future__ import annotations

from typing import Any

from django import forms

from releases.models import CaptureSetting


class CaptureForm(forms.Form):
    """The settings as people say them: the share is a percentage."""

    on = forms.BooleanField(label="Keep requests with their answers", required=False)
    share = forms.FloatField(
        label="Share", min_value=0.001, max_value=100, help_text="Of the requests; each draws by itself."
    )
    per_hour = forms.IntegerField(
        label="At most", min_value=1, max_value=100_000, help_text="Over all gateways together."
    )
    keep_days = forms.IntegerField(
        label="Delete after", min_value=1, max_value=365, help_text="Also when nothing is kept any more."
    )

    @classmethod
    def of(cls, setting: CaptureSetting) -> dict[str, Any]:
        """Return a setting as initial values."""
        share = round(setting.share * 100, 6)
        return {
            "on": setting.on,
            "share": int(share) if share == int(share) else share,
            "per_hour": setting.per_hour,
            "keep_days": setting.keep_days,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """The cleaned settings, as the verb takes them."""
        return {**self.cleaned_data, "share": self.cleaned_data["share"] / 100}
