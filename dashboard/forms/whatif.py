"""Judge a finished release again: the settings that people ask about."""

from __future__ import annotations

from typing import Any

from django import forms

from releases.analysis.settings import Settings

DRIFT = [("off", "Is not looked at"), ("hold", "Holds"), ("rollback", "Rolls back")]


class WhatIfForm(forms.Form):
    """In the units of people: per cent and milliseconds."""

    alpha = forms.FloatField(
        min_value=0.0001, max_value=99, label="False rollbacks", help_text="at most, of 100 releases"
    )
    tolerance = forms.FloatField(min_value=0, label="Slower by", help_text="is no fault")
    odds_effect = forms.FloatField(
        min_value=0, label="Errors roll back from odds of", help_text="times stable's; 0: any"
    )
    slower_effect = forms.FloatField(min_value=0, label="Latency rolls back from", help_text="times stable's; 0: any")
    least_requests = forms.IntegerField(min_value=0, max_value=10_000_000, label="Requests before a promotion")
    error_ceiling = forms.FloatField(min_value=0.0001, max_value=99, label="Errors that are fine anyway")
    drift = forms.ChoiceField(choices=DRIFT, label="A shift of the predictions")

    @staticmethod
    def of(settings: Settings) -> dict[str, Any]:
        """Return what the release was judged by."""
        return {
            "alpha": f"{100 * settings.alpha:g}",
            "tolerance": f"{1000 * settings.tolerance:g}",
            "odds_effect": f"{settings.odds_effect:g}",
            "slower_effect": f"{settings.slower_effect:g}",
            "least_requests": settings.least_requests,
            "error_ceiling": f"{100 * settings.error_ceiling:g}",
            "drift": settings.drift,
        }

    @property
    def changes(self) -> dict[str, Any]:
        """Return the settings as the judge takes them."""
        given = self.cleaned_data
        scaled = {"alpha": given["alpha"] / 100, "error_ceiling": given["error_ceiling"] / 100}
        return {**given, **scaled, "tolerance": given["tolerance"] / 1000}
