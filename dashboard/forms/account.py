"""The password form: Django's own, with help in one sentence."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import PasswordChangeForm


class PasswordForm(PasswordChangeForm):
    """Old password, new password twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].widget.attrs.pop("autofocus", None)  # the tokens stand before it
        self.fields["new_password1"].help_text = "At least 12 characters; no common password, and not your name."
        self.fields["new_password2"].label = "New password again"
        self.fields["new_password2"].help_text = ""
