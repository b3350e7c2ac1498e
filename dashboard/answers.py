"""What a page answers when a verb says no: 400, 403 or 409, each in words and with the way on."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.forms import Form
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from releases.errors import Conflict, Forbidden, Refused

View = Callable[..., HttpResponseBase]

# What the moves of the lifecycle table and the ways out of a conflict are called on a page.
MOVES = {
    "begin": "it begins by itself",
    "shift": "it switches by itself",
    "watch": "it is watched by itself",
    "finish": "it finishes by itself",
    "abort": "stop it",
    "fail": "roll it back",
    "pause": "pause it",
    "resume": "let it go on",
    "weight": "change its share",
    "steps": "change its steps",
    "promote": "promote it now",
    "end": "end it",
    "hotfix": "release it as a hotfix",
    "recreate": "use the strategy recreate",
}


class Stale(Conflict):
    """The form was drawn before something changed; its page is drawn again with what is true now."""


def complain(form: Form, error: Refused | Conflict) -> None:
    """Put a verb's refusal on the form: on its field where it names one, else on top, with the legal moves."""
    if isinstance(error, Refused):
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return
    ways = moves(error)
    form.add_error(None, f"{error.message} Possible now: {', or '.join(ways)}." if ways else error.message)
    form.conflict = 409  # type: ignore[attr-defined]


def explained(view: View) -> View:
    """Turn a verb's refusal into a page with the right status; forms that can show it themselves catch it first."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except Forbidden as error:
            return render(request, "errors/403.html", {"reason": error.message}, status=403)
        except Conflict as error:
            return render(request, "errors/409.html", _conflict(request, error), status=409)
        except Refused as error:
            return render(request, "errors/400.html", {"reason": error.message}, status=400)

    return answer


def moves(error: Conflict) -> list[str]:
    """The legal next moves in words; addresses are left to the page that shows the gates."""
    words = [MOVES.get(move, move) for move in error.legal if not move.startswith("/")]
    people = [word for word in words if not word.endswith("by itself")]
    return people or words


def _conflict(request: HttpRequest, error: Conflict) -> dict[str, Any]:
    back = request.META.get("HTTP_REFERER", "")
    own = back.startswith(f"{request.scheme}://{request.get_host()}/")
    return {"reason": error.message, "moves": moves(error), "back": back if own else ""}
