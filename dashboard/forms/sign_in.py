"""The sign-in form: Django's own, with a sentence that says what to check."""

from __future__ import annotations

from django.contrib.auth.forms import AuthenticationForm


class SignInForm(AuthenticationForm):
    """Username and password; the same sentence for an unknown name and a wrong password."""

    error_messages = {
        "invalid_login": "This username and password do not belong together. Passwords are case-sensitive.",
        "inactive": "This account is switched off. Ask an admin.",
    }
