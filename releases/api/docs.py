"""The OpenAPI document at `/api/schema/`, its Swagger page at `/api/docs/`, and the answer to wrong addresses."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from releases.api.endpoint import Endpoint


class Document(SpectacularAPIView):
    """The OpenAPI document of everything here."""

    permission_classes = [AllowAny]


class Docs(SpectacularSwaggerSplitView):
    """The Swagger page; its start script is a file of its own, so that our policy holds."""

    permission_classes = [AllowAny]
    url_name = "api-schema"
    template_name = "api/page.html"


@extend_schema(exclude=True)
class Nowhere(Endpoint):
    """Answers in JSON for an address that does not exist, where Django would send a page or redirect a POST."""

    permission_classes = [AllowAny]
    parser_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("There is no such address. Every address of this API ends with a slash; /api/docs/ lists them.")

    def get(self, request: Request, **kwargs: Any) -> Response:
        raise NotFound
