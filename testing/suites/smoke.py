"""Smoke: seconds after every switch, does exactly this package answer, rightly and in time?"""

from __future__ import annotations

from dataclasses import dataclass

from testing import target
from testing.client import GatewayClient
from testing.suites import asking
from testing.suites.base import Figure, LeavesNothing, Report, Subject
from testing.suites.settings import number

ALMOST_ALL = 0.95


@dataclass(frozen=True)
class Settings:
    """What can be set for each model."""

    requests: int = number(20, 1, 1000, "", "requests that are sent one after the other")
    limit_ms: float = number(1000.0, 0.1, 60_000, "ms", "within which 95 % of them must be answered")
    tolerance: float = number(1e-4, 0.0, 1.0, "", "how far an answer may be from the known one, as a share of its size")


class Smoke(LeavesNothing):
    """Runs by itself after every switch; where the environment says so, a failure takes the release back."""

    kind, label = "smoke", "Smoke"
    summary = "Seconds after a switch: live, ready, the right package, the known answer, no errors, in time."
    queue, seconds, expected = "long", 60.0, 5
    Settings = Settings

    def run(self, subject: Subject, report: Report) -> None:
        with target.client(subject.environment.name) as client:
            with report.case("the gateway is live and ready") as case:
                case.check(client.live(), f"{client.gateway} does not say that it is live.")
                case.check(client.ready(), f"{client.gateway} does not say that it is ready.")
                case.evidence = client.gateway
            _metadata(client, subject, report)
            _golden(client, subject, report)
            _requests(client, subject, report)


def _metadata(client: GatewayClient, subject: Subject, report: Report) -> None:
    with report.case("its metadata names this package") as case:
        found = client.metadata(subject.model)
        versions = found.get("versions", [])
        number = str(subject.package.number)
        case.check(number in versions, f"Versions {', '.join(versions) or 'none'} are named, and not {number}.")
        case.evidence = f"{found.get('name')}, versions {', '.join(versions)}"


def _golden(client: GatewayClient, subject: Subject, report: Report) -> None:
    """The answer that the intake saw, from exactly these bytes."""
    package = subject.package
    with report.case("its example gets the known answer") as case:
        rows = package.example[:1]
        answer = client.predict_v1(subject.model, asking.instances(package, rows))
        case.check(
            answer.digest == package.digest,
            f"Package {answer.package} ({answer.digest}) answers, not {package.number}.",
        )
        found = [asking.plain(prediction) for prediction in answer.predictions]
        if package.answers:
            far = asking.apart(found, package.answers[:1])
            words = f"It answers {found[0]!r}, the intake saw {package.answers[0]!r}."
            case.check(far <= subject.settings.tolerance, words)
        case.evidence = f"{found[0]!r} from package {answer.package}"


def _requests(client: GatewayClient, subject: Subject, report: Report) -> None:
    settings, package = subject.settings, subject.package
    took: list[float] = []
    with report.case(f"{settings.requests} requests without an error") as case:
        for turn in range(settings.requests):
            report.look()
            row = package.example[turn % len(package.example)]
            answer = client.predict_v1(subject.model, asking.instances(package, [row]))
            case.check(answer.digest == package.digest, f"Request {turn + 1} was answered by package {answer.package}.")
            took.append(answer.seconds)
        case.evidence = f"{len(took)} answers, all from package {package.number}"
    if len(took) < settings.requests:
        return
    slow = sorted(took)[max(0, round(len(took) * ALMOST_ALL) - 1)] * 1000
    report.figures.append(Figure("p95", slow, "ms", settings.limit_ms))
    with report.case("they are answered in time") as case:
        case.check(slow <= settings.limit_ms, f"95 % within {slow:.0f} ms; {settings.limit_ms:g} ms are allowed.")
        case.evidence = f"95 % within {slow:.1f} ms of {settings.limit_ms:g} ms"
