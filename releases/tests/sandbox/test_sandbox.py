"""Each tier stops what it says, measured on this machine; and every run ends within its limits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from releases import sandbox
from releases.sandbox import HOSTILE, MIB, TIERS, Limits

INSTALL = {
    "bubblewrap": "apt-get install -y bubblewrap",
    "unshare": "user namespaces, util-linux and Linux 5.13 or newer",
    "landlock": "Linux 5.13 or newer with Landlock, on x86_64 or arm64",
    "none": "nothing",
}
STRONG = ["bubblewrap", "unshare", "landlock"]
SMALL = Limits(seconds=20, memory=1024 * MIB, file_size=4 * MIB, disk=16 * MIB, output=64 * 1024)
ROOT = Path(__file__).resolve().parents[3]


def need(name: str) -> None:
    if sandbox.probe.stops(name) is None:
        pytest.skip(f"the tier {name} does not run here; it needs {INSTALL[name]}")


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-B", "-c", code]


@pytest.fixture
def box(tmp_path: Path) -> Path:
    (tmp_path / "box").mkdir()
    return tmp_path / "box"


@pytest.fixture(params=list(TIERS))
def tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    need(request.param)
    monkeypatch.setenv(sandbox.FORCE, request.param)
    return str(request.param)


def run(code: str, box: Path, **options: object) -> sandbox.Result:
    limits = options.pop("limits", SMALL)
    return sandbox.run(python(code), read=[], write=box, limits=limits, needs="intake", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STRONG)
def test_a_strong_tier_stops_every_hostile_case(name: str) -> None:
    need(name)
    assert sandbox.probe.stops(name) == HOSTILE


def test_limits_alone_stop_only_memory_and_file_size() -> None:
    assert sandbox.probe.stops("none") == {"memory", "file size"}


def test_limits_alone_are_never_offered_for_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sandbox.FORCE, "none")
    assert sandbox.choose("intake").name == "none"
    with pytest.raises(sandbox.SandboxUnavailable, match="apt-get install -y bubblewrap"):
        sandbox.choose("tests")


@pytest.mark.parametrize("hole", sorted(HOSTILE))
def test_a_tier_with_any_hole_is_not_offered_for_tests(hole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.probe, "stops", lambda name: HOSTILE - {hole})
    with pytest.raises(sandbox.SandboxUnavailable):
        sandbox.choose("tests")


def test_the_strongest_tier_that_runs_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sandbox.FORCE, raising=False)
    monkeypatch.setattr(sandbox.probe, "stops", lambda name: None if name == "bubblewrap" else HOSTILE)
    assert sandbox.choose("tests").name == "unshare"


def test_an_unknown_tier_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sandbox.FORCE, "chroot")
    with pytest.raises(sandbox.SandboxUnavailable, match="chroot is not a tier; choose one of bubblewrap"):
        sandbox.choose("intake")


def test_lines_arrive_while_the_command_runs(tier: str, box: Path) -> None:
    seen: list[tuple[str, float]] = []
    code = "import time; print('one', flush=True); time.sleep(0.6); print('two', flush=True)"
    result = run(code, box, on_line=lambda line: seen.append((line, time.monotonic())))
    assert ([line for line, _ in seen], result.returncode, result.tier) == (["one", "two"], 0, tier)
    assert seen[1][1] - seen[0][1] > 0.3


def test_the_write_folder_is_the_working_folder_and_keeps_results(tier: str, box: Path) -> None:
    assert run("open('result', 'w').write('42')", box).returncode == 0
    assert (box / "result").read_text() == "42"


@pytest.mark.parametrize("name", STRONG)
def test_a_folder_given_to_read_can_be_read_but_not_written(
    name: str, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(name)
    monkeypatch.setenv(sandbox.FORCE, name)
    given = tmp_path / "given"
    given.mkdir()
    (given / "data").write_text("hello")
    code = f"print(open({str(given / 'data')!r}).read()); open({str(given / 'new')!r}, 'w')"
    result = sandbox.run(python(code), read=[given], write=box, limits=SMALL, needs="intake")
    assert result.stdout == "hello\n"
    assert result.returncode == 1
    assert not (given / "new").exists()


def test_nothing_of_our_environment_is_handed_on(tier: str, box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "canary")
    monkeypatch.setenv("DATABASE_URL", "canary")
    result = run("import os; print(sorted(set(os.environ) - {'LC_CTYPE', 'PWD', 'OLDPWD', 'SHLVL', '_'}))", box)
    assert result.stdout.strip() == str(sorted([*sandbox.process.ENVIRONMENT, "HOME", "TMPDIR"]))


@pytest.mark.parametrize(
    ("code", "stopped"),
    [
        ("import time; time.sleep(60)", "seconds"),
        ("while True: print('x' * 1000)", "output"),
        ("import time\nfor i in range(9): open(str(i), 'wb').write(bytes(3_000_000))\ntime.sleep(60)", "disk"),
    ],
)
def test_a_broken_limit_ends_the_command_by_name(tier: str, box: Path, code: str, stopped: str) -> None:
    seconds = 0.7 if stopped == "seconds" else 15
    result = run(code, box, limits=Limits(seconds=seconds, memory=SMALL.memory, disk=SMALL.disk, output=SMALL.output))
    assert result.stopped == stopped
    assert result.seconds < 10


def test_a_crash_is_known_by_its_signal(tier: str, box: Path) -> None:
    assert run("import ctypes; ctypes.string_at(0)", box).signal == signal.SIGSEGV


def test_there_are_no_children_or_they_end_with_it(tier: str, box: Path) -> None:
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-I', '-c', {BEAT!r}]); time.sleep(0.5)"
    ended = run(code, box)
    if tier in STRONG:
        assert "BlockingIOError" in ended.stderr
        assert not (box / "beat").exists()
    else:
        assert ended.returncode == 0
        assert_silent(box / "beat")


def test_threads_are_not_processes(tier: str, box: Path) -> None:
    code = "import threading; t = threading.Thread(target=print, args=('in a thread',)); t.start(); t.join()"
    assert run(code, box).stdout.strip() == "in a thread"


@pytest.mark.parametrize("name", TIERS)
def test_when_our_process_is_killed_the_command_dies_too(name: str, box: Path) -> None:
    need(name)
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from releases import sandbox
limits = sandbox.Limits(seconds=30)
sandbox.run([sys.executable, '-I', '-c', {BEAT!r}], read=[], write=Path({str(box)!r}), limits=limits, needs='intake')
"""
    parent = subprocess.Popen(python(code), env={**os.environ, sandbox.FORCE: name})
    deadline = time.monotonic() + 15
    while not (box / "beat").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    assert_silent(box / "beat")


BEAT = """
import time
for number in range(400):
    open('beat', 'w').write(str(number))
    time.sleep(0.05)
"""


def assert_silent(beat: Path) -> None:
    """It was written, and within a second it no longer is."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        before = beat.read_text()
        time.sleep(0.4)
        if beat.read_text() == before:
            return
    pytest.fail("the command is still alive")
