"""Lists come in pages: `?page=` and `?page_size=`, at most 200 rows each."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request

MOST = 200


class Pages(PageNumberPagination):
    """`{"count", "next", "previous", "results"}`; a page that does not exist is 404."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = MOST
    invalid_page_message = "There is no such page."

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        page = request.query_params.get("page", "1")
        if not (page.isascii() and page.isdecimal() and len(page) < 10):
            raise NotFound(self.invalid_page_message)
        return super().paginate_queryset(queryset, request, view)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        found = super().get_paginated_response_schema(schema)
        return {**found, "required": ["count", "next", "previous", "results"]}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        page = {"type": "integer", "minimum": 1, "default": 1}
        size = {"type": "integer", "minimum": 1, "maximum": MOST, "default": self.page_size}
        both = {"page": page, "page_size": size}
        return [{"name": name, "in": "query", "required": False, "schema": found} for name, found in both.items()]
