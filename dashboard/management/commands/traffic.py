"""`manage.py traffic`: replay real inputs against the REST endpoint at a steady rate, whatever it answers."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from dashboard import endpoints
from dashboard.demo import places
from dashboard.demo.replay import ROWS
from dashboard.demo.story import PRODUCTION
from dashboard.demo.traffic import Replay, Reporter, replay, summary
from testing import loadgen
from testing.suites import quiet


class Command(BaseCommand):
    help = "Replay real inputs against a model's REST endpoint and print rate, errors and percentiles every second."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--model", choices=sorted(ROWS), default="flight-eta")
        parser.add_argument("--environment", default="production")
        parser.add_argument("--rate", type=float, default=5.0, help="requests a second (default 5)")
        parser.add_argument("--seconds", type=float, help="how long (default: until Ctrl-C)")
        parser.add_argument("--gateway", help="its address (default: from the setting GATEWAYS)")
        parser.add_argument(
            "--key-file", type=Path, help="file with the API key (default, for production: the demo's own)"
        )
        parser.add_argument("--nice", type=int, default=10, help="how far to step back for others (default 10)")

    def handle(self, *args: Any, **options: Any) -> None:
        what = _replay(options)
        os.nice(max(0, options["nice"]))
        reporter = Reporter(self._say, what.gateway)
        self._say(f"{what.rate:g} requests a second to {what.url}{'' if what.key else ', without a key'}")
        self._say(summary(loadgen.drive(replay(what, reporter, lambda: quiet.asked(what.environment)))))

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _replay(options: dict[str, Any]) -> Replay:
    """Return what to send; raises CommandError for a rate of nought, no gateway, or a key file that cannot be read."""
    if not 0 < options["rate"] <= 100_000:
        raise CommandError(f"--rate must be above 0 and at most 100000 (got {options['rate']:g}).")
    environment = options["environment"]
    gateway = options["gateway"] or places.gateway_url(environment)
    key = _key(options["key_file"], environment)
    return Replay(options["model"], environment, gateway, options["rate"], options["seconds"], key, endpoints.trust())


def _key(given: Path | None, environment: str) -> str:
    """Return the key in the file, or none where nobody gave a file and the demo has made no key for this place."""
    path = given or places.key_file()
    if given is None and (environment != PRODUCTION or not path.exists()):
        return ""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CommandError(f"The key file {path} cannot be read ({error.strerror}).") from error
