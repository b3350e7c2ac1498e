"""The pages of streams."""

from __future__ import annotations

import pytest

from releases.models import MLModel
from releases.tests.modes.test_streams import NAMES, add, set_aside
from serving.streams import broker

pytestmark = pytest.mark.django_db
PAGE = "/streams/dev/flight-eta/"


@pytest.fixture
def client(signed_in, redis, model):
    return signed_in("release manager")


def test_a_stream_that_is_late_says_so_everywhere(client, redis):
    assert "No stream yet" in client.get("/streams/").content.decode()
    add(redis, "a", ago=90)
    assert "Late" in client.get("/streams/?part=list").content.decode()
    page = client.get(PAGE).content.decode()
    assert "waits for longer than is accepted" in page
    assert "/dev/stream/flight-eta" in page
    for path in ("/", "/health/troubles/"):
        assert "The stream of flight-eta in dev is late" in client.get(path).content.decode()


def test_letters_are_sent_in_again_from_the_page(client, redis):
    set_aside(redis, "a", "b")
    page = client.get(PAGE)
    assert "it broke a rule" in page.content.decode()
    entry = page.context["letters"][0].entry
    assert client.post(f"{PAGE}replay/", {"entry": entry}).status_code == 302
    assert client.post(f"{PAGE}replay/", {"entry": entry}).status_code == 409
    assert client.post(f"{PAGE}replay/", {"entry": "made up"}).status_code == 400
    client.post(f"{PAGE}replay/")
    assert broker.depth(redis, NAMES).records == 2


def test_how_late_it_may_be_is_changed_and_checked(client):
    assert client.post(f"{PAGE}accept/", {"seconds": "2.5"}).status_code == 302
    assert MLModel.objects.get().stream_seconds == 2.5
    for wrong in ("", "soon", "-1"):
        assert client.post(f"{PAGE}accept/", {"seconds": wrong}).status_code == 400


def test_without_redis_the_pages_say_so(signed_in, model, no_redis):
    client = signed_in("viewer")
    for address in ("/streams/", PAGE):
        assert "Redis is away" in client.get(address).content.decode()


def test_results_are_sent_where_the_page_says(client, redis):
    assert client.post(f"{PAGE}hook/", {"url": "ftp://x"}).status_code == 400
    answer = client.post(f"{PAGE}hook/", {"url": "https://shop.example.com/results"}, follow=True)
    page = answer.content.decode()
    assert "shown once" in page
    assert "https://shop.example.com/results" in page
    assert "0 delivered" in page
    assert client.post(f"{PAGE}hook/", {"url": ""}).status_code == 302
    assert client.post(f"{PAGE}hook/", {"url": ""}).status_code == 409
