"""What a gateway keeps on its own disk, and what becomes of it while the disk is full."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from serving.gateway import disk as disks
from serving.gateway.disk import Disk, Keeper
from serving.gateway.shares import Shares
from serving.tests.builders import table, target

pytestmark = pytest.mark.same_everywhere


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A disk with no room until `undo` is called."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disks, "write_atomically", refuse)
    monkeypatch.setattr("serving.gateway.shares.write_atomically", refuse)
    return monkeypatch


def test_a_table_that_finds_no_room_is_kept_when_there_is_some(
    tmp_path: Path, full: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk, live = Disk(tmp_path), table(target(1))
    keeper = Keeper(disk)
    words = [keeper.keep_table(live) for _ in range(3)]
    assert words == ["Generation 1 cannot be kept on this gateway's disk: No space left on device."] * 3
    assert len(caplog.records) == 1, "It is said once, not with every look."
    full.undo()
    assert keeper.keep_table(live) is None
    assert disk.table("dev") == live


def test_the_order_of_environments_is_kept_when_there_is_room(tmp_path: Path, full: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path)
    keeper = Keeper(disk)
    keeper.keep_order(("dev", "production"))
    full.undo()
    assert disk.order() == ()
    keeper.keep_order(("dev", "production"))
    assert disk.order() == ("dev", "production")


def test_the_number_of_gateways_is_kept_when_there_is_room(tmp_path: Path, full: pytest.MonkeyPatch) -> None:
    shares, both = Shares("one", tmp_path, lambda _: None), {"one": {"dev": {}}, "two": {"dev": {}}}
    shares._count(both)
    assert shares.gateways("dev") == 2
    full.undo()
    shares._count(both)
    assert Shares("one", tmp_path, lambda _: None).gateways("dev") == 2
