"""A setting is read, or refused by its name; a secret is made once and only its owner can read it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from dashboard import env
from dashboard.addresses import (
    LONGEST_SOCKET,
    gateway_for,
    parse_bind,
    parse_gateways,
    parse_model,
    parse_urls,
    socket_folder,
)


@pytest.fixture
def set_x(monkeypatch: pytest.MonkeyPatch):
    return lambda value: monkeypatch.setenv("X", value)


@pytest.mark.parametrize(("word", "meaning"), [("1", True), ("TRUE", True), (" on ", True), ("0", False), ("", False)])
def test_a_switch_knows_the_usual_words(set_x, word: str, meaning: bool) -> None:
    set_x(word)
    assert env.env_bool("X", not meaning) is meaning


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda: env.env_bool("X", False), "perhaps"),
        (lambda: env.env_int("X", 1, least=1), "0"),
        (lambda: env.env_int("X", 1), "-1"),
        (lambda: env.env_int("X", 1), "1.5"),
        (lambda: env.env_float("X", 1.0), "nan"),
        (lambda: env.env_float("X", 1.0), "inf"),
        (lambda: env.env_float("X", 1.0), "fast"),
        (lambda: env.env_choice("X", "A", ("A", "B")), "C"),
        (lambda: env.env_zone("X", "UTC"), "Mars/Olympus"),
        (lambda: env.env_zone("X", "UTC"), "../etc/passwd"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_the_variable(set_x, read, value: str) -> None:
    set_x(value)
    with pytest.raises(ImproperlyConfigured, match=r"^X "):
        read()


def test_what_is_not_set_has_its_default() -> None:
    assert env.env_int("NOT_SET", 7) == 7
    assert env.env_float("NOT_SET", 0.5) == 0.5
    assert env.env_list("NOT_SET", "a, b,,") == ["a", "b"]
    assert env.env_choice("NOT_SET", "warning", ("WARNING",)) == "WARNING"
    assert env.env_zone("NOT_SET", "Europe/Berlin") == "Europe/Berlin"


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = env.env_secret("NOT_SET", tmp_path / "secrets")
    assert env.env_secret("NOT_SET", tmp_path / "secrets") == first
    assert len(first) > 60
    file = tmp_path / "secrets" / "not-set"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["not-set"]


def test_processes_that_start_together_agree_on_a_new_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: env.make_secret(tmp_path / "s"), range(32)))
    assert len(made) == 1


def test_a_secret_comes_from_the_variable_then_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mounted").write_text("from file\n")
    monkeypatch.setenv("X_FILE", str(tmp_path / "mounted"))
    assert env.env_secret("X", tmp_path) == "from file"
    monkeypatch.setenv("X", "from variable")
    assert env.env_secret("X", tmp_path) == "from variable"


def test_a_secret_file_that_is_not_there_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match=r"^X: cannot read the secret from .*missing"):
        env.env_secret("X", tmp_path)


@pytest.mark.parametrize("text", ["8000", "localhost", "localhost:", ":80", "localhost:0", "localhost:65536", "a:b"])
def test_an_address_needs_a_host_and_a_port(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="WEB_BIND must look like"):
        parse_bind("WEB_BIND", text)


@given(st.integers(1, 65_535), st.sampled_from(["127.0.0.1", "localhost", "[::1]", "0.0.0.0"]))
def test_every_address_is_read_as_it_was_written(port: int, host: str) -> None:
    assert parse_bind("WEB_BIND", f"{host}:{port}") == (host, port)


def test_a_star_answers_for_every_environment_that_nobody_else_names() -> None:
    gateways = parse_gateways("production=127.0.0.1:1;staging,test=127.0.0.1:2;*=127.0.0.1:3")
    chosen = {name: gateway_for(gateways, name) for name in ("production", "test", "dev", "new")}
    assert [gateway.port for gateway in chosen.values() if gateway] == [1, 2, 3, 3]
    assert gateway_for(gateways[:2], "dev") is None


@pytest.mark.parametrize("text", ["", ";", "production", "=127.0.0.1:1", "a=127.0.0.1:1;a=127.0.0.1:2", "a=127.0.0.1"])
def test_gateways_that_make_no_sense_are_refused_by_name(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="GATEWAYS"):
        parse_gateways(text)


def test_the_addresses_for_clients_are_read_and_checked() -> None:
    assert parse_urls("production=https://predict.example.com/;*=https://try.example.com") == {
        "production": "https://predict.example.com",
        "*": "https://try.example.com",
    }
    assert parse_urls("") == {}
    for text in ("production", "production=predict.example.com", "=https://x"):
        with pytest.raises(ImproperlyConfigured, match="GATEWAY_URLS"):
            parse_urls(text)


def test_the_model_at_the_root_is_named_with_or_without_an_environment() -> None:
    assert [parse_model("M", text) for text in ("", "eta", " production/eta ")] == ["", "eta", "production/eta"]
    for text in ("production/", "/eta", "a/b/c", "v1/eta", "an eta"):
        with pytest.raises(ImproperlyConfigured, match="MLFLOW_MODEL"):
            parse_model("MLFLOW_MODEL", text)


@given(st.text("abc/ ü", min_size=1, max_size=300))
def test_a_socket_path_is_short_and_the_same_each_time(name: str) -> None:
    folder = socket_folder(Path("/deep") / name.strip("/"))
    assert folder == socket_folder(Path("/deep") / name.strip("/"))
    assert len(os.fsencode(folder / "valkey.sock")) <= LONGEST_SOCKET


def test_gateways_with_a_certificate_are_called_by_https() -> None:
    assert [gateway.url for gateway in parse_gateways("*=127.0.0.1:8101", "https")] == ["https://127.0.0.1:8101"]


def test_a_certificate_must_be_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    trustme.CA().cert_pem.write_to_path(good)
    bad.write_text("no certificate")
    monkeypatch.setenv("X", str(good))
    assert env.env_certificate("X", "") == str(good)
    for path in (bad, tmp_path / "missing.pem"):
        monkeypatch.setenv("X", str(path))
        with pytest.raises(ImproperlyConfigured, match="X must be the path of a PEM certificate"):
            env.env_certificate("X", "")
    assert env.env_certificate("NOT_SET", "") == ""
