from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from dashboard import endpoints, playground
from dashboard.addresses import Gateway
from dashboard.forms.playground import InputForm, help_of
from releases import routes
from releases.actions import environments as environment_actions
from releases.actions.keys import internal_secret
from releases.models import MLModel, Route
from releases.tests.conftest import make_package
from serving.contract import Signature

pytestmark = pytest.mark.django_db

SIGNATURE = {
    "inputs": [
        {"name": "distance", "type": "double", "required": True},
        {"name": "origin", "type": "string", "required": True},
        {"name": "hour", "type": "long", "required": True},
        {"name": "late", "type": "boolean", "required": True},
        {"name": "wind", "type": "double", "required": False},
    ],
    "outputs": [{"name": "minutes", "type": "double"}],
    "params": None,
    "metadata": {
        "constraints": {
            "distance": {"gt": 0, "unit": "miles", "description": "How far it flies"},
            "origin": {"values": ["EWR", "JFK"]},
            "hour": {"ge": 0, "le": 23},
        }
    },
}
EXAMPLE = [{"distance": 1400.5, "origin": "JFK", "hour": 7, "late": True, "wind": None}]
TYPED = {"input-0": "1400.5", "input-1": "JFK", "input-2": "7", "input-3": "true", "input-4": ""}


class Fake:
    """A gateway that keeps what it was asked and answers as told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], object]] = []
        self.answers: dict[str, tuple[int, object]] = {}

    def reply(self, environment: str) -> tuple[int, object]:
        return self.answers.get(environment, (200, {"predictions": [183.25]}))


@pytest.fixture(autouse=True)
def _connections_end_with_the_test(monkeypatch) -> Iterator[None]:
    made = []

    def keep(*given: str):
        made.append(real(*given))
        return made[-1]

    real = playground._kept.__wrapped__
    monkeypatch.setattr(playground, "_kept", keep)
    yield
    for client in made:
        client.close()


@pytest.fixture
def fake(settings) -> Iterator[Fake]:
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, found = fake.reply(self.path.split("/")[1])
            data = json.dumps(found).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": len(data),
                "X-Package": "1",
                "X-Package-Digest": "sha256:" + "ab" * 32,
                "X-Request-Id": "request-17",
            }.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.GATEWAYS = (Gateway("all", "127.0.0.1", server.server_port, ("*",)),)
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def live(environments, model, redis) -> Callable:
    """Put a package live without a release, as the tables show it."""

    def put(environment: str, number: int = 1, of: MLModel = model, **columns: object):
        given = {"signature": SIGNATURE, "example": EXAMPLE} | columns
        package = of.packages.filter(number=number).first() or make_package(of, number, **given)
        place = environments[environment]
        Route.objects.update_or_create(
            environment=place, model=of, defaults={"stable": package, "changed_at": timezone.now()}
        )
        routes.publish(place, "test")
        return package

    return put


def text(answer) -> str:
    return html.unescape(answer.content.decode()).replace("\u00a0", " ")


def ask(client, query: str = "?model=flight-eta&environment=dev", **typed: str):
    return client.post(f"/playground/{query}", TYPED | typed)


@pytest.fixture
def client(signed_in):
    return signed_in("viewer")


def test_without_any_model_the_page_says_what_to_do(client, redis):
    page = text(client.get("/playground/"))
    assert "There is no model to try" in page
    assert "Go to the models" in page


def test_a_model_that_is_live_nowhere_is_a_clear_state(client, model, redis):
    page = text(client.get("/playground/"))
    assert "No package of flight-eta answers in production" in page
    assert "It is not live anywhere yet." in page


def test_where_nothing_is_live_the_page_leads_to_where_it_is(client, live):
    live("dev")
    page = text(client.get("/playground/?model=flight-eta&environment=production"))
    assert "It is live in dev." in page
    assert "Try it in dev" in page


def test_the_page_starts_with_a_live_model_in_its_last_environment(client, live):
    live("dev")
    live("staging")
    page = text(client.get("/playground/"))
    assert "flight-eta in staging" in page


def test_the_form_follows_the_signature_and_is_filled_with_the_example(client, live):
    live("dev")
    page = text(client.get("/playground/?model=flight-eta&environment=dev"))
    assert re.search(r'<input[^>]*name="input-0"[^>]*value="1400.5"', page)
    assert '<option value="JFK" selected>JFK</option>' in page
    assert '<option value="EWR">EWR</option>' in page
    assert '<option value="true" selected>true</option>' in page
    assert "miles" in page
    assert "How far it flies. A number > 0." in page
    assert "A whole number ≥ 0, ≤ 23." in page
    assert page.count("optional</span>") == 1
    assert "required>" not in page


def test_an_answer_shows_value_package_digest_latency_and_request(client, live, fake):
    live("dev")
    page = text(ask(client))
    for words in ("183.25", "Package 1", "ababab…abab", "request-17", "seen from the web process"):
        assert words in page
    ((path, headers, body),) = fake.seen
    assert path == "/dev/v1/models/flight-eta:predict"
    assert headers["authorization"] == f"Bearer {internal_secret('dev')}"
    assert "x-package" not in headers
    assert body == {"instances": [{"distance": 1400.5, "origin": "JFK", "hour": 7, "late": True}]}


def test_htmx_gets_the_inner_part_alone(client, live, fake):
    live("dev")
    part = text(client.post("/playground/?model=flight-eta", TYPED, headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert "183.25" in part


def test_what_is_typed_is_sent_as_it_is_and_left_out_where_empty(client, live, fake):
    live("dev")
    ask(client, **{"input-0": "far", "input-1": "", "input-2": "7.5", "input-3": "maybe", "input-4": "NaN"})
    row = {"distance": "far", "hour": 7.5, "late": "maybe", "wind": "NaN"}
    assert fake.seen[0][2] == {"instances": [row]}


def test_what_the_gateway_refuses_stands_at_its_field(client, live, fake):
    live("dev")
    details = [
        {"row": 0, "field": "distance", "rule": "must be greater than 0"},
        {"row": 0, "field": "speed", "rule": "is not an input of this model"},
        {"row": None, "field": None, "rule": "the body is too large"},
    ]
    fake.answers["dev"] = (400, {"error": "instances[0].distance: must be greater than 0", "details": details})
    answer = ask(client, **{"input-0": "-1"})
    page = text(answer)
    assert answer.status_code == 200
    field = page[page.index('for="id_input-0"') : page.index('for="id_input-1"')]
    assert "Must be greater than 0." in field
    assert 'aria-invalid="true"' in field
    assert "Speed: Row 1: is not an input of this model." in page
    assert "The body is too large." in page
    assert 'value="-1"' in page
    assert "400" in page


def test_two_environments_answer_side_by_side_and_the_page_says_how_far_apart(client, live, fake):
    live("dev")
    live("production", number=2)
    fake.answers["production"] = (200, {"predictions": [190.25]})
    page = text(ask(client, "?model=flight-eta&environment=dev&compare=production"))
    assert "production answers 7 (3.8 %) more." in page
    assert [path.split("/")[1] for path, _, _ in fake.seen] == ["dev", "production"]
    assert [headers["authorization"] for _, headers, _ in fake.seen] == [
        f"Bearer {internal_secret(name)}" for name in ("dev", "production")
    ]


def test_one_environment_that_fails_leaves_the_other_answer_standing(client, live, fake):
    live("dev")
    fake.answers["production"] = (404, {"error": "There is no model flight-eta here."})
    page = text(ask(client, "?model=flight-eta&environment=dev&compare=production"))
    assert "183.25" in page
    assert "There is no model flight-eta here." in page


def test_a_package_that_is_loaded_can_be_asked_by_number(client, live, fake, environments):
    first = live("dev")
    second = live("dev", number=2)
    Route.objects.filter(environment=environments["dev"]).update(stable=second, previous=first)
    routes.publish(environments["dev"], "test")
    page = text(ask(client, "?model=flight-eta&environment=dev&package=1"))
    assert "asked for by number" in page
    assert fake.seen[0][1]["x-package"] == "1"
    assert "X-Package: 1" in page


def test_a_package_that_is_not_loaded_is_not_asked_for(client, live, fake):
    live("dev")
    ask(client, "?model=flight-eta&environment=dev&package=99")
    assert "x-package" not in fake.seen[0][1]


def test_a_classifier_shows_its_class_and_probabilities(client, live, fake):
    live("dev")
    found = {"label": "benign", "probabilities": {"benign": 0.93, "<b>malign</b>": 0.07}}
    fake.answers["dev"] = (200, {"predictions": [found]})
    answer = ask(client)
    assert "benign" in text(answer)
    assert "93 %" in text(answer)
    assert b"<b>malign" not in answer.content


def test_several_predictions_are_shown_as_json(client, live, fake):
    live("dev")
    fake.answers["dev"] = (200, {"predictions": [1, [2, 3]]})
    assert "[\n    2,\n    3\n  ]" in text(ask(client))


@pytest.mark.parametrize("found", [{}, [], {"predictions": None}, "text", {"predictions": 7}])
def test_an_answer_that_is_none_is_said_to_be_none(client, live, fake, found):
    live("dev")
    fake.answers["dev"] = (200, found)
    assert "has no predictions" in text(ask(client))


def test_a_gateway_that_is_away_is_a_clear_state(client, live, settings):
    live("dev")
    settings.GATEWAYS = (Gateway("all", "127.0.0.1", 9, ("*",)),)
    answer = ask(client)
    assert answer.status_code == 200
    assert "cannot be reached" in text(answer)
    assert "which gateways are alive" in text(answer)


def test_an_environment_without_a_gateway_says_which_setting_to_mend(client, live, settings):
    live("dev")
    settings.GATEWAYS = (Gateway("production", "127.0.0.1", 9, ("production",)),)
    assert "No gateway serves this environment (GATEWAYS)." in text(ask(client))


def test_many_inputs_make_a_compact_grid(client, live, fake, environments):
    wide = MLModel.objects.create(name="wide")
    names = [f"mean {number}" for number in range(30)]
    signature = {"inputs": [{"name": name, "type": "double", "required": True} for name in names]}
    live("dev", of=wide, signature=signature, example=[dict.fromkeys(names, 0.5)])
    page = text(client.get("/playground/?model=wide&environment=dev"))
    assert page.count("inputs is-many") == 1
    assert page.count('value="0.5"') == 30
    client.post("/playground/?model=wide&environment=dev", {f"input-{n}": str(n) for n in range(30)})
    assert fake.seen[0][2]["instances"][0]["mean 29"] == 29


def test_a_matrix_is_typed_as_rows(client, live, fake):
    matrix = MLModel.objects.create(name="matrix")
    spec = {"dtype": "float64", "shape": [-1, 3]}
    live("dev", of=matrix, signature={"inputs": [{"type": "tensor", "tensor-spec": spec}]}, example=[[1.0, 2.0, 3.0]])
    page = text(client.get("/playground/?model=matrix&environment=dev"))
    assert "[[1.0, 2.0, 3.0]]</textarea>" in page
    client.post("/playground/?model=matrix&environment=dev", {"input-0": "[[1,2,3],[4,5,6]]"})
    assert fake.seen[0][2] == {"instances": [[1, 2, 3], [4, 5, 6]]}
    fake.answers["dev"] = (
        400,
        {"error": "no", "details": [{"row": 1, "field": "input", "rule": "must have 3 numbers"}]},
    )
    page = text(client.post("/playground/?model=matrix&environment=dev", {"input-0": "[[1,2,3],[4]]"}))
    assert "Row 2: must have 3 numbers." in page
    client.post("/playground/?model=matrix&environment=dev", {"input-0": "no rows"})
    assert fake.seen[-1][2] == {"instances": ["no rows"]}


def test_names_of_inputs_are_never_markup(client, live, fake):
    nasty = MLModel.objects.create(name="nasty")
    name = '"><script>alert(1)</script>'
    signature = {
        "inputs": [{"name": name, "type": "string", "required": True}],
        "metadata": {"constraints": {name: {"description": "<img src=x onerror=alert(2)>", "unit": "<u>"}}},
    }
    live("dev", of=nasty, signature=signature, example=[{name: "</textarea><script>alert(3)</script>"}])
    fake.answers["dev"] = (400, {"error": "<script>alert(4)</script>", "details": [{"field": "<i>", "rule": "<s>"}]})
    for answer in (
        client.get("/playground/?model=nasty"),
        client.post("/playground/?model=nasty", {"input-0": "<script>alert(5)</script>"}),
    ):
        body = answer.content.decode()
        for tag in ("<script>alert", "<img src=x", "<u>", "<i>", "<s>"):
            assert tag not in body


@pytest.mark.parametrize("query", ["?model=nothing", "?model=flight-eta&environment=nowhere"])
def test_a_name_that_is_not_there_is_404(client, live, query):
    live("dev")
    assert client.get(f"/playground/{query}").status_code == 404


def test_the_snippets_call_this_environment_and_say_where_to_get_a_key(client, signed_in, live):
    live("dev")
    live("production")
    page = text(client.get("/playground/?model=flight-eta&environment=production"))
    assert f"{endpoints.inner('production')}/production/v1/models/flight-eta:predict" in page
    assert "$SLIPWAY_KEY" in page
    assert "A release manager or an admin issues keys." in page
    managers = text(signed_in("release manager").get("/playground/?model=flight-eta&environment=production"))
    assert "/keys/?environment=production#issue" in managers
    keyless = text(client.get("/playground/?model=flight-eta&environment=dev"))
    assert "SLIPWAY_KEY" not in keyless
    assert "dev answers calls without a key." in keyless
    environment_actions.change(actor=None, environment=live("dev").model.routes.first().environment, keyless=False)
    assert "$SLIPWAY_KEY" in text(client.get("/playground/?model=flight-eta&environment=dev"))


def test_the_description_for_generators_of_clients_is_named(client, live, settings):
    live("dev")
    settings.GATEWAY_URLS = {"*": "https://predict.example/"}
    assert "https://predict.example/dev/v2/models/flight-eta/openapi.json" in text(client.get("/playground/"))


def test_the_address_for_clients_is_the_proxys_where_one_is_set(client, live, settings):
    settings.GATEWAY_URLS = {"*": "https://predict.example.com/"}
    live("dev")
    page = text(client.get("/playground/?model=flight-eta&environment=dev"))
    assert "https://predict.example.com/dev/v1/models/flight-eta:predict" in page


def test_slipways_own_key_is_never_on_the_page(client, live, fake):
    live("dev")
    assert internal_secret("dev") not in text(ask(client))


def test_the_page_needs_few_queries(client, live, django_assert_max_num_queries):
    live("dev")
    with django_assert_max_num_queries(14):
        client.get("/playground/?model=flight-eta&environment=dev")


@pytest.mark.parametrize("example", [[], [[1, "JFK", 7, True, None]], [{"distance": 5}], [{"unknown": 1}], "odd"])
def test_a_form_is_made_from_any_example(example):
    form = InputForm(Signature.from_json(SIGNATURE), example)
    assert len(form.units()) == 5
    assert isinstance(form.instances(), list)


def test_limits_are_told_with_signs():
    (item, *_) = Signature.from_json(SIGNATURE).inputs
    assert help_of(item) == "How far it flies. A number > 0."
