"""The kinds of suite, what can be set, and how a model's own runs are set."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from releases.api.endpoint import Endpoint
from releases.api.parsing import Body
from releases.models import MLModel
from releases.queries.wanted import settings_for
from testing import actions
from testing.suites import SUITES
from testing.suites.base import Suite
from testing.suites.settings import described


class SuiteShape(serializers.Serializer):
    kind = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    summary = serializers.CharField(read_only=True)
    settings = serializers.ListField(child=serializers.DictField(), read_only=True, help_text="what can be set")


class SuiteSettings(serializers.Serializer):
    kind = serializers.CharField(read_only=True)
    values = serializers.DictField(read_only=True, help_text="what differs from the suite's own")
    digest = serializers.CharField(read_only=True, help_text="by which evidence knows them")


class ValuesBody(Body):
    values = serializers.DictField(help_text="every setting that differs from the suite's own; {} for none")


class Suites(Endpoint):
    @extend_schema(responses=SuiteShape(many=True))
    def get(self, request: Request) -> Response:
        """List the kinds of suite and what can be set of each."""
        return Response([_described(suite) for suite in SUITES.values()])


class ModelSuite(Endpoint):
    @extend_schema(responses=SuiteSettings)
    def get(self, request: Request, name: str, kind: str) -> Response:
        """Look at how a suite runs for a model."""
        return Response(_settings(get_object_or_404(MLModel, name=name), _known(kind)))

    @extend_schema(request=ValuesBody, responses=SuiteSettings)
    def patch(self, request: Request, name: str, kind: str) -> Response:
        """Set how a suite runs for a model; what it showed with other settings counts no more."""
        model = get_object_or_404(MLModel, name=name)
        actions.set_up(actor=self.person, model=model, kind=_known(kind), **self.body(ValuesBody))
        return Response(_settings(model, kind))


def _known(kind: str) -> str:
    if kind not in SUITES:
        raise NotFound(f"There is no suite {kind!r}. Choose one of: {', '.join(SUITES)}.")
    return kind


def _described(suite: Suite) -> dict[str, Any]:
    shown = {"kind": suite.kind, "title": suite.label, "summary": suite.summary}
    return shown | {"settings": described(suite.Settings)}


def _settings(model: MLModel, kind: str) -> dict[str, Any]:
    values, digest = settings_for(model, kind)
    return {"kind": kind, "values": values, "digest": digest}
