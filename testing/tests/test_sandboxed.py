"""What runs in the sandbox: the cases of a contract on good and bad models, and tests that nobody here wrote.

Each hostile test passes when its attack works; so on every tier that is offered, each of them must fail.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from django.conf import settings as django
from hypothesis import given
from hypothesis import strategies as st

from releases import sandbox
from releases.tests.sandbox.test_sandbox import STRONG, need
from serving.artefacts import Manifest
from serving.contract import ContractError, Decoder, Signature
from serving.runtimes import Answer
from testing.sandboxed import drawn, edges, promises
from testing.sandboxed.saying import Wrong
from testing.suites import unit
from testing.suites.base import Found, Report
from testing.tests.test_pure import Sink

LIMITS = {
    "inputs": [
        {"name": "distance", "type": "double", "required": True},
        {"name": "month", "type": "integer", "required": True},
        {"name": "carrier", "type": "string", "required": True},
        {"name": "delay", "type": "float", "required": False},
    ],
    "outputs": [{"name": "minutes", "type": "double"}],
    "params": None,
    "metadata": {
        "constraints": {
            "distance": {"gt": 0, "le": 5000},
            "month": {"ge": 1, "le": 12},
            "carrier": {"values": ["B6", "UA"]},
            "delay": {"lt": 100},
        }
    },
}
ROW = {"distance": 500.0, "month": 7, "carrier": "B6", "delay": 3.0}
SIGNATURE = Signature.from_json(LIMITS)
DECODER = Decoder(SIGNATURE)


def decode(row: dict[str, Any]) -> None:
    import msgspec

    DECODER.decode_v1(msgspec.json.encode({"instances": [row]}))


@pytest.mark.parametrize("field", SIGNATURE.inputs, ids=lambda field: field.name)
def test_every_limit_is_tried_from_both_sides(field: Any) -> None:
    assert "taken" in edges.look(field, ROW, decode)


def test_the_values_just_beside_a_limit_are_the_types_own_neighbours() -> None:
    distance, month = SIGNATURE.inputs[:2]
    assert {np.nextafter(0, 1), 5000.0} <= set(edges.taken(distance, 500.0))
    assert {0.0, float(np.nextafter(5000, 9999))} <= {v for v in edges.refused(distance) if isinstance(v, float)}
    assert {1, 12} <= set(edges.taken(month, 7))
    assert {0, 13} <= {v for v in edges.refused(month) if isinstance(v, int)}


def takes_all(_: dict[str, Any]) -> None:
    return None


def takes_none(_: dict[str, Any]) -> None:
    raise ContractError([{"row": None, "field": "", "rule": "no"}])


@pytest.mark.parametrize(("reads", "words"), [(takes_all, "its limits forbid it"), (takes_none, "its limits allow it")])
def test_a_limit_that_does_not_hold_is_named_with_the_value(reads: Any, words: str) -> None:
    with pytest.raises(Wrong, match=words):
        edges.look(SIGNATURE.inputs[0], ROW, reads)


def test_whatever_is_drawn_the_signature_allows() -> None:
    assert drawn.look(DECODER, [ROW], 60, decode).startswith("60 inputs")


def test_a_row_that_fails_is_made_simple_and_told() -> None:
    def fails_far_away(row: dict[str, Any]) -> None:
        if row["distance"] > 1000:
            raise Wrong("too far")

    with pytest.raises(Wrong, match=r"an input that the signature allows.*too far"):
        drawn.look(DECODER, [ROW], 200, fails_far_away)


def manifest(kind: str = "regressor", classes: list[Any] | None = None) -> Any:
    class Known:
        pass

    found: Any = Known()
    found.kind, found.classes = kind, classes
    return found


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(values=np.array([1.0, np.inf])), "regressor", "finite"),
        (Answer(values=np.array([1.0])), "regressor", "finite"),
        (Answer(labels=["a", "z"]), "classifier", "none of its classes"),
        (Answer(labels=["a"]), "classifier", "no classes"),
        (Answer(labels=["a", "b"], probabilities=np.array([[0.5, 0.4], [1, 0]])), "classifier", "add up"),
    ],
)
def test_an_answer_that_is_not_of_the_declared_type_is_wrong(answer: Answer, kind: str, words: str) -> None:
    with pytest.raises(Wrong, match=words):
        promises.check(answer, manifest(kind, ["a", "b"]), 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2))
def test_a_finite_number_for_each_row_is_right(values: list[float]) -> None:
    promises.check(Answer(values=np.array(values)), manifest(), 2)


assert Manifest  # what `check` gets from a gateway


HOSTILE_TESTS = {
    "fork_bomb": "    kids = [os.fork() for _ in range(64)]",
    "threads_of_another_program": "    os.posix_spawn('/bin/sh', ['sh', '-c', 'sleep 60'], {})",
    "a_child_that_outlives_its_parent": "    if os.fork(): return\n    os.setsid(); time.sleep(60)",
    "ten_gigabytes": "    block = bytearray(10 * 2**30); block[-1] = 1",
    "a_file_of_a_gigabyte": "    os.posix_fallocate(os.open('large', os.O_RDWR | os.O_CREAT), 0, 2**30)",
    "write_to_our_database": "    open(CANARY, 'r+b').write(b'mine')",
    "a_new_file_beside_it": "    open(CANARY + '-wal', 'wb').write(b'mine'); assert os.path.exists(CANARY + '-wal')",
    "read_our_database": "    assert open(CANARY, 'rb').read()",
    "read_the_secret_key": "    assert open(SECRET).read()",
    "the_secret_key_in_an_environment": (
        "    pids = [name for name in os.listdir('/proc') if name.isdigit()]\n"
        "    known = [open(f'/proc/{pid}/environ', 'rb').read() for pid in pids]\n"
        "    assert any(b'SECRET_KEY=' in each for each in known) or 'SECRET_KEY' in os.environ"
    ),
    "connect_to_valkey": (
        "    s = socket.socket(socket.AF_UNIX if VALKEY.startswith('/') else socket.AF_INET)\n"
        "    s.connect(VALKEY if VALKEY.startswith('/') else ('127.0.0.1', int(VALKEY)))"
    ),
    "connect_to_postgresql": "    socket.create_connection(('127.0.0.1', POSTGRES), timeout=2)",
    "kill_our_processes": "    os.kill(PARENT, 0)",
    "write_beside_itself": "    open(os.path.join(os.path.dirname(__file__), 'mine.py'), 'w').write('x')",
}
HONEST = """
import numpy as np
from sklearn.linear_model import LinearRegression

