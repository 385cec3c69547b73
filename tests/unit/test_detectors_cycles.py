"""A track's cycle is learned from what came, and a missing look is missing once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from detectors.cycles import FEWEST, MOST_MISSED, Cycle, learn, passes

START = datetime(2026, 1, 1, 5, 51, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def looks(*days: float, delay: float = 10) -> list[tuple[datetime, datetime]]:
    return [(START + day * DAY, START + day * DAY + delay * HOUR) for day in days]


def test_bursts_of_a_pass_are_one() -> None:
    second = (START + timedelta(seconds=3), START + 14 * HOUR)
    assert passes([second, *looks(0, 12)]) == [(START, START + 14 * HOUR), *looks(12)]


def test_a_gap_does_not_move_the_cycle() -> None:
    cycle = learn(looks(0, 12, 24, 60, 72, 84))
    assert cycle == Cycle(12 * DAY, START + 84 * DAY, 10 * HOUR)


def test_a_gap_of_a_young_track_makes_no_cycle_that_nobody_flies() -> None:
    """A region is added when a satellite has just come back: half of what is known is a gap."""
    for days in ((0, 12, 48), (0, 36, 48), (0, 24, 36), (0, 12, 48, 60, 96)):
        assert learn(looks(*days)).every == 12 * DAY  # type: ignore[union-attr]


def test_a_changed_fleet_is_learned() -> None:
    before = [12.0 * n for n in range(8)]
    assert learn(looks(*before, 90, 96)).every == 12 * DAY  # type: ignore[union-attr]
    assert learn(looks(*before, 90, 96, 102, 108)).every == 6 * DAY  # type: ignore[union-attr]


def test_products_made_years_later_do_not_excuse_silence() -> None:
    old = [(sensed, sensed + 900 * DAY) for sensed, _ in looks(0, 12)]
    assert learn([*old, *looks(24, 36, 48)]).delay == 10 * HOUR  # type: ignore[union-attr]


def test_too_few_passes_tell_nothing() -> None:
    assert learn(looks(*range(0, 12 * (FEWEST - 1), 12))) is None
    assert learn([]) is None


def test_when_a_look_is_missing() -> None:
    cycle = Cycle(12 * DAY, START, 10 * HOUR)
    assert cycle.missed(START + 12 * DAY + 33 * HOUR, DAY) is None
    assert cycle.missed(START + 12 * DAY + 34 * HOUR, DAY) == (START + 12 * DAY, 1)
    assert cycle.missed(START + 26 * DAY, DAY) == (START + 24 * DAY, 2)
    assert cycle.missed(START + 60 * DAY, DAY) is None, "the track has ended"
    assert cycle.ended(START + 60 * DAY, DAY)
    assert cycle.next_after(START) == START + 12 * DAY
    assert cycle.next_after(START + 25 * DAY) == START + 36 * DAY


@given(st.integers(1, 30), st.integers(0, 100), st.floats(0.1, 200), st.integers(0, 48))
def test_each_missing_look_is_told_once(every: int, delay: int, until: float, late: int) -> None:
    cycle = Cycle(every * DAY, START, delay * HOUR)
    tolerance = late * HOUR
    told = []
    for hour in range(0, int(until * 24), 5):
        now = START + hour * HOUR
        missed = cycle.missed(now, tolerance)
        if missed is not None:
            expected, count = missed
            assert expected + cycle.delay + tolerance <= now
            assert expected == START + count * cycle.every
            assert 1 <= count <= MOST_MISSED
            told.append(expected)
        assert now < cycle.next_after(now) <= now + cycle.every
    assert told == sorted(told)
    assert len(set(told)) <= MOST_MISSED
