"""Every error as JSON with words for people; nothing that goes wrong shows a traceback to a client.

400 `{"<field>": ["sentence"]}`, 409 `{"detail": "sentence", "legal": [...]}`, all others `{"detail": "sentence"}`.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from rest_framework.exceptions import APIException, ErrorDetail, ParseError, ValidationError
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler, set_rollback

from releases.errors import Conflict, Forbidden, Refused

log = logging.getLogger(__name__)

WHOLE = api_settings.NON_FIELD_ERRORS_KEY


class TooLarge(APIException):
    """The body is larger than this server takes (413)."""

    status_code = 413
    default_detail = "The body is too large."
    default_code = "too_large"


def answer(exception: Exception, context: dict[str, Any]) -> Response:
    """Turn any exception of a view into its answer. The verbs' errors, the framework's, and our own mistakes."""
    set_rollback()
    known = _of_a_verb(exception) or _of_the_framework(exception, context) or _of_the_database(exception)
    return known or _ours(exception)


def _of_a_verb(exception: Exception) -> Response | None:
    if isinstance(exception, Refused):
        return Response({exception.field: [exception.message]}, 400)
    if isinstance(exception, Conflict):
        return Response({"detail": exception.message, "legal": exception.legal}, 409)
    if isinstance(exception, Forbidden):
        return Response({"detail": exception.message}, 403)
    return None


def _of_the_framework(exception: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(exception, RequestDataTooBig):
        exception = TooLarge()
    if isinstance(exception, SuspiciousOperation):
        exception = ParseError("The request is malformed.")
    if isinstance(exception, ValidationError | ParseError):
        return Response(_by_field(exception.detail), 400)
    return exception_handler(exception, context)


def _of_the_database(exception: Exception) -> Response | None:
    if isinstance(exception, DataError):
        return Response({WHOLE: ["A value has a form or a size that the database cannot keep."]}, 400)
    if isinstance(exception, OperationalError | InterfaceError):
        log.warning("The database is away or busy: %s", exception)
        words = "The database is away or busy. Predictions go on; try this again in a moment."
        return Response({"detail": words}, 503, headers={"Retry-After": "5"})
    return None


def _ours(exception: Exception) -> Response:
    log.error("An API view failed", exc_info=exception)
    return Response({"detail": "Something went wrong on our side; the log of the web process says what."}, 500)


def _by_field(detail: Any) -> dict[str, list[str]]:
    """Return {field: [sentences]}, however deep the framework nested them."""
    if isinstance(detail, dict):
        return {str(field): list(sentences(found)) for field, found in detail.items()}
    return {WHOLE: list(sentences(detail))}


def sentences(detail: Any) -> list[str]:
    """Return every sentence of the framework's nested lists and dicts, each once."""
    if isinstance(detail, ErrorDetail | str):
        return [str(detail)]
    inner = detail.values() if isinstance(detail, dict) else detail
    return list(dict.fromkeys(sentence for part in inner for sentence in sentences(part)))
