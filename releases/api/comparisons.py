"""What a shadow has found, and its end by hand."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import shadows
from releases.api.endpoint import Endpoint
from releases.api.releases import ReleaseShape, every_release, shown
from releases.api.rollouts import MaybeReasonBody
from releases.queries import comparing


class LargestShape(serializers.Serializer):
    apart = serializers.FloatField(read_only=True, help_text="difference of the numbers, or shift of a probability")
    at = serializers.FloatField(read_only=True, help_text="when it came (epoch seconds)")
    id = serializers.CharField(read_only=True, help_text="X-Request-Id of the request")
    inputs = serializers.DictField(
        read_only=True, help_text="without sensitive fields; needs the right to keep requests"
    )
    live = serializers.JSONField(read_only=True)
    shadow = serializers.JSONField(read_only=True)


class SegmentShape(serializers.Serializer):
    field = serializers.CharField(read_only=True)
    value = serializers.CharField(read_only=True)
    pairs = serializers.IntegerField(read_only=True)
    disagreed = serializers.IntegerField(read_only=True)
    rate = serializers.FloatField(read_only=True)


class ComparisonShape(serializers.Serializer):
    verdict = serializers.ChoiceField(["pass", "fail", "hold"], read_only=True)
    words = serializers.CharField(read_only=True)
    pairs = serializers.IntegerField(read_only=True)
    disagreed = serializers.IntegerField(read_only=True)
    rate = serializers.FloatField(read_only=True, help_text="share of the pairs that disagree, 0 to 1")
    interval = serializers.ListField(child=serializers.FloatField(), read_only=True, help_text="of the rate, 95 %")
    above = serializers.FloatField(read_only=True, help_text="evidence that it is more than the limit; 20 is enough")
    below = serializers.FloatField(read_only=True, help_text="evidence that it is less; 20 is enough")
    rule = serializers.DictField(read_only=True, help_text="limit, pairs, atol, rtol")
    failed = serializers.DictField(read_only=True, help_text="pairs without an answer of the shadow, by reason")
    unpaired = serializers.IntegerField(read_only=True, help_text="requests that the live package failed on")
    dropped = serializers.IntegerField(read_only=True, help_text="requests for which there was no room")
    flips = serializers.DictField(read_only=True, help_text="classes that changed: `from → to`")
    segments = SegmentShape(many=True, read_only=True, help_text="where they disagree most")
    largest = LargestShape(many=True, read_only=True)
    seconds = serializers.DictField(read_only=True, help_text="time in the model: {live, shadow} × {p50, p99}")
    error = serializers.CharField(read_only=True, help_text="why no shadow process can answer, or empty")


class End(Endpoint):
    @extend_schema(request=MaybeReasonBody, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """End a shadow now; what it has shown becomes evidence about its package."""
        release = get_object_or_404(every_release(), pk=pk)
        shadows.end(actor=self.person, release=release, **self.body(MaybeReasonBody))
        return Response(shown(release.pk, request))


class Comparison(Endpoint):
    @extend_schema(responses=ComparisonShape)
    def get(self, request: Request, pk: str) -> Response:
        """Look at what a shadow has found so far."""
        found = comparing.of(get_object_or_404(every_release(), pk=pk))
        if found is None:
            raise NotFound("This release is no shadow.")
        return Response(shape(found, inputs=comparing.may_see_inputs(self.person)))


def shape(found: comparing.Comparison, inputs: bool) -> dict[str, Any]:
    """Return a comparison as JSON; inputs only for those who may see them."""
    tally, finding = found.tally, found.finding
    return {
        **{name: getattr(finding, name) for name in ("verdict", "words", "rate", "interval", "above", "below")},
        **{name: getattr(tally, name) for name in ("pairs", "disagreed", "failed", "unpaired", "dropped", "flips")},
        "rule": found.rule.to_json(),
        "segments": [vars(each) for each in found.segments],
        "largest": [
            {
                "apart": each.apart,
                "at": each.at,
                "id": each.id,
                "inputs": each.inputs if inputs else {},
                "live": each.live,
                "shadow": each.shadow,
            }
            for each in tally.largest
        ],
        "seconds": found.seconds,
        "error": tally.error,
    }
