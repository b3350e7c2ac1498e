"""The traffic command prints a line a second, says what is wrong in words, and survives a gateway that is away."""

import itertools
import re
import signal
import subprocess
import sys

import pytest
from aiohttp import web
from django.conf import settings
from django.core.management import CommandError, call_command

from dashboard.demo import places
from dashboard.demo.traffic import Replay, Reporter, line, milliseconds, replay, summary
from testing import loadgen
from testing.loadgen import Outcome, Tally

AWAY = "http://127.0.0.1:9"


def outcome(error: str | None, sentence: str = "") -> Outcome:
    return Outcome(0.0, 0.0, 0.0, 0.01, error=error, sentence=sentence, package=None if error else "3")


def window(*outcomes: Outcome) -> Tally:
    tally = Tally()
    for one in outcomes:
        tally.observe(one, 0.01)
    return tally


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def reporter(said) -> Reporter:
    return Reporter(said.append, "http://gateway")


def test_a_line_holds_rate_errors_percentiles_and_packages():
    text = line(window(outcome(None), outcome(None), outcome("status 500")))
    assert re.match(r" +3/s  errors 1 .*p50 [\d.]+ ms.*p95.*p99.*packages 3: 2  \(status 500: 1\)$", text)


def test_a_line_without_any_answer_shows_dashes():
    assert "p50 -  p95 -  p99 -" in line(window(outcome("connection")))


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.00012, "0.12 ms"), (0.01234, "12.3 ms"), (2.5, "2.50 s")]
)
def test_durations_are_short(seconds, text):
    assert milliseconds(seconds) == text


def test_trouble_is_told_once_until_all_is_well_again(reporter, said):
    for _ in range(3):
        reporter.outcome(outcome("connection", "refused"))
    assert len(said) == 1
    assert said[0].startswith("No gateway answers at http://gateway. Is Slipway up")
    reporter.second(window(outcome(None)))
    assert said[-1] == "http://gateway answers again."
    reporter.outcome(outcome("connection", "refused"))
    assert len(said) == 4


def test_a_fault_that_comes_and_goes_is_told_once(reporter, said):
    for _ in range(3):
        reporter.outcome(outcome("status 500", "The model failed."))
        reporter.second(window(outcome(None)))
    assert sum("The model failed." in text for text in said) == 1
    assert not any("again" in text for text in said)


def test_the_gateways_own_sentence_is_passed_on_with_a_hint(reporter, said):
    reporter.outcome(outcome("status 401", "This key is not known."))
    assert said[0].startswith("http://gateway answers 401: This key is not known. Give a key")


def test_a_good_answer_and_the_end_say_nothing(reporter, said):
    reporter.outcome(outcome(None))
    reporter.outcome(outcome("stopped"))
    assert said == []


def test_real_rows_reach_the_address_of_the_model_with_the_key(reporter, said):
    met = []

    async def answer(request: web.Request) -> web.Response:
        met.append((request.path, request.headers["Authorization"], await request.json()))
        return web.json_response({"predictions": [1]}, headers={"X-Package": "1"})

    async def work():
        app = web.Application()
        app.router.add_post("/{path:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        what = Replay("travel-time", "staging", url, 100, 0.1, key="sk_1")
        result = await replay(what, reporter)
        await runner.cleanup()
        return result

    result = loadgen.drive(work())
    path, key, body = met[0]
    assert result.totals.packages == {"1": 10}
    assert (path, key) == ("/staging/v1/models/travel-time:predict", "Bearer sk_1")
    assert set(body["instances"][0]) == {"distance", "speed"}
    assert "10 requests" in summary(result)


def test_a_gateway_that_is_away_is_counted_and_the_command_ends_well(capsys):
    call_command(
        "traffic", "--model", "travel-time", "--rate", "50", "--seconds", "0.2", "--gateway", AWAY, "--nice", "0"
    )
    out = capsys.readouterr().out
    assert out.count("No gateway answers") == 1
    assert "10 requests" in out
    assert "connection: 10" in out


def test_a_rate_of_nought_is_refused():
    with pytest.raises(CommandError, match="--rate must be above 0"):
        call_command("traffic", "--rate", "0")


def test_a_key_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CommandError, match=r"key file .*none cannot be read"):
        call_command("traffic", "--gateway", AWAY, "--key-file", str(tmp_path / "none"))


@pytest.mark.parametrize(("environment", "expected"), [("production", ""), ("staging", ", without a key")])
def test_the_demos_key_is_sent_to_production_and_nowhere_else(environment, expected, monkeypatch, tmp_path, capsys):
    key = tmp_path / "demo-key"
    key.write_text("sk_1")
    monkeypatch.setattr(places, "key_file", lambda: key)
    words = ("--environment", environment, "--gateway", AWAY, "--seconds", "0.01", "--nice", "0")
    call_command("traffic", "--model", "travel-time", *words)
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith(f"/{environment}/v1/models/travel-time:predict{expected}")


def test_the_gateway_of_an_environment_comes_from_the_settings():
    assert places.gateway_url("production") == "http://127.0.0.1:8100"
    assert places.gateway_url("dev") == "http://127.0.0.1:8101"


def test_clients_are_told_the_address_of_the_proxy_in_front(monkeypatch):
    monkeypatch.setattr(settings, "GATEWAY_URLS", {"production": "https://predict.example/"})
    assert places.public_url("production") == "https://predict.example"
    assert places.public_url("dev") == "http://127.0.0.1:8101"


def test_ctrl_c_prints_a_summary():
    command = [sys.executable, "manage.py", "traffic", "--model", "travel-time", "--rate", "20", "--gateway", AWAY]
    options = {"cwd": settings.BASE_DIR, "env": {"VAR": str(settings.VAR)}, "text": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, **options) as child:
        first = list(itertools.takewhile(lambda text: "connection" not in text, child.stdout))
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read()
        assert child.wait(timeout=20) == 0
    assert any("No gateway answers" in text for text in first)
    assert "without a good answer" in rest
