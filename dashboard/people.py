"""The signed-in person behind a request, as the verbs want them."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest


def person(request: HttpRequest) -> User:
    """Return the person; every page but sign-in and health needs one, so there is one."""
    return cast(User, request.user)
