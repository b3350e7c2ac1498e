"""The demo's story, told through the public REST API: the first package answers in production before all else."""

from __future__ import annotations

import json
import shlex
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dashboard.demo.api import Json
from dashboard.demo.recipes import BREAST_CANCER, FLIGHT_ETA, TRAVEL_TIME
from dashboard.demo.steps import Steps, StoryError
from dashboard.env import make_secret
from testing.client import GatewayClient, GatewayError

EVERYWHERE = ("dev", "test", "staging", "production")
TO_STAGING = EVERYWHERE[:3]
PRODUCTION = EVERYWHERE[-1]
MODEL = "flight-eta"
QUESTION = {"distance": 2475, "month": 7, "hour": 9, "carrier": "B6", "origin": "JFK", "dest": "LAX"}
KEY_NAME = "demo"
# What QA looks at; the times are those of the timetables of 2013, with room for wind.
CASES: list[Json] = [
    {
        "title": "Across the country in July",
        "row": QUESTION,
        "look_at": "Five hours and a half at most; nobody flies it in under four and a half.",
        "expectation": "range",
        "least": 270,
        "most": 345,
    },
    {
        "title": "New York to Boston on a winter morning",
        "row": {"distance": 187, "month": 1, "hour": 7, "carrier": "B6", "origin": "JFK", "dest": "BOS"},
        "look_at": "Well under an hour.",
        "expectation": "range",
        "least": 25,
        "most": 60,
    },
    {
        "title": "Newark to Chicago in the evening",
        "row": {"distance": 719, "month": 11, "hour": 18, "carrier": "UA", "origin": "EWR", "dest": "ORD"},
        "look_at": "Is it what a dispatcher would plan? West against the wind takes longer than the way back.",
    },
]
LAST_WORDS = (
    "The demo is complete. Package 2 of flight-eta waits in staging. Promote it to production: the page shows first "
    "how much nearer to the truth it is than package 1. What it must have shown starts by itself; then `qa` signs."
)


@dataclass
class Teller:
    """Tells the story; `gateway` serves production on this machine, `public_gateway` is its address for clients."""

    steps: Steps
    gateway: str
    public_gateway: str
    key_file: Path
    curl_file: Path
    trust: ssl.SSLContext | None = None
    key: str = field(default="", repr=False)

    @property
    def say(self) -> Callable[[str], None]:
        return self.steps.say

    def tell(self) -> None:
        """Fill the product; raises ApiError or StoryError, and told again goes on from there."""
        self.steps.package(FLIGHT_ETA[0], EVERYWHERE)
        self.make_key()
        self.wait_for_production()
        self.write_curl()
        self.steps.raise_risk(MODEL)
        self.steps.plan(MODEL, CASES)
        self.steps.package(FLIGHT_ETA[1], TO_STAGING)
        for recipe in FLIGHT_ETA[2:]:
            self.steps.package(recipe)
        self.steps.package(TRAVEL_TIME, EVERYWHERE)
        self.steps.package(BREAST_CANCER, TO_STAGING)
        self.say(LAST_WORDS)
        self.say(f"Production answers all the while. Once more:\n\n{self.curl_file.read_text()}")

    def make_key(self) -> None:
        """Make sure that the key file holds a key of production."""
        api = self.steps.api
        known = [row["prefix"] for row in api.rows("/keys/", environment=PRODUCTION, revoked="false")]
        kept = self.key_file.read_text().strip() if self.key_file.exists() else ""
        if kept and any(kept.startswith(prefix) for prefix in known):
            self.key = kept
            return
        self.key_file.unlink(missing_ok=True)
        issued = api.post("/keys/", {"environment": PRODUCTION, "name": KEY_NAME})
        self.key = make_secret(self.key_file, str(issued["secret"]))
        self.say(f"production: key issued, kept in {self.key_file}.")

    def wait_for_production(self) -> None:
        """Ask until production predicts; raises StoryError with the gateway's last words."""
        until = time.monotonic() + self.steps.patience
        with GatewayClient(self.gateway, PRODUCTION, key=self.key, trust=self.trust) as client:
            while True:
                try:
                    client.predict_v1(MODEL, [QUESTION])
                    return
                except GatewayError as error:
                    if time.monotonic() > until:
                        raise StoryError(f"Production does not answer: {error.sentence}") from error
                time.sleep(self.steps.pause)

    def write_curl(self) -> None:
        """Print one command that predicts, on a line of its own, and keep it in a file."""
        command = curl(self.public_gateway, self.key_file)
        self.curl_file.touch(mode=0o600)
        self.curl_file.write_text(f"{command}\n")
        self.say(f"Production answers. Try it:\n\n{command}\n")


def curl(gateway: str, key_file: Path) -> str:
    """Return the one line that asks production; the key stays in its file, out of logs and shell histories."""
    body = json.dumps({"instances": [QUESTION]})
    words = [
        "curl -sS",
        f'-H "Authorization: Bearer $(cat {shlex.quote(str(key_file))})"',
        '-H "Content-Type: application/json"',
        f"-d {shlex.quote(body)}",
        shlex.quote(f"{gateway}/{PRODUCTION}/v1/models/{MODEL}:predict"),
    ]
    return " ".join(words)
