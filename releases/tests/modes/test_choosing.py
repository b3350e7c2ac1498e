"""The simplest mode that serves, and why."""

from __future__ import annotations

import pytest

from releases.modes.choosing import BATCH, CALLS, EDGE, EVENTS, FILE, REST, STREAM, Measured, Need, advise

SLOW, QUICK = Measured(rest_p99=0.2, batch_rate=1000, stream_lag=5), Measured(rest_p99=0.0002, batch_rate=1e6)


@pytest.mark.parametrize(
    ("need", "measured", "mode", "words"),
    [
        (Need("hour", FILE), Measured(), BATCH, "simplest of all"),
        (Need("hour", EVENTS), SLOW, BATCH, "simplest of all"),
        (Need("hour", FILE, 10_000_000), SLOW, STREAM, "too long for a batch"),
        (Need("hour", FILE, 10_000_000), QUICK, BATCH, "10,000,000 rows take about 10.0 s here"),
        (Need("minute", FILE, 10_000), QUICK, BATCH, "a batch serves"),
        (Need("minute", FILE, 100_000), SLOW, STREAM, "too long for a batch"),
        (Need("minute", FILE), Measured(), STREAM, "is not known"),
        (Need("minute", EVENTS), SLOW, STREAM, "an hour is too long to collect them"),
        (Need("second", EVENTS), QUICK, STREAM, "nobody waits on a line"),
        (Need("millisecond", EVENTS), QUICK, REST, "too long here"),
        (Need("hour", CALLS), SLOW, REST, "Somebody waits for each answer"),
        (Need("second", CALLS), SLOW, REST, "Somebody waits"),
        (Need("millisecond", CALLS), QUICK, REST, "99 of 100 calls took up to 0.2 ms here."),
        (Need("millisecond", CALLS), SLOW, EDGE, "99 of 100 calls took up to 200 ms here"),
        (Need("millisecond", CALLS), Measured(), REST, "Somebody waits"),
        (Need("hour", FILE, online=False), QUICK, EDGE, "not always online"),
    ],
)
def test_the_simplest_mode_is_recommended_with_its_reason(
    need: Need, measured: Measured, mode: str, words: str
) -> None:
    found = advise(need, measured)
    assert found.mode == mode
    assert words in " ".join(found.reasons)


def test_what_was_not_measured_or_is_too_slow_is_a_warning() -> None:
    assert advise(Need("second", CALLS), Measured()).warnings == ["That was not measured here yet."]
    assert "more than is accepted" in advise(Need("second", EVENTS), SLOW).warnings[0]
    assert "nobody knows" in advise(Need("millisecond", CALLS), Measured()).warnings[0]
    assert advise(Need("minute", EVENTS), SLOW).warnings == []
