"""One child behind its guard: started again when it dies, stopped when asked, and nothing of it left behind."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from django.conf import settings

from dashboard.supervisor import child as child_module
from dashboard.supervisor.child import Child, Spec
from dashboard.supervisor.guard import adopt_orphans
from dashboard.supervisor.output import Console, Lines, Log

pytestmark = pytest.mark.same_everywhere
LINUX = sys.platform.startswith("linux")
# A child, a grandchild in its group, and one that ran away into a session of its own; all three write their pids.
FAMILY = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
inside, away = subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)
print("family", os.getpid(), inside.pid, away.pid, flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


class Run:
    """A child with its console in memory."""

    def __init__(self, folder: Path, code: str, **about: object) -> None:
        self.stream = io.StringIO()
        spec = Spec("x", (sys.executable, "-c", code), dict(os.environ), **about)  # type: ignore[arg-type]
        self.child = Child(spec, Console(self.stream), folder)

    @property
    def said(self) -> str:
        return self.stream.getvalue()

    async def until(self, words: str, times: int = 1) -> None:
        await eventually(lambda: self.said.count(words) >= times, lambda: f"{words!r} not in:\n{self.said}")

    def pids(self) -> list[int]:
        line = [line for line in self.said.splitlines() if "family" in line][-1]
        return [int(word) for word in line.split()[-3:]]


async def eventually(true: Callable[[], bool], why: Callable[[], str], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, why()
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    if LINUX:
        with suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False
    with suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + 5
    while any(map(alive, pids)):
        assert time.monotonic() < until, f"still alive of {pids}"
        time.sleep(0.01)


def play(run: Run, scene: Callable[[Run], Awaitable[None]]) -> None:
    async def whole() -> None:
        run.child.start()
        try:
            await scene(run)
        finally:
            await run.child.stop()

    play_all(whole())


def play_all(scene: Coroutine[None, None, None]) -> None:
    asyncio.run(scene)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(child_module, "LONGEST_WAIT", 0.1)
    adopt_orphans()


def test_a_killed_child_is_reported_and_started_again_without_its_family(tmp_path: Path) -> None:
    async def scene(run: Run) -> None:
        await run.until("family")
        first = run.pids()
        os.kill(first[0], signal.SIGKILL)
        await run.until("was ended by SIGKILL; starting it again in 0.02 s")
        await run.until("family", 2)
        assert not any(map(alive, first if LINUX else first[:2]))
        assert all(map(alive, run.pids()))

    play(Run(tmp_path, FAMILY), scene)


def test_what_is_murmured_goes_to_the_log_only(tmp_path: Path) -> None:
    async def scene(run: Run) -> None:
        await run.until("hot")
        assert "calm" not in run.said
        assert "calm" in (tmp_path / "x.log").read_text()

    code = "import time; print('1 INFO calm', flush=True); print('2 WARNING hot', flush=True); time.sleep(600)"
    play(Run(tmp_path, code, murmur=" INFO "), scene)


@pytest.mark.skipif(not LINUX, reason="only Linux tells a child that its parent was killed")
def test_when_the_guard_is_killed_its_family_ends_and_a_new_one_starts(tmp_path: Path) -> None:
    async def scene(run: Run) -> None:
        await run.until("family")
        first = run.pids()
        assert run.child.process
        assert run.child.process._guard
        os.kill(run.child.process._guard.pid, signal.SIGKILL)
        await run.until("family", 2)
        await eventually(lambda: not any(map(alive, first)), lambda: f"still alive of {first}")

    play(Run(tmp_path, FAMILY), scene)


def test_a_stopped_child_takes_its_family_along(tmp_path: Path) -> None:
    run = Run(tmp_path, FAMILY)

    async def scene(run: Run) -> None:
        await run.until("family")

    play(run, scene)
    wait_until_gone(run.pids() if LINUX else run.pids()[:2])
    assert "again" not in run.said


SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
from dashboard.supervisor.child import Child, Spec
from dashboard.supervisor.output import Console

async def main():
    Child(Spec("x", (sys.executable, "-c", sys.argv[1]), dict(os.environ)), Console(), Path(sys.argv[2])).start()
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_when_the_supervisor_is_killed_the_whole_family_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, FAMILY, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=settings.BASE_DIR) as supervisor:
        assert supervisor.stdout
        family = [int(word) for word in supervisor.stdout.readline().split()[-3:]]
        assert all(map(alive, family))
        supervisor.kill()
    wait_until_gone(family if LINUX else family[:2])


def test_a_child_that_does_not_listen_is_killed_after_its_time(tmp_path: Path) -> None:
    run = Run(tmp_path, STUBBORN, stop_seconds=0.2)

    async def scene(run: Run) -> None:
        await run.until("deaf")

    play(run, scene)
    assert run.child.process
    assert run.child.process.pid
    assert not alive(run.child.process.pid)


def test_a_frozen_guard_does_not_keep_its_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "KILL_SECONDS", 0.2)
    run = Run(tmp_path, FAMILY, stop_seconds=0.2)

    async def scene(run: Run) -> None:
        await run.until("family")
        assert run.child.process
        assert run.child.process._guard
        os.kill(run.child.process._guard.pid, signal.SIGSTOP)

    play(run, scene)
    wait_until_gone(run.pids()[:1])


def test_a_child_that_crashes_again_and_again_is_tried_on_and_on_loudly(tmp_path: Path) -> None:
    async def scene(run: Run) -> None:
        await run.until("HAS CRASHED 5 TIMES IN A ROW; everything else goes on. See ")
        await run.until("ended with exit code 3; starting it again in 0.1 s", 3)

    play(Run(tmp_path, "raise SystemExit(3)"), scene)


def test_a_wrong_configuration_is_reported_and_not_tried_again(tmp_path: Path) -> None:
    async def scene(run: Run) -> None:
        await run.until("its configuration is wrong")
        await asyncio.sleep(0.2)
        assert run.said.count("PORT must be a number") == 1

    play(Run(tmp_path, "print('PORT must be a number', flush=True); raise SystemExit(78)"), scene)


def test_a_child_that_runs_once_ends_well_and_is_left_alone(tmp_path: Path) -> None:
    async def scene(run: Run) -> None:
        await run.until("done")
        await asyncio.sleep(0.2)
        assert run.said.count("done") == 1

    play(Run(tmp_path, "print('done', flush=True)", once=True), scene)


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path, "")
    run.child.spec = Spec("x", ("/no/such/thing",), {})

    async def scene(run: Run) -> None:
        await run.until("cannot start /no/such/thing: No such file or directory")

    play(run, scene)


def test_a_child_learns_how_its_last_run_ended(tmp_path: Path) -> None:
    code = "import os; print('last', os.environ.get('LAST'), flush=True); raise SystemExit(5)"

    async def scene(run: Run) -> None:
        await run.until("last None")
        await run.until("last 5")

    play(Run(tmp_path, code, last_exit="LAST"), scene)


def test_readiness_waits_for_the_first_yes(tmp_path: Path) -> None:
    answers = iter([False, False, True])

    async def scene(run: Run) -> None:
        await asyncio.wait_for(run.child.ready.wait(), 10)
        assert next(answers, None) is None

    play(Run(tmp_path, "import time; time.sleep(600)", ready=lambda: next(answers)), scene)


def test_everything_a_child_prints_stands_in_its_log_behind_the_time(tmp_path: Path) -> None:
    async def scene(run: Run) -> None:
        await run.until("last words")

    play(Run(tmp_path, "print('hello'); print('last words', end='', flush=True)", once=True), scene)
    lines = [line.partition(" ") for line in (tmp_path / "x.log").read_text().splitlines()]
    assert [text for _, _, text in lines if not text.startswith("supervisor")] == ["hello", "last words"]
    assert all(datetime.fromisoformat(when) for when, _, _ in lines)


def test_a_curl_stands_on_a_line_of_its_own(tmp_path: Path) -> None:
    run = Run(tmp_path, "print('see:'); print('curl http://127.0.0.1', flush=True); import time; time.sleep(600)")

    async def scene(run: Run) -> None:
        await run.until("curl")

    play(run, scene)
    assert "curl http://127.0.0.1" in run.said.splitlines()
    assert any(line.startswith("x") and line.endswith("| see:") for line in run.said.splitlines())


def test_a_log_is_moved_away_when_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.supervisor.output.LOG_BYTES", 200)
    log = Log(tmp_path / "x.log")
    for number in range(20):
        log.write(f"line {number}")
    log.close()
    assert "line 19" in (tmp_path / "x.log").read_text() + (tmp_path / "x.log.1").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"x.log", "x.log.1"}
    assert all(path.stat().st_size < 300 for path in tmp_path.iterdir())
    assert (tmp_path / "x.log").stat().st_mode & 0o777 == 0o600


def test_lines_without_an_end_are_cut() -> None:
    lines = Lines()
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o\n") == ["two"]
    assert [len(line) for line in lines.feed(b"x" * 20_000)] == [8192]
