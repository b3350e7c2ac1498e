"""Edge: devices trust nothing unsigned and never lose what they have, whoever is killed."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.edge.copies import Copies
from serving.edge.device import FAILED, OFF, PASSED, REFUSED, Device, start
from serving.edge.documents import BUNDLE, EdgeError, Offer, place_of, sign
from serving.edge.model import Report
from serving.edge.runner import packed
from serving.edge.server import Server, Unreachable
from serving.edge.trying import test_here
from serving.tests.edge import KEY, MODEL, OTHER, Channel, bundle, served
from serving.tests.forms import ROW

PUBLIC = KEY.public_key()
test_here.__test__ = False  # type: ignore[attr-defined]


# --- channels ---------------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_growing_share_keeps_who_has_the_coming_bundle(device: str, one: float, other: float) -> None:
    at = place_of("release 7", device)
    assert 0 <= at < 1
    if at < min(one, other):
        assert at < max(one, other)


def test_a_share_is_that_part_of_the_devices_and_another_release_takes_others() -> None:
    devices = [f"device-{number}" for number in range(10_000)]
    first = {device for device in devices if place_of("release 7", device) < 0.1}
    second = {device for device in devices if place_of("release 8", device) < 0.1}
    assert 900 < len(first) < 1100
    assert len(first & second) < 200


@dataclass
class World:
    """A channel, its address, and the device's copies."""

    folder: Path
    channel: Channel
    url: str
    copies: Copies

    def device(self, name: str = "till-1", **more: Any) -> Device:
        return Device(self.copies, Server(self.url, MODEL, "stable"), name, **{"test": test_here, **more})

    def offer(self, serial: int, number: int | None, **more: Any) -> Offer:
        found = bundle(self.folder, number) if number else None
        offer = Offer(MODEL, "stable", serial, found, **more)
        self.channel.offer(offer)
        return offer

    def answers(self) -> float:
        return float(start(self.copies).predict(json.dumps({"instances": [ROW]}).encode())[0])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    channel = Channel(tmp_path / "bundles")
    with served(channel) as url:
        yield World(tmp_path, channel, url, Copies(tmp_path / "device", PUBLIC))


def test_a_device_takes_what_is_offered_keeps_the_copy_before_and_checks_in(world: World) -> None:
    first = world.offer(1, 4).bundle
    assert world.device().update().state == PASSED
    assert world.answers() == 4.0
    second = world.offer(2, 5).bundle
    world.device().update()
    assert world.answers() == 5.0
    assert first
    assert second
    assert (world.copies.state.current, world.copies.state.previous) == (second.id, first.id)
    told = world.channel.checked_in[-1]
    assert (told["device"], told["bundle"], told["state"]) == ("till-1", second.id, PASSED)
    assert told["seconds"] > 0


def test_what_has_not_changed_is_not_sent_again(world: World) -> None:
    world.offer(1, 4)
    world.device().update()
    before = len(world.channel.asked)
    assert world.device().update().state == PASSED
    assert world.channel.asked[before:] == ["manifest"]


def test_a_withdrawal_returns_to_the_copy_that_is_here(world: World) -> None:
    world.offer(1, 4)
    world.device().update()
    world.offer(2, 4, coming=bundle(world.folder, 5), share=1.0, seed="release 2")
    world.device().update()
    assert world.answers() == 5.0
    before = len(world.channel.asked)
    world.offer(3, 4)
    world.device().update()
    assert world.answers() == 4.0
    assert world.channel.asked[before:] == ["manifest"]


def test_a_share_reaches_its_part_of_the_devices_only(world: World) -> None:
    offer = world.offer(1, 4, coming=bundle(world.folder, 5), share=0.5, seed="release 2")
    for name in [f"till-{number}" for number in range(8)]:
        copies = Copies(world.folder / name, PUBLIC)
        Device(copies, Server(world.url, MODEL, "stable"), name, test=test_here).update()
        assert copies.state.current == (offer.coming if place_of("release 2", name) < 0.5 else offer.bundle).id  # type: ignore[union-attr]


def test_an_empty_channel_switches_the_model_off_and_a_new_offer_on_again(world: World) -> None:
    world.offer(1, 4)
    world.device().update()
    world.offer(2, None)
    assert world.device().update().state == OFF
    with pytest.raises(EdgeError, match="switched off"):
        world.answers()
    world.offer(3, 4)
    world.device().update()
    assert world.answers() == 4.0


# --- what is refused --------------------------------------------------------------------------------------------------


def refuses(world: World, state: str, words: str) -> None:
    """The device says so, and goes on with package 4."""
    told = world.device().update()
    assert (told.state, words in told.words) == (state, True), told
    assert world.channel.checked_in[-1]["state"] == state
    assert world.answers() == 4.0


@pytest.fixture
def running(world: World) -> World:
    world.offer(3, 4)
    world.device().update()
    return world


