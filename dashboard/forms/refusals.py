"""What a verb refuses is said in its form, at the field that it names, with the status that REST would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.forms import BaseForm

from releases.errors import Conflict, Forbidden, Refused

Result = TypeVar("Result")


def attempt(form: BaseForm, verb: Callable[[], Result]) -> tuple[Result | None, int]:
    """Call the verb when the form is valid; returns its result and 200, or None and 400, 403 or 409."""
    if not form.is_valid():
        return None, 400
    try:
        return verb(), 200
    except (Refused, Conflict, Forbidden) as error:
        return None, _tell(form, error)


def _tell(form: BaseForm, error: Refused | Conflict | Forbidden) -> int:
    if isinstance(error, Refused):
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return 400
    form.add_error(None, error.message)
    return 409 if isinstance(error, Conflict) else 403
