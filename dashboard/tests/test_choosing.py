"""The page that says how to serve a model."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db
PAGE = "/models/flight-eta/serving-mode/"


@pytest.fixture
def client(signed_in, redis, packages):
    return signed_in("viewer")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "Real-time REST"),
        ("?latency=hour&arrival=file", "<strong>Batch</strong>"),
        ("?latency=minute&arrival=events", "<strong>Stream</strong>"),
        ("?latency=second&online=no", "Look at its devices"),
    ],
)
def test_it_recommends_with_reasons(client, query, words):
    answer = client.get(PAGE + query)
    assert answer.status_code == 200
    assert words in answer.content.decode()


def test_what_makes_no_sense_is_said_on_the_form(client):
    answer = client.get(f"{PAGE}?latency=week&rows=-3")
    assert answer.status_code == 400
    assert "week is not one of the available choices" in answer.content.decode()


def test_without_redis_it_still_answers(signed_in, packages, no_redis):
    assert "Not called yet" in signed_in("viewer").get(PAGE).content.decode()
