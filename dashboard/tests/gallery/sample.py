"""Made-up figures for the gallery of components."""

# ruff: noqa: E501 - code samples
from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms

DIGEST = "sha256:9f2c1b7e04d85a6c3f1e2b9d7c8a5f60413e2d1c0b9a88776655443322a171ae"


class Sample(forms.Form):
    """A form with one field of each kind."""

    name = forms.CharField(help_text="Small letters and hyphens, such as flight-eta.")
    model_environment = forms.ChoiceField(label="Environment", choices=[("dev", "dev"), ("production", "production")])
    distance = forms.FloatField(min_value=0, help_text="Greater than 0.")
    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), help_text="It stands in the activity for good.")
    notify = forms.BooleanField(label="Tell the developer", required=False)
    kind = forms.ChoiceField(widget=forms.RadioSelect, choices=[("r", "Recreate"), ("b", "Blue/green")], required=False)
    upload = forms.FileField(label="Package")


class Filter(forms.Form):
    """What a list is filtered by."""

    model = forms.ChoiceField(choices=[("", "All models"), ("flight-eta", "flight-eta")], required=False)
    state = forms.ChoiceField(choices=[("", "All states"), ("live", "Live")], required=False)
    who = forms.CharField(required=False)


def _wave(base: float, height: float, turn: float) -> list[float]:
    return [round(base + height * math.sin(i / 3 + turn) + height / 3 * math.sin(i * 1.7 + turn), 2) for i in range(60)]


def _times(now: datetime) -> list[str]:
    return [(now - timedelta(minutes=60 - i)).isoformat(timespec="seconds") for i in range(60)]


def latency(now: datetime) -> dict[str, Any]:
    """A latency chart: two packages, three percentiles, one limit, two events."""
    lines = [
        ("Package 3 p99", "stable", "dot", 46, 2),
        ("Package 4 p99", "candidate", "dot", 37, 1.4),
        ("Package 3 p50", "stable", "solid", 14, 0.7),
        ("Package 4 p50", "candidate", "solid", 12.5, 0.5),
    ]
    data = [
        {"type": "scatter", "mode": "lines", "name": name, "x": _times(now), "y": _wave(base, height, i)}
        | {"line": {"color": f"token:{token}", "dash": dash, "width": 2}}
        for i, (name, token, dash, base, height) in enumerate(lines)
    ]
    events = [{"at": _times(now)[12], "label": "10 %"}, {"at": _times(now)[30], "label": "25 %"}]
    return {"data": data, "unit": "ms", "limits": [{"value": 60, "label": "limit 60 ms"}], "events": events}


def traffic(now: datetime) -> dict[str, Any]:
    """Traffic share over time, as two stacked areas."""
    share = [0 if i < 12 else 10 if i < 30 else 25 for i in range(60)]
    areas = [("Package 4", "candidate", share, 0.55), ("Package 3", "stable", [100 - s for s in share], 0.18)]
    return {
        "data": [
            {"type": "scatter", "mode": "lines", "name": name, "x": _times(now), "y": values, "stackgroup": "share"}
            | {"line": {"color": f"token:{token}", "width": 1.5, "shape": "hv"}, "fillcolor": f"token:{token}/{alpha}"}
            for name, token, values, alpha in areas
        ],
        "unit": "%",
        "layout": {"yaxis": {"range": [0, 100]}},
    }


