"""The ledger says of each expected pass whose fault it is, as silence alarms do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import ledger as ledgers
from detectors.cycles import MOST_MISSED, learn
from detectors.ledger import (
    ExpectedPass,
    KnownLook,
    Outcome,
    Reading,
    WarmingUp,
    ledger,
    warming_up,
)

START = datetime(2026, 1, 1, 5, 51, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def look(day: float, state: str = "processed", **fields: object) -> KnownLook:
    at = START + day * DAY
    return KnownLook(at, at + 10 * HOUR, state, **fields)  # type: ignore[arg-type]


def told(
    looks: list[KnownLook], now: float, read: float | None = None, since: float = -9
) -> list[tuple[float, str]]:
    reading = Reading(START + now * DAY, DAY, START + (now if read is None else read) * DAY)
    return [
        ((line.expected_at - START) / DAY, line.outcome.value)
        for line in ledger("137-ascending", looks, START + since * DAY, reading)
    ]


def test_what_came_and_what_did_not() -> None:
    looks = [look(day) for day in (0, 12, 24, 60)]
    assert told(looks, 61) == [
        (0, "processed"), (12, "processed"), (24, "processed"), (36, "missing"), (48, "missing"),
        (60, "processed"), (72, "expected"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "outcome"),
    [(36.1, "expected"), (36.5, "late"), (37.4, "late"), (37.5, "missing"), (47, "missing")],
)
def test_a_pass_is_late_before_it_is_missing(now: float, outcome: str) -> None:
    assert dict(told([look(day) for day in (0, 12, 24)], now))[36] == outcome


def test_what_nobody_asked_for_failed_here() -> None:
    looks = [look(day) for day in (0, 12, 24)]
    assert dict(told(looks, 40, read=30))[36] == "failed"
    (line,) = (
        one
        for one in ledger("t", looks, START, Reading(START + 40 * DAY, DAY, START + 30 * DAY))
        if one.outcome is Outcome.FAILED
    )
    assert line.reason == "not polled since 2026-01-31 05:51 UTC: scarpwatch doctor"
    never = ledger("t", looks, START, Reading(START + 40 * DAY, DAY, None))
    assert "never polled" in str([line.reason for line in never])


def test_the_worst_of_a_pass_counts_and_says_why() -> None:
    burst = [
        look(0), look(0.0001, "failed", reason="truncated"), look(0.0002, "due"),
        look(12, "skipped", reason="no data"), look(12.0001),
        look(24, "skipped", reason="too few"), look(36, "processing"), look(48, "baseline"),
    ]  # fmt: skip
    assert [pair for pair in told(burst, 48) if pair[0] < 50] == [
        (0, "failed"), (12, "processed"), (24, "skipped"), (36, "waiting"),
    ]  # fmt: skip
    lines = ledger("t", burst, START, Reading(START + 48 * DAY, DAY, START + 48 * DAY))
    assert [line.reason for line in lines[:3]] == ["truncated", None, "too few"]


def test_a_track_that_ended_is_no_longer_expected() -> None:
    looks = [look(day) for day in (0, 12, 24)]
    assert [outcome for _, outcome in told(looks, 300)[3:]] == ["missing"] * MOST_MISSED


def test_a_denser_fleet_misses_nothing() -> None:
    assert {outcome for _, outcome in told([look(6 * n) for n in (0, 2, 4, 5, 6)], 36)} == {
        "processed", "expected",
    }  # fmt: skip
    # Two orbits over one tile: two days and three in turn.
    uneven = [look(day) for day in (0, 2, 5, 7, 10, 12, 15)]
    assert "missing" not in dict(told(uneven, 15.2)).values()


def test_a_new_track_says_until_when_it_warms_up() -> None:
    assert warming_up([look(12 * n) for n in range(6)], 6) is None
    three = warming_up([look(24), look(0), look(12), look(12.0001)], 6)
    assert three == WarmingUp(3, START + 72 * DAY)
    assert (
        three.words == "warming up until about 2026-03-14: 3 more passes before one can be judged"
    )
    assert warming_up([look(0)], 6) == WarmingUp(5, None)
    assert WarmingUp(1, None).words == "warming up: 1 more pass before one can be judged"


@given(
    st.lists(st.integers(0, 40), min_size=3, max_size=12, unique=True),
    st.floats(0, 400),
    st.integers(1, 72),
)
def test_it_agrees_with_the_alarms(steps: list[int], until: float, tolerance: int) -> None:
    looks = [look(6 * step) for step in sorted(steps)]
    now = max(one.published_at for one in looks) + until * HOUR
    reading = Reading(now, tolerance * HOUR, now)
    lines = ledger("t", looks[::-1], START - DAY, reading)
    cycle = learn([(one.sensed_at, one.published_at) for one in looks])
    assert cycle is not None
    after: list[ExpectedPass] = [line for line in lines if line.expected_at > cycle.last]
    missing = [line.expected_at for line in after if line.outcome is Outcome.MISSING]
    missed = cycle.missed(now, tolerance * HOUR)
    if missed is not None:
        assert (missing[-1], len(missing)) == missed
    elif cycle.ended(now, tolerance * HOUR):
        assert len(after) == len(missing) == MOST_MISSED
    else:
        assert missing == []
        assert after[-1].expected_at <= cycle.next_after(now)
    came = [line.sensed_at for line in lines if line.sensed_at is not None]
    assert came == [one.sensed_at for one in looks]
    assert [line.expected_at for line in lines] == sorted({line.expected_at for line in lines})


@given(
    st.lists(st.sampled_from([5.9, 6, 6.1, 9, 9.1, 12, 18, 18.1, 24, 60]), min_size=1, max_size=30),
    st.floats(0, 90),
)
def test_passes_on_time_are_told_without_learning(gaps: list[float], later: float) -> None:
    days = [sum(gaps[:number]) for number in range(len(gaps) + 1)]
    looks, now = [look(day) for day in days], days[-1] + later
    quickly = told(looks, now)
    with pytest.MonkeyPatch.context() as slowly:
        slowly.setattr(ledgers, "_on_time", lambda *_: False)
        assert told(looks, now) == quickly
