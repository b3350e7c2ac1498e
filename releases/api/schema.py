"""The OpenAPI schema, with the errors that every call can answer, and its Swagger page under our strict policy."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

PROBLEM = inline_serializer("Problem", {"detail": serializers.CharField(read_only=True)})
CONFLICT = inline_serializer(
    "ConflictProblem",
    {
        "detail": serializers.CharField(read_only=True),
        "legal": serializers.ListField(
            child=serializers.CharField(), read_only=True, help_text="what may be done instead"
        ),
    },
)
MISTAKES = {
    "type": "object",
    "description": "For each wrong field, what is wrong with it.",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
}
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Schema(AutoSchema):
    """Adds the query of a view and the errors of every call."""

    def get_override_parameters(self) -> list[Any]:
        query = getattr(self.view, "query", None)
        return [query] if self.method == "GET" and query and query().fields else []

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for code, problem in self._errors().items():
            shown = self._get_response_for_code(problem, code, None, direction)  # type: ignore[no-untyped-call]
            bodies.setdefault(code, shown)
        return bodies

    def _errors(self) -> dict[str, Any]:
        found = {"400": MISTAKES, "401": PROBLEM, "403": PROBLEM, "404": PROBLEM, "503": PROBLEM}
        if self.method in WRITES:
            found |= {"409": CONFLICT, "413": PROBLEM, "415": PROBLEM}
        return found
