"""What an intake says while it runs and when it ends: steps, a refusal, or the accepted package."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEPS = ("unpack", "digest", "inspect", "load", "predict", "convert", "prove", "versions", "store")
OnStep = Callable[["Step"], None]


@dataclass(frozen=True)
class Step:
    """One line of the report; `state` is "running", "passed", "refused" or "skipped"."""

    name: str
    state: str
    detail: str = ""
    seconds: float = 0.0


class Refused(Exception):
    """The upload cannot be a package; `reason` is a sentence that says what is wrong and what to do."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(step, reason)
        self.step, self.reason = step, reason

    def __str__(self) -> str:
        return self.reason


def counted(number: int, noun: str) -> str:
    """`1 file`, `1,200 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def weighed(size: int) -> str:
    """`312 bytes`, `67 kB`: a small model is not none."""
    return counted(size, "byte") if size < 1000 else f"{size / 1000:,.0f} kB"


@dataclass(frozen=True)
class Accepted:
    """A package that stands in the store, with everything its page shows."""

    digest: str
    manifest: list[dict[str, Any]]
    signature: dict[str, Any]
    format: str
    runtime: str
    runtime_reason: str
    onnx_digest: str | None
    artefact: str
    size: int
    example: list[dict[str, Any]]
    provenance: dict[str, Any]
    versions: dict[str, Any]
    differences: dict[str, Any]
    sandbox: str
    steps: list[Step] = field(default_factory=list)
    folder: Path = Path()
    kind: str = "regressor"
    answers: list[Any] = field(default_factory=list)


class Progress:
    """Reports steps live and keeps the last word of each; a step that ends gets its seconds here."""

    def __init__(self, on_step: OnStep) -> None:
        self.steps: dict[str, Step] = {}
        self._on_step, self._started = on_step, dict[str, float]()

    def running(self, name: str, detail: str = "") -> None:
        self._started.setdefault(name, time.monotonic())
        self._say(Step(name, "running", detail))

    def passed(self, name: str, detail: str = "") -> None:
        self._end(name, "passed", detail)

    def skipped(self, name: str, detail: str = "") -> None:
        self._end(name, "skipped", detail)

    def refused(self, name: str, detail: str) -> None:
        self._end(name, "refused", detail)

    def _end(self, name: str, state: str, detail: str) -> None:
        now = time.monotonic()
        self._say(Step(name, state, detail, round(now - self._started.get(name, now), 3)))

    def _say(self, step: Step) -> None:
        self.steps[step.name] = step
        self._on_step(step)