def context() -> dict[str, Any]:
    """Everything that the gallery's template shows."""
    now = datetime.now(UTC)
    wrong = Sample({"name": "", "distance": "-1", "model_environment": "dev"}, {}, auto_id="wrong_%s")
    return {
        "now": now,
        "digest": DIGEST,
        "form": Sample(initial={"name": "flight-eta", "distance": 1400}),
        "wrong": wrong,
        "filter": Filter({}),
        "latency": latency(now),
        "traffic": traffic(now),
        "columns": ["Time", "Package 3 p99", "Package 4 p99"],
        "rows": [["14:00", "46.1 ms", "37.4 ms"], ["14:01", "47.0 ms", "36.9 ms"]],
        "spark": [3, 5, 4, 6, 9, 8, 12, 11, 9, 13, 12, 15, 14, 13, 16, 15, 18],
        "figures": [
            {"label": "p99 latency", "value": "37.4\u00a0ms", "note": "−22 % against package 3", "tone": "good"},
            {"label": "Error rate", "value": "0.04\u00a0%", "note": "limit 0.50 %", "tone": "good"},
            {"label": "Throughput", "value": "412\u00a0req/s", "note": "103 on the candidate"},
            {"label": "Refused input", "value": "1.8\u00a0%", "note": "was 0.2 % yesterday", "tone": "warn"},
        ],
        "steps": [
            {"title": "Registered", "detail": "13:40", "state": "done"},
            {"title": "Gates", "detail": "3 of 3", "state": "done"},
            {"title": "Preparing", "detail": "warm in 1.2 s", "state": "done"},
            {"title": "Shifting", "detail": "25 % for 8 min", "state": "current"},
            {"title": "Live", "detail": "waiting", "state": "todo"},
        ],
        "intake": [
            {"title": "Unpack", "detail": "7 files, 1.2 MB", "state": "done", "took": "0.1 s"},
            {"title": "Inspect types", "detail": "12 types, all on the list", "state": "done", "took": "0.3 s"},
            {"title": "Convert to ONNX", "detail": "", "state": "current"},
            {"title": "Prove equal", "detail": "", "state": "todo"},
        ],
        "events": [
            {"title": "Raised to 25 %", "at": now - timedelta(minutes=8), "who": "R. Okafor", "tone": "accent"},
            {
                "title": "Gate passed",
                "detail": "p99 41 ms is under the limit of 60 ms",
                "at": now - timedelta(minutes=29),
            }
            | {"who": "Slipway", "tone": "good"},
            {"title": "Package 2 rolled back", "at": now - timedelta(hours=3), "who": "A. Haddad", "tone": "bad"},
            {"title": "Registered", "at": now - timedelta(days=2), "who": "CI"},
        ],
        "parts": [
            {"weight": 75, "label": "Package 3", "arm": "stable"},
            {"weight": 25, "label": "Package 4", "arm": "candidate"},
        ],
        "conditions": [
            {"text": "Smoke suite is green in staging", "met": True},
            {"text": "Load suite has not been run against this digest", "met": False, "url": "#", "link": "Run it"},
            {"text": "Nobody has signed the acceptance test", "met": False, "url": "#", "link": "Ask for a sign-off"},
        ],
        "tabs": [
            {
                "label": "curl",
                "code": "curl -s http://127.0.0.1:8100/v1/models/flight-eta:predict \\\n  -H 'Authorization: Bearer …' \\\n  -d '{\"instances\": [{\"distance\": 1400}]}'",
            },
            {
                "label": "Python",
                "code": 'import httpx\n\nanswer = httpx.post(url, json={"instances": [{"distance": 1400}]})\nprint(answer.json()["predictions"])',
            },
            {"label": "JavaScript", "code": 'const answer = await fetch(url, { method: "POST", body });'},
        ],
        "pairs": [
            {"label": "Digest", "value": DIGEST, "digest": True},
            {"label": "Format", "value": "MLflow folder, skops"},
            {"label": "Served by", "value": "ONNX Runtime, equal within 0.0001"},
            {"label": "Registered", "at": now - timedelta(hours=2)},
        ],
        "diff": [
            {"name": "Package", "before": "3", "after": "4"},
            {"name": "Signature", "before": "5 fields", "after": "5 fields", "note": "compatible"},
            {"name": "p99 latency", "before": "48.0 ms", "after": "37.4 ms", "note": "22 % faster", "tone": "good"},
            {"name": "Size", "before": "1.1 MB", "after": "14.2 MB", "note": "13 times larger", "tone": "warn"},
        ],
        "troubles": [
            {"text": "Gateway production is away", "since": now, "detail": "Nothing is being judged.", "url": "#"}
        ],
        "states": ["waiting", "preparing", "shifting", "watching", "live", "failed", "aborted", "retired", "paused"],
        "verdicts": ["pass", "fail", "hold", "running", "refused", "skipped", "away", "candidate", "stable"],
        "packages": [
            {"number": n, "state": s, "runtime": "ONNX", "p99": p, "size": b, "at": now - timedelta(hours=3 * n * n)}
            for n, s, p, b in [
                (4, "shifting", 0.0374, 14_200_000),
                (3, "live", 0.048, 1_100_000),
                (2, "failed", None, 98_000),
                (1, "retired", 0.0009, 1200),
            ]
        ],
        "board": _board(now),
    }


def _board(now: datetime) -> list[dict[str, Any]]:
    spark = [3, 5, 4, 6, 9, 8, 12, 11, 9, 13, 12, 15, 14, 13, 16, 15, 18]
    live = {"package": "Package 3", "url": "#", "state": "live", "since": now - timedelta(days=3), "spark": spark}
    live |= {"p99": 0.0481, "error_rate": 0.0004, "rate": 103.0, "figures": True, "parts": [], "back_url": "#"}
    moving = live | {
        "package": "Package 4",
        "state": "shifting",
        "state_text": "Shifting 25 %",
        "next": "Raise to 50 %",
    }
    moving |= {"next_url": "#", "since": now - timedelta(minutes=8)}
    moving["moving"] = {"text": "Release 12 is shifting", "url": "#"}
    moving["parts"] = [
        {"weight": 75, "label": "Package 3", "arm": "stable"},
        {"weight": 25, "label": "Package 4", "arm": "candidate"},
    ]
    stuck = live | {
        "back_url": "",
        "blocked": "2 gates unmet for production",
        "blocked_url": "#",
        "package": "Package 4",
    }
    first = {"next": "Promote package 2", "next_url": "#"}
    return [
        {
            "name": "flight-eta",
            "note": "Minutes in the air",
            "cells": [("dev", live), ("test", live), ("staging", stuck), ("production", moving)],
        },
        {
            "name": "tumour-check",
            "note": "Benign or malignant",
            "cells": [("dev", live), ("test", stuck), ("staging", first), ("production", {})],
        },
    ]
