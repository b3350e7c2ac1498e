"""A package that ended the gateway twice within a minute is left out; one that happened to be there is not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from serving.gateway import journal as journals
from serving.gateway.journal import Journal
from serving.gateway.quarantine import leave_out
from serving.routing import Route, check
from serving.tests.builders import digest, table, target

BAD, GOOD = digest("p1"), digest("p2")


def die_answering(folder: Path, now: float, **more: int) -> Journal:
    journal = Journal(folder, clock=lambda: now, **more)
    journal.enter(journal.slot(BAD))
    place = journal.slot(GOOD)
    journal.enter(place)
    journal.leave(place)
    return journal


def test_two_deaths_within_a_minute_put_a_package_in_quarantine(tmp_path: Path) -> None:
    die_answering(tmp_path, 100)
    assert die_answering(tmp_path, 110).quarantined == {}
    assert Journal(tmp_path, clock=lambda: 120).quarantined == {BAD: 120}


def test_two_deaths_further_apart_do_not(tmp_path: Path) -> None:
    die_answering(tmp_path, 100)
    die_answering(tmp_path, 110)
    assert Journal(tmp_path, clock=lambda: 200).quarantined == {}


def test_dying_while_loading_counts(tmp_path: Path) -> None:
    for now in (100, 101, 102):
        journal = Journal(tmp_path, clock=lambda now=now: now)
        journal._loading.write_text(BAD)
    assert journal.quarantined == {BAD: 102}


def test_a_gateway_killed_from_outside_blames_nobody_who_was_answering(tmp_path: Path) -> None:
    for now in (100, 101, 102, 103):
        journal = die_answering(tmp_path, now, last_exit=-9)
    assert journal.quarantined == {}


def test_a_gateway_killed_together_with_everything_blames_nobody_not_even_what_it_loaded(tmp_path: Path) -> None:
    for now in (100, 101, 102):
        journal = die_answering(tmp_path, now, last_exit=0)
        journal._loading.write_text(BAD)
    assert Journal(tmp_path, last_exit=0, clock=lambda: 103).quarantined == {}


def test_a_stop_in_good_order_leaves_no_marks(tmp_path: Path) -> None:
    for now in (100, 101, 102):
        die_answering(tmp_path, now).clear()
    assert Journal(tmp_path, clock=lambda: 103).quarantined == {}


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with no room for another byte."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journals, "write_atomically", refuse)
    monkeypatch.setattr(os, "posix_fallocate", refuse)


def test_a_gateway_starts_and_marks_what_it_runs_on_a_full_disk(tmp_path: Path, full: None) -> None:
    journal = Journal(tmp_path, clock=lambda: 100)
    journal.enter(journal.slot(BAD))
    with journal.loading(GOOD):
        pass
    journal.clear()


def test_a_death_that_cannot_be_written_down_counts_as_long_as_the_gateway_lives(tmp_path: Path, full: None) -> None:
    journal = Journal(tmp_path, clock=lambda: 100)
    journal.blame(BAD)
    journal.blame(BAD)
    assert journal.quarantined == {BAD: 100}
    journal.lift(set())
    assert journal.quarantined == {}


def test_the_quarantine_ends_when_no_table_wants_the_package(tmp_path: Path) -> None:
    die_answering(tmp_path, 100)
    die_answering(tmp_path, 101)
    journal = Journal(tmp_path, clock=lambda: 102)
    journal.lift({BAD})
    assert BAD in journal.quarantined
    journal.lift({GOOD})
    assert Journal(tmp_path, clock=lambda: 103).quarantined == {}


def test_a_damaged_journal_does_not_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "journal.json").write_bytes(b"{")
    assert Journal(tmp_path).quarantined == {}


@pytest.mark.parametrize(
    ("targets", "weights"),
    [
        ((target(1, "candidate", 20), target(2, "stable", 80)), [100]),
        ((target(1, "stable", 95), target(3, "candidate", 5)), [0]),
        ((target(1, "stable", 95), target(2, "previous", 0), target(3, "candidate", 5)), [95, 5]),
        ((target(2, "stable", 100),), [100]),
        ((target(1, "candidate", 0), target(2, "stable", 0)), [0]),
    ],
)
def test_the_weight_of_what_is_left_out_returns_to_stable(targets: tuple, weights: list[float]) -> None:
    left = leave_out(table(*targets), {BAD})
    assert [item.weight for item in left.routes["eta"].targets] == weights
    assert BAD not in {item.digest for item in left.targets()}
    check(left)


def test_a_route_of_nothing_is_off() -> None:
    left = leave_out(table(target(1)), {BAD})
    assert left.routes["eta"] == Route("eta", ())
    assert left.routes["eta"].off
