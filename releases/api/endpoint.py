"""The two shapes of an API view: one that does something, and one that lists rows."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from releases.api.pagination import MOST
from releases.api.parsing import Body, Json, Query, Whole
from releases.api.schema import Schema
from releases.models import MLModel, Package


class Endpoint(APIView):
    """Reads the query strictly, answers JSON that no cache keeps. `query` says what may stand behind the `?`."""

    schema = Schema()
    parser_classes = [Json]
    http_method_names = ["get", "post", "patch", "delete", "head"]
    query: type[Query] = Query
    given: dict[str, Any]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        request.encoding = "utf-8"  # whatever character set the client names: the addresses are UTF-8
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        reads = request.method in ("GET", "HEAD")
        self.given = checked(self.query if reads else Query, request.query_params.dict())

    @property
    def person(self) -> User:
        """Who calls; the permission class lets nobody in who is not signed in."""
        return cast(User, self.request.user)

    def body(self, form: type[Body]) -> dict[str, Any]:
        """Return the checked body; raises ValidationError with each wrong field."""
        return checked(form, self.request.data)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class Listing(Endpoint, ListAPIView):
    """A list in pages: `rows()` gives the queryset for `self.given`."""

    query: type[Query]
    filter_backends = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.query = _with_pages(type(self).query)
        super().initial(request, *args, **kwargs)

    def rows(self) -> QuerySet:
        raise NotImplementedError

    def get_queryset(self) -> QuerySet:
        return self.rows()


def _with_pages(query: type[Query]) -> type[Query]:
    fields = {"page": serializers.CharField(required=False), "page_size": Whole(max_value=MOST, required=False)}
    return type(query.__name__, (query,), fields)


def checked(form: type[Body], data: Any) -> dict[str, Any]:
    parsed = form(data=data)
    parsed.is_valid(raise_exception=True)
    values: dict[str, Any] = parsed.validated_data
    return values


def created(data: Any) -> Response:
    return Response(data, 201)


def package_of(model: MLModel, number: int) -> Package:
    """Return the package that a body names by model and number; raises ValidationError on `package`."""
    package = Package.objects.select_related("model").filter(model=model, number=number).first()
    if package is None:
        raise serializers.ValidationError({"package": [f"{model.name} has no package {number}."]})
    return package


def narrowed(rows: QuerySet, given: dict[str, Any], lookups: dict[str, str]) -> QuerySet:
    """Filter by each given name; `lookups` maps it to the column."""
    return rows.filter(**{lookup: given[name] for name, lookup in lookups.items() if given.get(name) is not None})
