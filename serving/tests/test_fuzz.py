"""A short attack on a real gateway: every answer is a prediction or a client's error; the drill is the long form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.tests.attacking import Attack, attacked


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    folder: Path = tmp_path_factory.mktemp("attack")
    with attacked(folder) as gateway:
        found = Attack(gateway)
        yield found
        found.close()


def test_raw_bytes_are_answered_or_refused(attack: Attack) -> None:
    attack.raw(300)
    assert attack.sent >= 300
    assert {200, 400, 413, 415} > attack.statuses.keys() > {200, 400}


def test_what_the_document_allows_is_answered_and_what_it_forbids_is_refused(attack: Attack) -> None:
    attack.typed(4)
