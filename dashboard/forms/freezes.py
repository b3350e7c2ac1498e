"""Freeze an environment, once or again and again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone


def _moment(label: str) -> forms.DateTimeField:
    return forms.DateTimeField(
        required=False,
        label=label,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )


class FreezeForm(forms.Form):
    """Either two dates, or a cron form with a length."""

    name = forms.CharField(max_length=100, label="What for", help_text="Everybody who waits will read it.")
    begins, ends = _moment("From"), _moment("Until")
    cron = forms.CharField(
        required=False,
        max_length=100,
        label="Or whenever",
        help_text="minute hour day month weekday: 0 18 * * 5 is every Friday at 18:00.",
    )
    minutes = forms.IntegerField(required=False, min_value=1, max_value=10_080, label="For")
    zone = forms.CharField(required=False, max_length=64, label="Time zone", help_text="of the recurring one")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        zone = timezone.get_current_timezone_name()
        super().__init__(*args, **{"initial": {"zone": zone}, **kwargs})
        self.fields["begins"].help_text = f"Times are in {zone}."

    @property
    def wanted(self) -> dict[str, Any]:
        """Return what the verb takes."""
        return {**self.cleaned_data, "zone": self.cleaned_data["zone"].strip() or "UTC"}
