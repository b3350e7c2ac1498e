"""Withdraw a package from devices."""

from __future__ import annotations

from django import forms


class WithdrawForm(forms.Form):
    reason = forms.CharField(max_length=500, help_text="It stands in the history.")
    seen = forms.IntegerField(widget=forms.HiddenInput)
