"""Schemathesis reads the OpenAPI document and calls everything in it with what it allows and with what it forbids."""

from __future__ import annotations

import contextlib
import logging
import os

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from releases.actions import keys
from releases.tests.api.test_roles import ids  # noqa: F401 - a fixture

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
PLAN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def document():
    """The API as a WSGI server sees it; the test's own connection must outlive each request."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield _document()
    for signal in signals:
        signal.connect(close_old_connections)


def _document():
    found = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
    found.app = _closed(get_wsgi_application())
    return found


def _closed(application):
    """Close each answer as a server does; the caller of a test does not."""

    def call(environ, start):
        with contextlib.closing(application(environ, start)) as parts:
            return [b"".join(parts)]

    return call


DEVICE = {"Authorization": "Bearer sk_a_device_that_is_fuzzed"}


@pytest.fixture
def header(person, environments) -> dict[str, str]:
    secret = DEVICE["Authorization"].removeprefix("Bearer ")
    keys.issue(actor=None, environment=environments["production"], name="fuzzed device", secret=secret)
    _, secret = keys.issue_token(user=person("admin"), name="fuzz")
    return {"Authorization": f"Token {secret}"}


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_is_sent_is_answered_as_the_document_says(mode, document, header, ids):  # noqa: F811
    logging.disable(logging.CRITICAL)
    try:
        for found in document.get_all_operations():
            operation = found.ok()
            if mode == GenerationMode.NEGATIVE and not takes_something(operation):
                continue
            with transaction.atomic():
                fuzz(operation, mode, header, ids)
                transaction.set_rollback(True)
    finally:
        logging.disable(logging.NOTSET)


def takes_something(operation) -> bool:
    return bool(operation.body or operation.query or operation.path_parameters)


def fuzz(operation, mode: GenerationMode, header: dict[str, str], known: dict[str, int]) -> None:
    """Call one operation; every other time on something that is there."""
    name = "dev" if "environments" in operation.path else "flight-eta"
    there = {"name": name, "number": "1", "kind": "smoke", "case": "1", "channel": "stable", "file": "model.onnx"}
    there["bundle"] = "0" * 64
    kinds = {"intakes": "intake", "keys": "key", "releases": "running", "batches": "batch"}
    kind = "schedule" if "schedules" in operation.path else kinds.get(operation.path.split("/")[2], "key")
    there["id"] = str(known[kind])

    header = DEVICE if operation.path.startswith("/api/edge/") else header

    @PLAN
    @given(case=operation.as_strategy(generation_mode=mode), on_something=st.booleans())
    def call(case, on_something: bool) -> None:
        if on_something and mode == GenerationMode.POSITIVE:
            case.path_parameters.update({name: there[name] for name in case.path_parameters})
        # An in-process caller does not unpack what the middleware compresses.
        answer = case.call(headers=header | {"Accept-Encoding": "identity"})
        case.validate_response(answer, checks=CHECKS)

    call()
