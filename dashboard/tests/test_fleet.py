"""The simulated fleet: real devices' code against a channel, some of them failing, and what the command says."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from dashboard.demo.fleet import Fleet, Shared
from serving.edge.documents import Offer
from serving.tests.edge import KEY, MODEL, Channel, bundle, served


def test_a_fleet_follows_its_channel_and_some_fail_each_new_bundle(tmp_path: Path) -> None:
    channel = Channel(tmp_path / "bundles")
    with served(channel) as url:
        first = bundle(tmp_path, 4)
        channel.offer(Offer(MODEL, "stable", 1, first))
        fleet = Fleet(Shared(url, MODEL, "stable", "", tmp_path / "cache"), KEY.public_key(), tmp_path / "f", 20, 0.3)
        assert fleet.look().bundles == {first.id: 20}
        second = bundle(tmp_path, 5)
        channel.offer(Offer(MODEL, "stable", 2, first, coming=second, share=0.5, seed="release 2"))
        found = fleet.look()
        assert found.states["failed"] + found.bundles[second.id] == 20 - (
            found.bundles[first.id] - found.states["failed"]
        )
        assert 0 < found.bundles[second.id] < 12
        assert 0 < found.states["failed"] < 8
        assert len(channel.checked_in) == 40
        assert channel.asked.count("model.onnx") == 2
    assert sum(fleet.look().away.values()) == 20


@pytest.mark.parametrize("words", [["--devices", "0"], ["--devices", "99999"], ["--failing", "101"]])
def test_the_command_refuses_what_makes_no_sense(words: list[str]) -> None:
    with pytest.raises(CommandError, match="1 to 10000"):
        call_command("fleet", *words)


@pytest.mark.django_db
def test_the_command_says_what_its_devices_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from releases.modes.edge.signing import private_key

    channel = Channel(tmp_path / "bundles")
    with served(channel) as url:
        channel.offer(Offer(MODEL, "stable", 1, bundle(tmp_path, 4, private_key())), private_key())
        call_command("fleet", "--devices", "5", "--rounds", "1", "--server", url, "--key-file", str(tmp_path / "none"))
    assert capsys.readouterr().out.startswith("5 run nothing (")