def test_a_bundle_with_one_changed_byte_is_refused(running: World) -> None:
    offer = running.offer(4, 5)
    assert offer.bundle
    whole = (running.channel.bundles / offer.bundle.id / "model.onnx").read_bytes()
    running.channel.answers["model.onnx"] = whole[:-1] + bytes([whole[-1] ^ 1])
    refuses(running, REFUSED, "not the file that was signed")
    running.channel.answers.clear()
    assert running.device().update().state == PASSED
    assert running.answers() == 5.0


def test_a_file_that_does_not_end_is_given_up(running: World) -> None:
    running.offer(4, 5)
    running.channel.answers["model.onnx"] = b"x" * 3_000_000
    refuses(running, REFUSED, "larger than its manifest says")


def test_an_offer_by_another_key_is_refused(running: World) -> None:
    running.channel.offer(Offer(MODEL, "stable", 9, bundle(running.folder, 5)), OTHER)
    refuses(running, REFUSED, "not by the key")


def test_a_bundle_by_another_key_is_refused(running: World) -> None:
    made = running.folder / "bundles" / bundle(running.folder, 5).id
    (made / "manifest.sig").write_text(sign(BUNDLE, (made / "manifest.json").read_bytes(), OTHER))
    running.channel.offer(Offer(MODEL, "stable", 9, bundle(running.folder, 5)))
    (made / "manifest.sig").write_text(sign(BUNDLE, (made / "manifest.json").read_bytes(), OTHER))
    refuses(running, REFUSED, "not by the key")


def test_an_old_offer_is_refused_and_so_is_another_one_of_the_same_number(running: World) -> None:
    running.offer(2, 5)
    refuses(running, REFUSED, "old one")
    running.offer(3, 5)
    refuses(running, REFUSED, "old one")


def test_an_offer_of_another_model_or_channel_is_refused(running: World) -> None:
    for model, channel in (("other", "stable"), (MODEL, "beta")):
        running.channel.offer(Offer(model, channel, 9, bundle(running.folder, 5)))
        refuses(running, REFUSED, "another model or channel")


def test_a_bundle_of_another_model_is_refused(running: World) -> None:
    running.channel.offer(Offer(MODEL, "stable", 9, bundle(running.folder, 5, name="other")))
    refuses(running, REFUSED, "another model")


def test_a_bundle_that_is_not_the_one_that_is_offered_is_refused(running: World) -> None:
    old, new = bundle(running.folder, 4), bundle(running.folder, 5)
    shutil.rmtree(running.channel.bundles / new.id)
    shutil.copytree(running.channel.bundles / old.id, running.channel.bundles / new.id)
    running.channel.offer(Offer(MODEL, "stable", 9, new))
    refuses(running, REFUSED, "not the one that the channel offers")


def test_a_failing_self_test_is_refused_and_not_tried_again_until_another_offer(running: World) -> None:
    running.offer(4, 5)
    tried: list[Path] = []

    def fails(folder: Path) -> Report:
        tried.append(folder)
        return Report("The golden rows are answered 1.0e+00 away from what was signed.")

    assert running.device(test=fails).update().state == FAILED
    assert running.answers() == 4.0
    assert running.device(test=fails).update().state == FAILED
    assert len(tried) == 1
    running.offer(5, 5)
    assert running.device().update().state == PASSED
    assert running.answers() == 5.0


