"""What a suite is, what it is told, and how it says what it saw, case by case."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from releases.models import Environment, Package
from testing.client import GatewayError

PASSED, FAILED, ERRORED, ABSENT = "passed", "failed", "errored", "not offered"
Values = Mapping[str, Any]


class Failed(Exception):
    """The case does not hold; the text says what was expected and what came."""


class Stop(Exception):
    """The run is not to go on: `state` is how it ends."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state, self.reason = state, reason


@dataclass
class Found:
    """One case as it ended."""

    name: str
    outcome: str = PASSED
    seconds: float = 0.0
    message: str = ""
    evidence: str = ""

    def check(self, holds: bool, words: str) -> None:
        """Raise Failed with these words unless it holds."""
        if not holds:
            raise Failed(words)


@dataclass(frozen=True)
class Figure:
    """One measured value, with its unit and the limit it was held against (None: it is only told)."""

    name: str
    value: float
    unit: str = ""
    limit: float | None = None

    @property
    def holds(self) -> bool:
        return self.limit is None or self.value <= self.limit


class Sink(Protocol):
    """Where a report goes while it is made; `look` raises Stop when the run is not to go on."""

    def look(self) -> None: ...

    def begins(self, name: str) -> None: ...

    def ended(self, case: Found) -> None: ...

    def line(self, text: str) -> None: ...


@dataclass
class Report:
    """What a suite says: cases, figures, charts and lines of log."""

    sink: Sink
    cases: list[Found] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    charts: dict[str, Any] = field(default_factory=dict)
    sandbox: str = ""

    @contextmanager
    def case(self, name: str) -> Iterator[Found]:
        """Run one case: it passes unless its block raises; a GatewayError or Failed fails it, all else is our error."""
        self.begin(name)
        found, begin = Found(name), time.perf_counter()
        try:
            yield found
        except Stop:
            raise
        except (Failed, GatewayError) as error:
            found.outcome, found.message = FAILED, str(error)
        except Exception as error:
            found.outcome, found.message = ERRORED, f"{type(error).__name__}: {error}"
        found.seconds = time.perf_counter() - begin
        self.add(found)

    def begin(self, name: str) -> None:
        self.look()
        self.sink.begins(name)

    def add(self, found: Found) -> None:
        self.cases.append(found)
        self.sink.ended(found)

    def not_offered(self, name: str, why: str) -> None:
        """Say that there is nothing to look at, which is not *passed*."""
        self.add(Found(name, ABSENT, message=why))

    def say(self, line: str) -> None:
        self.sink.line(line)

    def look(self) -> None:
        """Raise Stop when the run was cancelled, has had its time, or belongs to another worker by now."""
        self.sink.look()

    @property
    def verdict(self) -> str:
        """A failure goes before an error of ours: it is known already that the package is not fit."""
        outcomes = {case.outcome for case in self.cases}
        for worst in (FAILED, ERRORED):
            if worst in outcomes:
                return worst
        return PASSED if PASSED in outcomes else ERRORED


@dataclass(frozen=True)
class Subject:
    """What is tested: exactly this package, in this environment, with these settings."""

    package: Package
    environment: Environment
    settings: Any
    run: str

    @property
    def model(self) -> str:
        return self.package.model.name


class LeavesNothing:
    """A suite that changes nothing outside its own run."""

    def tidy(self, subject: Subject) -> None:
        """Nothing is to be put right."""


class Suite(Protocol):
    """One kind of test. `seconds` is the time it gets; `queue` which worker takes it; `Settings` what can be set."""

    kind: str
    label: str
    summary: str
    queue: str
    seconds: float
    expected: int

    @property
    def Settings(self) -> type[Any]: ...

    def run(self, subject: Subject, report: Report) -> None:
        """Look at every case; raises Stop, and what else it raises is an error of ours."""
        ...

    def tidy(self, subject: Subject) -> None:
        """Put right what a worker that died in the middle left; called before the run goes on, or is given up."""
        ...
