"""The gateway's settings, read once from the environment; a bad one stops the start, by its name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from serving.gateway.tls import Certificate
from serving.gateway.writing import FORMS
from serving.routing import NAME, RESERVED

WRONG_SETTING = 78
METRICS = ("token", "open", "off")
SERVERS = ("uvicorn", "granian")
MOST_HOPS = 10
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")


class ConfigError(Exception):
    """A setting that the gateway cannot start with; the text names it."""


@dataclass(frozen=True)
class Config:
    """`environments` is None for a gateway that serves every environment but those in `others`."""

    name: str
    host: str
    port: int
    environments: tuple[str, ...] | None
    others: frozenset[str]
    redis_url: str
    data: Path
    nice: int = 0
    token: str = ""
    last_exit: int | None = None
    server: str = "uvicorn"
    mlflow_model: str = ""
    certificate: Certificate | None = None
    hops: int = 0
    log: str = "text"
    log_sample: float = 0.0
    otlp: str = ""
    otlp_headers: tuple[tuple[str, str], ...] = ()
    metrics: str = "token"
    metrics_token: str = ""
    stream_most: int = 100_000

    @property
    def address(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.host}:{self.port}"

    def serves(self, order: tuple[str, ...]) -> tuple[str, ...]:
        """Return the environments that this gateway answers for, given all that exist."""
        if self.environments is not None:
            return self.environments
        return tuple(name for name in order if name not in self.others)


def read_config(environ: Mapping[str, str] = os.environ) -> Config:
    """Return the settings; raises ConfigError naming the variable that is missing or wrong."""
    host, port = _bind(_required(environ, "GATEWAY_BIND"))
    named = _names("GATEWAY_ENVIRONMENTS", _required(environ, "GATEWAY_ENVIRONMENTS"))
    return Config(
        name=_name("GATEWAY_NAME", _required(environ, "GATEWAY_NAME")),
        host=host,
        port=port,
        environments=None if named == ("*",) else named,
        others=frozenset(_names("GATEWAY_EXCEPT", environ.get("GATEWAY_EXCEPT", ""))),
        redis_url=_redis(_required(environ, "REDIS_URL")),
        data=Path(_required(environ, "GATEWAY_DATA")).expanduser().resolve(),
        nice=_whole("GATEWAY_NICE", environ.get("GATEWAY_NICE") or "0"),
        token=environ.get("GATEWAY_TOKEN", ""),
        last_exit=_whole("GATEWAY_LAST_EXIT", environ["GATEWAY_LAST_EXIT"])
        if environ.get("GATEWAY_LAST_EXIT")
        else None,
        server=_one_of("GATEWAY_SERVER", environ.get("GATEWAY_SERVER") or "uvicorn", SERVERS),
        mlflow_model=model_address("MLFLOW_MODEL", environ.get("MLFLOW_MODEL", "")),
        certificate=_certificate(environ.get("GATEWAY_TLS_CERT", ""), environ.get("GATEWAY_TLS_KEY", "")),
        hops=_hops(_whole("GATEWAY_TRUSTED_HOPS", environ.get("GATEWAY_TRUSTED_HOPS") or "0")),
        log=_one_of("GATEWAY_LOG", environ.get("GATEWAY_LOG") or "text", FORMS),
        metrics=_one_of("GATEWAY_METRICS", environ.get("GATEWAY_METRICS") or "token", METRICS),
        metrics_token=environ.get("GATEWAY_METRICS_TOKEN", ""),
        stream_most=_at_least_one("GATEWAY_STREAM_MOST", environ.get("GATEWAY_STREAM_MOST") or "100000"),
        log_sample=_share("GATEWAY_LOG_SAMPLE", environ.get("GATEWAY_LOG_SAMPLE") or "0"),
        otlp=_collector("GATEWAY_OTLP_ENDPOINT", environ.get("GATEWAY_OTLP_ENDPOINT", "")),
        otlp_headers=_headers("GATEWAY_OTLP_HEADERS", environ.get("GATEWAY_OTLP_HEADERS", "")),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"{name} must be set for the gateway to start.")
    return value


def _bind(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"GATEWAY_BIND must look like 127.0.0.1:8100 (got {text!r}).")
    return host.strip("[]"), int(port)


def _names(setting: str, text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return names if names == ("*",) else tuple(_name(setting, name) for name in names)


def _name(setting: str, name: str) -> str:
    if not NAME.match(name) or name in RESERVED:
        raise ConfigError(f"{setting}: {name!r} is not a name that can be used here.")
    return name


def model_address(setting: str, text: str) -> str:
    """Return `environment/model`, `model` (in the last environment), or nothing; raises ConfigError for all else."""
    environment, slash, model = text.strip().rpartition("/")
    if slash:
        _name(setting, environment)
    if text and not NAME.match(model):
        raise ConfigError(f"{setting} must look like production/flight-eta or flight-eta (got {text!r}).")
    return text.strip()


def _redis(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ConfigError("REDIS_URL must start with redis://, rediss:// or unix://.")
    return url


def _certificate(chain: str, key: str) -> Certificate | None:
    if not chain and not key:
        return None
    if not chain or not key:
        raise ConfigError("GATEWAY_TLS_CERT and GATEWAY_TLS_KEY belong together: set both, or neither.")
    certificate = Certificate(Path(chain).expanduser().resolve(), Path(key).expanduser().resolve())
    try:
        certificate.check()
    except ValueError as error:
        raise ConfigError(f"GATEWAY_TLS_CERT, GATEWAY_TLS_KEY: {error}.") from error
    return certificate


def _hops(number: int) -> int:
    if not 0 <= number <= MOST_HOPS:
        raise ConfigError(f"GATEWAY_TRUSTED_HOPS must lie between 0 and {MOST_HOPS} (got {number}).")
    return number


def _at_least_one(name: str, text: str) -> int:
    if (number := _whole(name, text)) < 1:
        raise ConfigError(f"{name} must be at least 1 (got {number}).")
    return number


def _share(name: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError(f"{name} must be a number from 0 to 1, such as 0.01 (got {text!r}).")
    return share


def _collector(name: str, text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise ConfigError(f"{name} must look like http://localhost:4318.")
    return text


def _headers(name: str, text: str) -> tuple[tuple[str, str], ...]:
    """Return `name=value,name=value` as pairs; what is in them is a secret, so no error repeats it."""
    found = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    if not all(HEADER.match(key) and value.isascii() and value.isprintable() for key, _, value in found):
        raise ConfigError(f"{name} must look like name=value,name=value.")
    return tuple((key, value.strip()) for key, _, value in found)


def _one_of(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise ConfigError(f"{name} must be one of {', '.join(allowed)} (got {text!r}).")
    return text


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name} must be a whole number (got {text!r}).") from None
