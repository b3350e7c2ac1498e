"""The demo's single steps through the REST API: make a model, register a package, release it; each safe to do twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboard.demo.api import Api, ApiError, Json
from dashboard.demo.recipes import DESCRIPTIONS, Recipe
from dashboard.demo.upload import zipped

ENDED_INTAKE, THERE, LOST = ("accepted", "refused", "errored"), ("watching", "live"), ("failed", "aborted")
UNTOUCHED = ("queued", "waiting")
REMIND_SECONDS = 15.0


class StoryError(Exception):
    """The demo cannot go on; the text says why, for people. Told again, it goes on from there."""


@dataclass
class Steps:
    """What the story is made of; `say` gets a line for each thing done, `patience` and `pause` are seconds."""

    api: Api
    say: Callable[[str], None]
    work: Path
    patience: float = 300.0
    pause: float = 0.25

    def package(self, recipe: Recipe, environments: tuple[str, ...] = ()) -> None:
        """Register the recipe's package and release it into one environment after the other."""
        self._model(recipe.model)
        number = self._registered(recipe) or self._register(recipe)
        for environment in environments:
            self._release(recipe.model, number, environment)

    def raise_risk(self, name: str) -> None:
        """Ask more of the model's packages from now on."""
        if self.api.get(f"/models/{name}/")["risk"] == "low":
            self.api.patch(f"/models/{name}/", {"risk": "medium"})
            self.say(f"{name}: of medium risk from now on, so its packages must show more before they come in.")

    def plan(self, name: str, cases: list[Json]) -> None:
        """Write down what QA looks at before a package of the model comes into production, unless it is written."""
        found: Any = self.api.get(f"/models/{name}/uat/")  # a list, because a plan is short
        known = {case["title"] for case in found}
        new = [case for case in cases if case["title"] not in known]
        for case in new:
            self.api.post(f"/models/{name}/uat/", case)
        if new:
            self.say(f"{name}: {len(new)} cases for the people of QA, who sign before a package comes into production.")

    def _model(self, name: str) -> None:
        if self.api.find(f"/models/{name}/") is None:
            self.api.post("/models/", {"name": name, "description": DESCRIPTIONS[name], "risk": "low"})
            self.say(f"{name}: model made. {DESCRIPTIONS[name]}")

    def _registered(self, recipe: Recipe) -> int | None:
        """Return the number that this recipe's package got on an earlier run, known by its note."""
        for package in self.api.rows(f"/models/{recipe.model}/packages/"):
            if package["notes"] == _note(recipe):
                self.say(f"{recipe.model} {package['number']}: already there ({recipe.title}).")
                return int(package["number"])
        return None

    def _register(self, recipe: Recipe) -> int:
        """Train, upload, wait for the intake and return the number; raises StoryError when it is refused."""
        name = f"{recipe.model}-{recipe.number}"
        upload = self._trained(recipe, name)
        fields = {"notes": _note(recipe)}
        intake = self.api.upload(f"/models/{recipe.model}/packages/", f"{name}.zip", upload, fields)
        ended = self._wait_for(f"/intakes/{intake['id']}/", ENDED_INTAKE, "the intake")
        if ended["state"] != "accepted":
            raise StoryError(f"{name} was not accepted ({ended['state']}): {ended['reason']}")
        package = self.api.get(f"/models/{recipe.model}/packages/{ended['package']}/")
        self.say(f"{recipe.model} {package['number']}: registered. {package['runtime_reason']}")
        return int(package["number"])

    def _trained(self, recipe: Recipe, name: str) -> bytes:
        begin = time.monotonic()
        upload = zipped(recipe.write(self.work / name))
        seconds, size = time.monotonic() - begin, len(upload) / 1024
        self.say(f"{recipe.model}: made {recipe.title} in {seconds:.1f} s, {size:.0f} kB.")
        return upload

    def _release(self, model: str, number: int, environment: str) -> None:
        """Bring the package into the environment, unless it has been there."""
        earlier = self.api.rows("/releases/", model=model, package=number, environment=environment)
        if any(release["state"] in THERE for release in earlier):
            self.say(f"{model} {number}: has been in {environment} already.")
            return
        begin = time.monotonic()
        running = next((release for release in earlier if release["state"] not in LOST), None)
        release = running or self._promote(model, number, environment)
        ended = self._wait_for(f"/releases/{release['id']}/", (*THERE, *LOST), f"release {release['id']}")
        if ended["state"] in LOST:
            raise StoryError(f"The release of {model} {number} into {environment} {ended['state']}: {ended['note']}")
        self.say(f"{model} {number}: live in {environment} after {time.monotonic() - begin:.1f} s.")

    def _promote(self, model: str, number: int, environment: str) -> Json:
        """Start a release; waits, and says why, while another one is under way or the one below is still watched."""
        body = {"model": model, "package": number, "environment": environment, "reason": "demo"}
        body["strategy"] = self._strategy(model, environment)
        until, said = time.monotonic() + self.patience, ""
        while True:
            try:
                return self.api.post("/releases/", body)
            except ApiError as error:
                if error.status != 409 or time.monotonic() > until:
                    raise
                if error.sentence != said:
                    self.say(f"{model} {number}: waiting for {environment}. {error.sentence}")
                said = error.sentence
            time.sleep(self.pause)

    def _strategy(self, model: str, environment: str) -> str:
        """Recreate where nothing is live yet; else blue/green, which nobody notices."""
        live: dict[str, int] = self.api.get(f"/models/{model}/")["live"]
        return "blue_green" if environment in live else "recreate"

    def _wait_for(self, path: str, states: tuple[str, ...], what: str) -> Json:
        """Look until one of the states is reached; raises StoryError when the patience ends."""
        begin = reminded = time.monotonic()
        while (row := self.api.get(path))["state"] not in states:
            now = time.monotonic()
            if now - begin > self.patience:
                raise StoryError(f"{what} is still {row['state']} after {self.patience:.0f} s. {row.get('note') or ''}")
            if now - reminded > REMIND_SECONDS:
                doubt = " Are the workers running?" if row["state"] in UNTOUCHED else ""
                self.say(f"Still waiting for {what}: {row['state']} after {now - begin:.0f} s.{doubt}")
                reminded = now
            time.sleep(self.pause)
        return row


def _note(recipe: Recipe) -> str:
    return f"Demo: {recipe.title}."
