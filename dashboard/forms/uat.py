"""Forms of user acceptance: a case of the plan, a mark, an input of one's own, the signature, the rejection."""

from __future__ import annotations

from typing import Any

from django import forms

from dashboard.forms.playground import InputForm
from serving.contract import Signature
from testing.models import SheetCase
from testing.models.uat import Expectation

NOTE = forms.Textarea(attrs={"rows": 2})


class PlanForm(forms.Form):
    """What a case is about, what to look at, and what is expected; its input is a form of its own."""

    title = forms.CharField(max_length=200, help_text="In business words, such as: a short flight in winter.")
    look_at = forms.CharField(
        max_length=1000, required=False, widget=NOTE, label="What to look at", help_text="For the person who judges."
    )
    expectation = forms.ChoiceField(choices=Expectation.choices, initial=Expectation.PERSON)
    wanted = forms.CharField(
        max_length=200, required=False, label="Expected answer", help_text="For an exact answer, or a number near this."
    )
    tolerance = forms.FloatField(required=False, min_value=0, help_text="How far from it the number may be.")
    least = forms.FloatField(required=False, label="At least", help_text="For a number between limits.")
    most = forms.FloatField(required=False, label="At most")


class MarkForm(forms.Form):
    """What the person made of the answer."""

    mark = forms.ChoiceField(choices=[(SheetCase.Mark.PASS, "Pass"), (SheetCase.Mark.FAIL, "Fail")], required=False)
    note = forms.CharField(max_length=2000, required=False, widget=NOTE)
    file = forms.FileField(required=False, label="Attach a file")


class OwnForm(forms.Form):
    """What an input of one's own is called."""

    title = forms.CharField(max_length=200, required=False, help_text="What you want to see with it.")


class SignForm(forms.Form):
    """The signature: the statement confirmed, and the password again."""

    statement = forms.BooleanField(error_messages={"required": "Confirm the statement; it stands on the sheet."})
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}), label="Your password again"
    )


class RejectForm(forms.Form):
    """Why the package is refused."""

    reason = forms.CharField(
        max_length=500,
        widget=NOTE,
        help_text="It is told to those who wait for this package, and stands on the sheet.",
        error_messages={"required": "Say why; it is told to those who wait for this package."},
    )


def input_form(signature: Signature, row: dict[str, Any] | None, data: Any = None) -> InputForm:
    """Return the fields of one row of the signature, filled with a row."""
    return InputForm(signature, [row] if row else [], data)


def row_of(form: InputForm) -> dict[str, Any]:
    """Return the row that was typed, by the names of the signature."""
    first = (form.instances() or [None])[0]
    return first if isinstance(first, dict) else {form.signature.inputs[0].name: first}
