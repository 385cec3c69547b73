"""Shares with intervals, rates of false objects, spans of time, and drift: known values."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.drift import FEWEST, REFERENCE, ScoreSummary, Trend, drift
from detectors.radar_bias import ScoreTally
from detectors.verification import FalseRate, Share, Spans


def test_few_cases_are_no_percentage() -> None:
    assert Share(0, 0).words == "none decided"
    assert Share(0, 0).interval is None
    assert Share(2, 3).words == "2 of 3, too few for a percentage"
    assert Share(2, 3).share is None
    # Brown, Cai and DasGupta (2001) give 0.095 to 0.605 for 3 of 10.
    assert Share(3, 10).interval == pytest.approx((0.0927, 0.6058), abs=2e-3)
    assert Share(8, 10).words == "80 % (50 to 96 %; 8 of 10)"
    low, high = Share(10, 10).interval or (0, 0)
    assert (low > 0.7, high) == (True, 1.0)


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_interval_holds_the_share(hits: int, missed: int) -> None:
    one = Share(hits, hits + missed)
    if one.interval is not None:
        assert 0 <= one.interval[0] <= hits / one.of <= one.interval[1] <= 1


def test_nought_leaves_a_rate_open() -> None:
    # The rule of three: 3.0 / km2 at 95 %.
    assert FalseRate(0, 630.0).at_most == pytest.approx(1000 * 2.9957 / 630, rel=1e-3)
    assert FalseRate(2, 1000.0).per_1000_km2 == 2.0
    assert FalseRate(0, 0.0).words == "nothing judged"


def test_spans_say_how_many_they_are_of() -> None:
    hours = [timedelta(hours=h) for h in range(1, 11)]
    assert Spans.of(hours) == Spans(10, 5.5, pytest.approx(9.1), 10.0)
    assert Spans.of(hours[:3]) == Spans(3, 2.0, None, 3.0)
    assert Spans.of([]) == Spans(0, None, None, None)


def looks(*p90: float) -> list[ScoreSummary]:
    return [ScoreSummary(one / 2, one, 2 * one, 400) for one in p90]


def test_a_moved_month_drifts_and_an_odd_look_does_not() -> None:
    before = looks(*[1.0, 1.1, 0.9] * 3)
    assert drift(looks(1.0, 1.2), before).trend is Trend.STEADY
    assert drift(looks(1.0, 1.05, 2.5), before).trend is Trend.STEADY
    up = drift(looks(1.4, 1.5), before)
    assert (up.trend, up.p90, up.usual) == (Trend.DRIFTS, 1.45, 1.0)
    assert drift(looks(0.6, 0.5), before).trend is Trend.DRIFTS
    # A track that wanders by itself is allowed more.
    assert drift(looks(1.4, 1.5), looks(*[1.0, 1.4, 0.6] * 3)).trend is Trend.STEADY


def test_too_few_looks_tell_nothing() -> None:
    assert drift(looks(3.0), looks(*[1.0] * 9)).trend is Trend.TOO_FEW
    assert drift(looks(3.0, 3.0), looks(*[1.0] * (REFERENCE - 1))).trend is Trend.TOO_FEW
    none = drift([], [])
    assert (none.trend, none.p90, none.usual) == (Trend.TOO_FEW, None, None)
    assert FEWEST == 2


def test_scores_are_summed_over_blocks() -> None:
    tally = ScoreTally()
    tally.add(np.full((4, 4), 9.0, dtype=np.float32), None)
    assert tally.summary() is None
    score = np.linspace(-2, 2, 400, dtype=np.float32).reshape(20, 20)
    stable = np.ones((20, 20), dtype=bool)
    stable[:, 19] = False
    score[0, 0] = np.nan
    tally.add(score, stable)
    tally.add(score, stable)
    said = tally.summary()
    assert said is not None
    assert said.pixels == 2 * 379
    assert said.median == pytest.approx(1, abs=0.02)
    assert said.p90 == pytest.approx(1.8, abs=0.02)
