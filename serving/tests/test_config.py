"""A bad setting stops the start, by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.gateway.config import ConfigError, read_config

GOOD = {
    "GATEWAY_NAME": "one",
    "GATEWAY_BIND": "127.0.0.1:8100",
    "GATEWAY_ENVIRONMENTS": "dev, staging",
    "GATEWAY_DATA": "/tmp/x",
    "REDIS_URL": "unix:///tmp/v.sock",
}


def test_good_settings_are_read() -> None:
    config = read_config(GOOD)
    assert (config.host, config.port, config.data) == ("127.0.0.1", 8100, Path("/tmp/x"))
    assert config.serves(("dev", "production")) == ("dev", "staging")


def test_a_star_means_all_but_those_of_others() -> None:
    config = read_config({**GOOD, "GATEWAY_ENVIRONMENTS": "*", "GATEWAY_EXCEPT": "production"})
    assert config.serves(("dev", "qa", "production")) == ("dev", "qa")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "") for name in GOOD),
        ("GATEWAY_BIND", "8100"),
        ("GATEWAY_BIND", "127.0.0.1:99999"),
        ("GATEWAY_ENVIRONMENTS", "v1"),
        ("GATEWAY_EXCEPT", "a b"),
        ("REDIS_URL", "redis+socket:///x"),
        ("GATEWAY_NICE", "much"),
        ("GATEWAY_LAST_EXIT", "x"),
        ("GATEWAY_TLS_CERT", "/nowhere/chain.pem"),
        ("GATEWAY_TRUSTED_HOPS", "-1"),
        ("GATEWAY_TRUSTED_HOPS", "11"),
        ("GATEWAY_TRUSTED_HOPS", "one"),
        ("GATEWAY_LOG", "xml"),
        ("GATEWAY_LOG_SAMPLE", "1.5"),
        ("GATEWAY_LOG_SAMPLE", "nan"),
        ("GATEWAY_LOG_SAMPLE", "1%"),
        ("GATEWAY_OTLP_ENDPOINT", "localhost:4318"),
        ("GATEWAY_OTLP_ENDPOINT", "file:///etc/passwd"),
        ("GATEWAY_OTLP_HEADERS", "no pair"),
        ("GATEWAY_OTLP_HEADERS", "name=line\nbreak"),
        ("MLFLOW_MODEL", "v2/eta"),
        ("MLFLOW_MODEL", "dev/"),
    ],
)
def test_a_bad_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_config({**GOOD, name: value})
