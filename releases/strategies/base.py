"""What a strategy sees, what it answers, and the steps that all of them share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

PREPARE_SECONDS = 120.0  # a package that no gateway could load by then will not be loaded by waiting


@dataclass(frozen=True)
class Mirrored:
    """What a shadow has found: pairs so far and wanted, and the seconds after which it ends without them.

    `ready`: a shadow process has loaded the package; `error` says why none can; `replaced`: what it is compared with is
    live no more. `recorded`: it answers recorded requests, so that no gateway takes part; `over` says that it has.
    """

    pairs: int = 0
    wanted: int = 1
    seconds: float = 0.0
    ready: bool = False
    error: str = ""
    replaced: bool = False
    recorded: bool = False
    over: str = ""


@dataclass(frozen=True)
class Fleet:
    """What the devices of a channel have said. `ready`: the bundle is made; `error` says why it cannot be.

    `devices` were seen lately, `chosen` of them are in the share, `took` run the coming bundle, `failed` could not.
    """

    devices: int = 0
    chosen: int = 0
    took: int = 0
    failed: int = 0
    ready: bool = False
    error: str = ""
    enough: bool = False


@dataclass(frozen=True)
class Seen:
    """The world as it stands at one look. Times are seconds; weights are per cent; the clock is the caller's.

    `held` says why nothing may move at all, and is empty otherwise; `steps` are weight and seconds of each step of a
    canary; `control` is what the old package keeps while the new one is watched; `verdict` and its words are the
    judge's, `requests` what the candidate answered, `least_requests` how many it must have answered before anything is
    decided for it. `checks` are what was tried at weight 0: "pass", or "fail: why", "hold: why", "skip: why".
    `mirrored` is what a shadow has found, `fleet` what devices said, `quiet` the window that a release waits for.
    """

    state: str
    step: int = 0
    weight: float = 0.0
    stable_weight: float = 100.0
    seconds_in_state: float = 0.0
    seconds_in_step: float = 0.0
    seconds_to_start: float = 0.0
    has_stable: bool = True
    is_rollback: bool = False
    paused: bool = False
    held: str = ""
    unmet: tuple[str, ...] = ()
    gateways: int = 1
    adopted: int = 0
    load_error: str = ""
    watch_seconds: float = 0.0
    checks: dict[str, str] = field(default_factory=dict)
    steps: tuple[tuple[float, float], ...] = ()
    control: float = 0.0
    verdict: str = ""
    verdict_reason: str = ""
    requests: int = 0
    least_requests: int = 0
    mirrored: Mirrored | None = None
    fleet: Fleet | None = None
    quiet: str = ""

    @property
    def all_adopted(self) -> bool:
        """Every live gateway of the environment reported the current table, and there is at least one."""
        return 0 < self.gateways == self.adopted


@dataclass(frozen=True)
class Plan:
    """The next small thing: an action of the lifecycle table, a change of step, or nothing ("hold"); and why."""

    action: str
    reason: str
    weight: float | None = None
    stable_weight: float | None = None
    step: int | None = None


class Strategy(Protocol):
    """One way to bring a package into an environment."""

    name: str
    label: str
    summary: str

    def plan(self, seen: Seen) -> Plan:
        """Answer what to do next and why; the same answer for the same sight."""
        ...


def hold(reason: str) -> Plan:
    return Plan("hold", reason)


def held_back(seen: Seen) -> Plan | None:
    """What holds a release wherever it is, a rollback excepted: the line is stopped, or somebody has paused it."""
    if seen.is_rollback:
        return None
    if seen.held:
        return hold(seen.held)
    return hold("Paused. A fault would still take it back.") if seen.paused else None


def before_all(seen: Seen) -> Plan | None:
    """What every strategy looks at first: the judge, what holds, and whether it may begin; None where it goes on."""
    if stopped := stopped_by_the_judge(seen):
        return stopped
    if held := held_back(seen):
        return held
    return wait_to_begin(seen) if seen.state == "waiting" else None


def wait_to_begin(seen: Seen) -> Plan:
    """Leave `waiting` only when its start time has come and nothing is unmet."""
    if seen.seconds_to_start > 0:
        return hold(f"Waits for the quiet window, {seen.quiet}." if seen.quiet else "Waits for its start time.")
    if seen.unmet:
        return hold("Waits: " + "; ".join(words.rstrip(".") for words in seen.unmet) + ".")
    return Plan("begin", "Nothing is in its way.")


def adoption(seen: Seen) -> str:
    """Say in words how far the gateways are."""
    if not seen.gateways:
        return "No gateway of this environment is running."
    return f"{seen.adopted} of {seen.gateways} gateways have adopted the table."


def trouble(seen: Seen) -> str:
    """Say why this step cannot succeed: a gateway that cannot load the package, or one that waited too long."""
    if seen.load_error:
        return f"A gateway could not load the package: {seen.load_error}"
    # While watching, tables of other models come and are adopted a moment later: that is no trouble of this release.
    late = seen.state != "watching" and seen.seconds_in_step > PREPARE_SECONDS
    if late and seen.gateways and not seen.all_adopted:
        return f"Not adopted after {PREPARE_SECONDS:.0f} s. {adoption(seen)}"
    return ""


def warm(seen: Seen) -> Plan | None:
    """Wait until every gateway has loaded and warmed it, and given its known answer at weight 0; None when all have."""
    if words := trouble(seen):
        return Plan("fail", words)
    if not seen.all_adopted:
        return hold(adoption(seen))
    verdict, _, words = seen.checks.get("smoke", "").partition(": ")
    if verdict == "fail":
        return Plan("fail", f"Smoke at weight 0: {words}")
    return hold(f"Smoke at weight 0: {words}") if verdict == "hold" else None


def tried(seen: Seen) -> str:
    """Say what a package has shown before its first share."""
    verdict, _, words = seen.checks.get("smoke", "").partition(": ")
    if verdict == "pass":
        return "Loaded and warm in every gateway, and its example gets the known answer."
    return f"Loaded and warm in every gateway. {words}".strip()


def stopped_by_the_judge(seen: Seen) -> Plan | None:
    """Give the traffic back when the judge says so, whatever else holds the release."""
    if seen.verdict not in ("rollback", "invalid") or seen.state not in ("shifting", "watching"):
        return None
    return Plan("fail" if seen.state == "shifting" else "roll_back", seen.verdict_reason)


def switch(action: str, seen: Seen, reason: str, step: int | None = None) -> Plan:
    """Give the candidate the traffic, but for the control share where it is watched afterwards (D17)."""
    kept = seen.control if seen.has_stable and seen.watch_seconds > 0 else 0.0
    return Plan(action, reason, weight=100.0 - kept, stable_weight=kept, step=step)


def span(seconds: float) -> str:
    """Say a length of time as people do; coarse, so that a note does not change with every look."""
    if seconds >= 7200:
        return f"{seconds / 3600:.0f} h"
    if seconds >= 90:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.0f} s"


def after_the_switch(seen: Seen) -> Plan:
    """Finish a release that has all the traffic: watch it first where the environment asks for that.

    A gateway can leave a package out after the switch, because it killed the process: then the traffic goes back. A
    rollback has no way back of its own, so it goes on trying and says what is wrong.
    """
    if words := trouble(seen):
        return hold(words) if seen.is_rollback else Plan("fail", words)
    if not seen.all_adopted:
        return hold(adoption(seen))
    if seen.state == "shifting" and seen.watch_seconds > 0:
        return Plan("watch", f"All gateways have switched; watching for {seen.watch_seconds:.0f} s.")
    if seen.state == "watching" and seen.seconds_in_state < seen.watch_seconds:
        return hold(f"Watching for {seen.watch_seconds - seen.seconds_in_state:.0f} s more.")
    return Plan("finish", "All gateways answer with the new package.", weight=100.0, stable_weight=0.0)
