"""Which processes Slipway has, what each may know, and in which order they start: the groups, first to last."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings

from dashboard import endpoints
from dashboard.addresses import Gateway
from dashboard.supervisor import probes, valkey
from dashboard.supervisor.child import Spec
from serving.gateway.journal import BLAMELESS

NICE = 10
MEASURING = 5  # after production, before what it measures
MOST_IMPORTANT = "production"
DEMO_MODEL = "flight-eta"
# A gateway runs models: it gets what it needs and none of our secrets.
GATEWAY_KNOWS = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LOG_LEVEL", "SSL_CERT_FILE")
# So that it does not blame a package for a death that came from outside.
LAST_EXIT = "GATEWAY_LAST_EXIT"
GATEWAY_PREFIXES = ("GATEWAY_", "OMP_", "OPENBLAS_")


def broker() -> list[Spec]:
    """The embedded Valkey, unless REDIS_URL names a server."""
    if not settings.EMBEDDED:
        return []
    password = urlsplit(settings.REDIS_URL).password or ""
    command = valkey.command(settings.VAR, settings.SOCKET, password)
    return [
        Spec(
            name="valkey",
            command=tuple(command),
            environment=_environment(),
            ready=lambda: valkey.answers(settings.SOCKET, password),
            quiet=True,
        )
    ]


def doors(killed: bool) -> list[Spec]:
    """What people and clients talk to: the pages and the gateways, which learn that the last `up` was killed."""
    host, port = settings.WEB_BIND
    web = Spec("web", _python("dashboard.web"), _environment(), probes.answers(host, port, "/"), stop_seconds=2.5)
    return [web, *(_gateway(gateway, killed) for gateway in settings.GATEWAYS)]


def workers() -> list[Spec]:
    """Quick work, long work, one that measures alone, batches, streams, and the clock."""
    return [
        _worker("quick", settings.QUICK_THREADS, 0),
        _worker("long", settings.LONG_THREADS, NICE),
        _worker("load", 1, MEASURING),
        _worker("batch", settings.BATCH_THREADS, NICE),
        Spec("stream", _python("serving.streams"), stream_environment(os.environ), nice=MEASURING, murmur=" INFO "),
        Spec("beat", _celery("beat", "--pidfile="), _environment()),
    ]


def demo() -> Spec:
    """Make the demo through the public REST API, once."""
    return Spec("demo", _manage("demo"), _environment(), nice=NICE, once=True, stop_seconds=1.0)


def traffic() -> Spec:
    """Replay real flights, gently, so that the charts live."""
    rate = f"{settings.DEMO_TRAFFIC_RATE:g}"
    words = ("traffic", "--model", DEMO_MODEL, "--environment", MOST_IMPORTANT, "--rate", rate)
    return Spec("traffic", _manage(*words), _environment(), nice=NICE, quiet=True, stop_seconds=1.0)


def gateway_name(gateway: Gateway) -> str:
    return f"gateway-{gateway.name}"


def _gateway(gateway: Gateway, killed: bool) -> Spec:
    last = {LAST_EXIT: str(BLAMELESS)} if killed else {}
    return Spec(
        name=gateway_name(gateway),
        command=_python("serving.gateway"),
        environment=gateway_environment(gateway, os.environ) | last,
        ready=probes.answers(gateway.host, gateway.port, "/v2/health/live", wanted=200, trust=endpoints.trust()),
        nice=0 if gateway.serves(MOST_IMPORTANT, _named()) else NICE,
        stop_seconds=2.5,
        last_exit=LAST_EXIT,
        murmur='"level":"INFO"' if os.environ.get("GATEWAY_LOG") == "json" else " INFO ",
    )


def gateway_environment(gateway: Gateway, ours: Mapping[str, str]) -> dict[str, str]:
    """Return the variables a gateway gets: its own settings and a few of ours, no SECRET_KEY, no DATABASE_URL."""
    known = {name: value for name, value in ours.items() if name in GATEWAY_KNOWS or name.startswith(GATEWAY_PREFIXES)}
    others = "*" in gateway.environments
    return known | {
        "GATEWAY_NAME": gateway.name,
        "GATEWAY_BIND": f"{gateway.host}:{gateway.port}",
        "GATEWAY_ENVIRONMENTS": "*" if others else ",".join(gateway.environments),
        "GATEWAY_EXCEPT": ",".join(sorted(_named() - set(gateway.environments))) if others else "",
        "GATEWAY_DATA": str(settings.VAR / "gateway" / gateway.name),
        "GATEWAY_TOKEN": settings.GATEWAY_TOKEN,
        "GATEWAY_METRICS_TOKEN": settings.GATEWAY_METRICS_TOKEN,
        "MLFLOW_MODEL": settings.MLFLOW_MODEL,
        "REDIS_URL": settings.REDIS_URL,
    }


def stream_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the consumer of streams: a gateway of every environment that answers nobody."""
    everywhere = Gateway("consumer", "127.0.0.1", 1, ("*",))
    named = gateway_environment(everywhere, ours) | {"GATEWAY_EXCEPT": ""}
    return named | {"GATEWAY_DATA": str(settings.VAR / "stream")}


def _named() -> frozenset[str]:
    return frozenset(name for gateway in settings.GATEWAYS for name in gateway.environments if name != "*")


def _worker(queue: str, threads: int, nice: int) -> Spec:
    words = ("worker", f"--queues={queue}", f"--hostname={queue}@%h", "--pool=threads", f"--concurrency={threads}")
    command = _celery(*words, "--without-gossip", "--without-mingle")
    return Spec(queue, command, _environment(), nice=nice, stop_seconds=2.5)


def _celery(*words: str) -> tuple[str, ...]:
    return (*_python("celery"), "--quiet", "--app=dashboard.celery", *words, "--loglevel=WARNING")


def _python(module: str) -> tuple[str, ...]:
    return sys.executable, "-m", module


def _manage(*words: str) -> tuple[str, ...]:
    return sys.executable, str(settings.BASE_DIR / "manage.py"), *words


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
