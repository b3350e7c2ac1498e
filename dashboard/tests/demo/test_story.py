"""The story fills an empty product, first package first, and told again changes nothing."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from dashboard.demo import story
from dashboard.demo.api import Api, ApiError
from dashboard.demo.recipes import BREAST_CANCER, FLIGHT_ETA, TRAVEL_TIME, Recipe
from dashboard.demo.steps import Steps, StoryError
from dashboard.demo.story import Teller, curl
from dashboard.tests.demo.fake_api import FakeApi


class Gateway(ThreadingHTTPServer):
    """Answers a prediction to whoever has the key; `away` are the requests it refuses first."""

    def __init__(self):
        self.requests, self.away = [], 0
        super().__init__(("127.0.0.1", 0), Door)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Door(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, self.headers["Authorization"], body))
        self.server.away -= 1
        good = self.server.away < 0
        answer = b'{"predictions": [321.0]}' if good else b'{"error": "not loaded yet"}'
        self.send_response(200 if good else 503)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        return


@pytest.fixture
def gateway():
    with Gateway() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def fake(monkeypatch) -> FakeApi:
    """The API, and recipes that cost nothing; what the real ones train is tested elsewhere."""
    for name in ("FLIGHT_ETA", "TRAVEL_TIME", "BREAST_CANCER"):
        real = getattr(story, name)
        quick = tuple(map(instant, real)) if isinstance(real, tuple) else instant(real)
        monkeypatch.setattr(story, name, quick)
    return FakeApi()


def instant(recipe: Recipe) -> Recipe:
    def write(folder):
        folder.mkdir(parents=True)
        (folder / "model.skops").write_text(recipe.title)
        return folder

    return Recipe(recipe.model, recipe.number, recipe.title, write)


@pytest.fixture
def tell(fake, gateway, tmp_path):
    """Tell the story once more, as the command does; returns what it said."""
    times = iter(range(100))

    def run(**more) -> list[str]:
        said: list[str] = []
        api = Api("http://web", "secret", transport=fake, pause=0)
        steps = Steps(api, said.append, tmp_path / str(next(times)), pause=0.001, **more)
        Teller(steps, gateway.url, "https://predict.example", tmp_path / "demo-key", tmp_path / "curl.txt").tell()
        return said

    return run


def live(fake: FakeApi) -> dict[str, dict[str, int]]:
    return {name: model["live"] for name, model in fake.models.items()}


def test_it_registers_seven_packages_and_leaves_package_2_in_staging(tell, fake):
    tell()
    assert live(fake) == {
        "flight-eta": {"dev": 2, "test": 2, "staging": 2, "production": 1},
        "travel-time": {"dev": 1, "test": 1, "staging": 1, "production": 1},
        "breast-cancer": {"dev": 1, "test": 1, "staging": 1},
    }
    assert [package["number"] for package in fake.packages if package["model"] == "flight-eta"] == [1, 2, 3, 4, 5]
    assert fake.tokens == {"Token secret"}


def test_the_first_package_answers_in_production_before_the_second_is_made(tell, fake):
    said = tell()
    printed = next(number for number, line in enumerate(said) if "curl" in line)
    assert not any(FLIGHT_ETA[1].title in line for line in said[:printed])
    assert any("live in production" in line for line in said[:printed])


def test_the_curl_stands_on_a_line_of_its_own_and_in_its_file(tell, tmp_path):
    lines = "\n".join(tell()).splitlines()
    command = (tmp_path / "curl.txt").read_text().strip()
    assert lines.count(command) == 2, "once when it works, and once more below what came after"
    assert "https://predict.example/production/v1/models/flight-eta:predict" in command


def test_the_key_file_is_for_its_owner_only_and_the_key_is_never_printed(tell, tmp_path):
    said = tell()
    key = (tmp_path / "demo-key").read_text()
    assert (tmp_path / "demo-key").stat().st_mode & 0o777 == 0o600
    assert not any(key in line for line in said)


def test_production_is_asked_until_it_answers(tell, gateway):
    gateway.away = 3
    tell()
    assert len(gateway.requests) == 4
    assert gateway.requests[-1][1].startswith("Bearer sk_")


def test_told_again_it_makes_nothing_new_and_says_so(tell, fake):
    tell()
    before = len(fake.posts)
    again = tell()
    assert fake.posts[before:] == []
    assert sum("already there" in line for line in again) == len((*FLIGHT_ETA, TRAVEL_TIME, BREAST_CANCER))


def test_a_newcomers_promotion_is_not_undone_when_it_is_told_again(tell, fake):
    tell()
    fake.models["flight-eta"]["live"]["production"] = 2
    tell()
    assert fake.models["flight-eta"]["live"]["production"] == 2


def test_a_key_that_was_revoked_is_replaced(tell, fake, tmp_path):
    tell()
    old = (tmp_path / "demo-key").read_text()
    fake.keys[0]["prefix"] = "revoked"
    tell()
    assert (tmp_path / "demo-key").read_text() != old


def test_it_goes_on_where_it_was_cut_off(tell, fake):
    fake.fail = {"staging"}
    with pytest.raises(StoryError, match="flight-eta 1 into staging failed: smoke failed"):
        tell()
    fake.fail = set()
    tell()
    assert len(fake.packages) == 7
    assert live(fake)["flight-eta"]["production"] == 1


def test_a_release_that_is_under_way_is_waited_for_and_not_started_twice(tell, fake):
    fake.models["flight-eta"] = {"name": "flight-eta", "live": {}, "risk": "low"}
    note = f"Demo: {FLIGHT_ETA[0].title}."
    fake.packages.append({"model": "flight-eta", "number": 1, "notes": note, "runtime_reason": ""})
    under_way = {"id": 1, "model": "flight-eta", "package": 1, "environment": "dev", "state": "waiting", "note": ""}
    fake.releases.append(under_way | {"looks": 0})
    tell()
    assert sum((r["model"], r["package"], r["environment"]) == ("flight-eta", 1, "dev") for r in fake.releases) == 1


def test_nothing_live_is_recreated_and_something_live_is_replaced_blue_green(tell, fake):
    tell()
    strategies = {(r["package"], r["environment"]): r["strategy"] for r in fake.releases if r["model"] == "flight-eta"}
    assert {strategies[1, environment] for environment in story.EVERYWHERE} == {"recreate"}
    assert {strategies[2, environment] for environment in story.TO_STAGING} == {"blue_green"}


def test_a_refused_upload_ends_it_with_the_reason(tell, fake):
    fake.refuse = {"flight-eta-2.zip"}
    with pytest.raises(StoryError, match=r"flight-eta-2 was not accepted .* a tree points outside"):
        tell()


def test_work_that_never_ends_is_given_up_in_words(tell, fake):
    fake.looks_until_done = 10**9
    with pytest.raises(StoryError, match=r"the intake is still queued after 0 s"):
        tell(patience=0.05)


def test_a_promotion_that_is_refused_for_good_ends_with_the_apis_sentence(fake):
    fake.models["m"] = {"name": "m", "live": {}}
    said: list[str] = []
    steps = Steps(Api("http://web", "t", transport=fake, pause=0), said.append, None, patience=0.05, pause=0.01)
    with pytest.raises(ApiError, match="Not in staging yet"):
        steps._promote("m", 1, "production")
    assert said == ["m 1: waiting for production. Not in staging yet."]


def test_a_busy_web_process_is_asked_again(tell, fake):
    fake.busy = 3
    tell()
    assert len(fake.packages) == 7


def test_a_web_process_that_is_away_is_named_in_the_error():
    with pytest.raises(ApiError, match=r"127\.0\.0\.1:9 cannot be reached.*make up"):
        Api("http://127.0.0.1:9", "t", pause=0).get("/models/")


def test_wrong_fields_are_told_with_their_names():
    answer = httpx.MockTransport(lambda request: httpx.Response(400, json={"name": ["Small letters only."]}))
    with pytest.raises(ApiError, match=r"name: Small letters only\."):
        Api("http://web", "t", transport=answer).post("/models/", {})


def test_the_printed_curl_hands_each_word_on_whole_even_from_a_folder_with_a_space(tmp_path):
    key = tmp_path / "a key"
    key.write_text("sk_1\n")
    script = f"curl() {{ printf '%s\\n' \"$@\"; }}; {curl('http://127.0.0.1:8100', key)}"
    words = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=20, check=True).stdout
    assert words.splitlines() == [
        "-sS",
        "-H",
        "Authorization: Bearer sk_1",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps({"instances": [story.QUESTION]}),
        "http://127.0.0.1:8100/production/v1/models/flight-eta:predict",
    ]


def test_the_risk_is_raised_and_the_plan_written_once_production_answers(tell, fake):
    tell()
    assert fake.models["flight-eta"]["risk"] == "medium"
    assert {model["risk"] for name, model in fake.models.items() if name != "flight-eta"} == {"low"}
    assert [case["title"] for case in fake.cases] == [case["title"] for case in story.CASES]
    tell()
    assert len(fake.cases) == len(story.CASES)
