"""`manage.py demo`: fill the product through its own public REST API, one line for each thing that it does."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from dashboard import endpoints
from dashboard.demo import places
from dashboard.demo.api import Api, ApiError
from dashboard.demo.steps import Steps, StoryError
from dashboard.demo.story import PRODUCTION, Teller


class Command(BaseCommand):
    help = "Fill a running Slipway with real models, packages and releases; what is there already is left alone."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--web", help="address of the web process (default: from the setting WEB_BIND)")

    def handle(self, *args: Any, **options: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="slipway-demo-") as work:
            teller = self._teller(options["web"] or places.web_url(), Path(work))
            try:
                teller.tell()
            except (ApiError, StoryError) as error:
                raise CommandError(str(error)) from error
        places.done_file().touch()

    def _teller(self, web: str, work: Path) -> Teller:
        return Teller(
            steps=Steps(Api(web, _token()), self._say, work),
            gateway=places.gateway_url(PRODUCTION),
            public_gateway=places.public_url(PRODUCTION),
            key_file=places.key_file(),
            curl_file=places.curl_file(),
            trust=endpoints.trust(),
        )

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _token() -> str:
    path = places.token_file()
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CommandError(f"The demo's token is missing: {path} ({error.strerror}). `make up` makes it.") from error