def test_a_model_that_takes_its_process_down_fails_its_self_test(
    running: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.edge import trying

    running.offer(4, 5)
    monkeypatch.setattr(trying, "CODE", "import os; os.kill(os.getpid(), 11)")
    told = running.device(test=trying.test_apart).update()
    assert (told.state, told.words) == (FAILED, "The self-test's process ended with -11.")
    assert running.answers() == 4.0


def test_an_unreachable_or_refusing_server_changes_nothing(running: World) -> None:
    away = Device(running.copies, Server("http://127.0.0.1:9", MODEL, "stable"), "till-1")
    with pytest.raises(Unreachable, match="cannot be reached"):
        away.update()
    offer = running.offer(4, 5)
    assert offer.bundle
    (running.channel.bundles / offer.bundle.id / "model.onnx").unlink()
    with pytest.raises(Unreachable, match="404"):
        running.device().update()
    assert running.answers() == 4.0


def test_only_http_is_asked() -> None:
    with pytest.raises(EdgeError, match="https://"):
        Server("file:///etc", MODEL, "stable")


# --- offline ----------------------------------------------------------------------------------------------------------


def two_copies(world: World) -> World:
    world.offer(1, 4)
    world.device().update()
    world.offer(2, 5)
    world.device().update()
    return world


def test_a_spoilt_copy_gives_way_to_the_one_before_without_a_server(world: World) -> None:
    two_copies(world)
    spoilt = world.copies.folder(world.copies.state.current) / "model.onnx"
    spoilt.write_bytes(b"nothing")
    world.channel.asked.clear()
    assert world.answers() == 4.0
    assert world.copies.state.previous == ""
    assert world.channel.asked == []


def test_a_spoilt_copy_is_brought_again_with_the_next_update(world: World) -> None:
    two_copies(world)
    (world.copies.folder(world.copies.state.current) / "model.onnx").write_bytes(b"nothing")
    assert world.device().update().state == PASSED
    assert world.answers() == 5.0


def test_a_current_copy_that_fails_later_gives_way(world: World) -> None:
    two_copies(world)
    told = world.device(test=lambda _: Report("It fails now.")).update()
    assert (told.state, told.words) == (FAILED, "It fails now.")
    assert world.answers() == 4.0


def test_when_no_copy_is_left_the_first_trouble_is_said(world: World) -> None:
    world.offer(1, 4)
    world.device().update()
    (world.copies.folder(world.copies.state.current) / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(EdgeError, match=r"model\.onnx is not the file"):
        world.answers()
    with pytest.raises(EdgeError, match="no copy before"):
        world.copies.back()


def test_only_two_copies_are_kept(world: World) -> None:
    for serial, number in enumerate((4, 5, 6), start=1):
        world.offer(serial, number)
        world.device().update()
    assert len(list((world.copies.home / "copies").iterdir())) == 2
    assert world.answers() == 6.0


# --- the runner -------------------------------------------------------------------------------------------------------

NEEDED = ("onnxruntime", "numpy", "cryptography", "cffi", "_cffi_backend", "flatbuffers", "google")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a device has: onnxruntime, numpy, cryptography and what these need, and nothing else."""
    folder = tmp_path_factory.mktemp("packages")
    site = Path(importlib.util.find_spec("numpy").origin).parents[1]  # type: ignore[union-attr,arg-type]
    for name in NEEDED:
        for path in site.glob(f"{name}*"):
            if not path.name.endswith(".dist-info"):
                (folder / path.name).symlink_to(path)
    return folder


def run(world: World, alone: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    path = world.folder / "runner.pyz"
    path.write_bytes(packed())
    command = [sys.executable, "-S", "-I", "-c", f"import sys; sys.path.append({str(alone)!r});"]
    command[-1] += (
        f"import runpy; sys.argv = {[str(path), *words]!r}; runpy.run_path({str(path)!r}, run_name='__main__')"
    )
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)


def test_the_runner_needs_three_packages_only(world: World, alone: Path) -> None:
    key, home = world.folder / "slipway.key", str(world.folder / "home")
    key.write_text(base64.b64encode(PUBLIC.public_bytes_raw()).decode())
    made = world.folder / "bundles" / bundle(world.folder, 4).id
    checked = run(world, alone, "check", str(made), "--key", str(key))
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["memory"] > 10_000_000
    installed = run(world, alone, "install", str(made), "--key", str(key), "--home", home)
    assert json.loads(installed.stdout)["package"] == 4
    lines = "\n".join(json.dumps({"instances": [row]}) for row in (ROW, {**ROW, "distance": -1}))
    answered = run(world, alone, "predict", "--home", home, stdin=lines)
    first, second = map(json.loads, answered.stdout.splitlines())
    assert first == {"predictions": [4.0]}
    assert second["details"] == [{"row": 0, "field": "distance", "rule": "must be greater than 0"}]
    world.offer(1, 5)
    place = ["--server", world.url, "--model", MODEL, "--channel", "stable", "--device", "till-1"]
    assert json.loads(run(world, alone, "update", "--home", home, *place).stdout)["state"] == PASSED
    assert json.loads(run(world, alone, "back", "--home", home).stdout)["package"] == 4
    (made / "model.onnx").write_bytes(b"x")
    refused = run(world, alone, "check", str(made), "--key", str(key))
    assert (refused.returncode, refused.stderr) == (1, "model.onnx is not the file that was signed.\n")


def test_the_runner_is_the_same_bytes_every_time() -> None:
    packed.cache_clear()
    first = packed()
    packed.cache_clear()
    assert packed() == first


def test_a_device_that_is_killed_anywhere_has_the_old_copy_or_the_new_one(world: World) -> None:
    code = (
        "import sys; from pathlib import Path; from serving.edge.copies import Copies;"
        "from serving.edge.device import Device; from serving.edge.server import Server;"
        "from serving.edge.trying import test_here; from serving.tests.edge import KEY, MODEL;"
        "print('ready', flush=True);"
        "Device(Copies(Path(sys.argv[1]), KEY.public_key()), Server(sys.argv[2], MODEL, 'stable'),"
        " 'till-1', test=test_here).update()"
    )
    world.offer(1, 4)
    world.device().update()
    killed = 0
    for serial, number in enumerate((5, 4, 5, 4, 5, 4), start=2):
        before = world.answers()
        world.offer(serial, number)
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(world.copies.home), world.url], stdout=subprocess.PIPE
        )
        assert child.stdout
        child.stdout.readline()
        time.sleep(0.002 * serial)
        os.kill(child.pid, signal.SIGKILL)
        killed += child.wait(10) == -signal.SIGKILL
        child.stdout.close()
        assert world.answers() in (before, float(number))
        assert world.device().update().state == PASSED
        assert world.answers() == float(number)
    assert killed