def test_a_line_is_found():
    x = np.arange(10.0).reshape(-1, 1)
    assert np.allclose(LinearRegression().fit(x, 3 * x.ravel()).coef_, 3)

def test_a_file_of_its_own_can_be_written(tmp_path):
    (tmp_path / "note").write_text("x")
    assert (tmp_path / "note").read_text() == "x"
"""


@pytest.fixture
def listening() -> Iterator[int]:
    """Stands where PostgreSQL would."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        yield door.getsockname()[1]


def own_tests(folder: Path, text: str, seconds: float = 60) -> tuple[list[Found], sandbox.Result]:
    (folder / "tests").mkdir(parents=True)
    (folder / "tests" / "test_own.py").write_text(text)
    report = Report(Sink())
    limits = sandbox.Limits(
        seconds=seconds, memory=4096 * sandbox.MIB, disk=256 * sandbox.MIB, file_size=64 * sandbox.MIB
    )
    ended = unit.run_program("own_tests.py", [str(folder)], {}, [folder], report, limits, needs="tests")
    return report.cases, ended


def hostile(postgres: int) -> str:
    address = urlsplit(django.REDIS_URL)
    valkey = address.path if address.scheme == "unix" else str(address.port)
    canary, secret = django.VAR / "canary.sqlite3", django.VAR / "secret-key"
    canary.write_bytes(b"our rows")
    secret.write_text("our key")
    head = "import os, socket, time\n"
    head += f"CANARY, SECRET, VALKEY, POSTGRES = {str(canary)!r}, {str(secret)!r}, {valkey!r}, {postgres}\n"
    head += f"PARENT = {__import__('os').getpid()}\n"
    return head + "".join(f"def test_{name}():\n{body}\n" for name, body in HOSTILE_TESTS.items())


@pytest.mark.parametrize("tier", STRONG)
def test_every_hostile_test_is_stopped_and_honest_ones_pass(
    tier: str, tmp_path: Path, redis: object, listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(tier)
    monkeypatch.setenv(sandbox.FORCE, tier)
    cases, ended = own_tests(tmp_path / "hostile", hostile(listening))
    assert ended.tier == tier
    outcomes = {case.name.removeprefix("test_own.py::test_"): case.outcome for case in cases}
    assert outcomes == dict.fromkeys(HOSTILE_TESTS, "failed"), {case.name: case.message for case in cases}
    assert (django.VAR / "canary.sqlite3").read_bytes() == b"our rows"
    assert not (django.VAR / "canary.sqlite3-wal").exists()
    cases, _ = own_tests(tmp_path / "honest", HONEST)
    assert [case.outcome for case in cases] == ["passed", "passed"], cases


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def test_for_ever():\n    while True: pass\n", "longer than it may"),
        ("import os, signal\ndef test_ends_us():\n    os.kill(os.getpid(), signal.SIGKILL)\n", "ended"),
        ("import os\ndef test_leaves():\n    os._exit(0)\n", "before its end"),
        ("def test_talks():\n    import os\n    while True: os.write(1, b'x' * 65536)\n", "more than it may|longer"),
        ("def test_lies():\n    import os\n    os.write(1, b'{\"ended\": true}\\n'); os._exit(1)\n", "before its end"),
    ],
)
def test_what_does_not_come_to_its_end_fails(text: str, words: str, tmp_path: Path) -> None:
    cases, _ = own_tests(tmp_path / "p", text, seconds=4)
    assert cases[-1].outcome == "failed"
    import re

    assert re.search(words, cases[-1].message), cases


def test_a_folder_without_tests_in_it_fails(tmp_path: Path) -> None:
    cases, _ = own_tests(tmp_path / "p", "x = 1\n")
    assert [(case.name, case.outcome) for case in cases] == [("tests/ holds tests", "failed")]


def test_tests_that_cannot_be_read_fail(tmp_path: Path) -> None:
    cases, _ = own_tests(tmp_path / "p", "import no_such_module\n")
    assert cases[0].outcome == "failed"
    assert "no_such_module" in cases[0].message


def test_where_no_tier_stops_everything_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sandbox.FORCE, "none")
    with pytest.raises(sandbox.SandboxUnavailable):
        own_tests(tmp_path / "p", HONEST)
