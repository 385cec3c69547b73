"""A score is no probability until somebody states the odds and has verdicts behind them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.probability import (
    MINIMUM_VERDICTS,
    BaseRate,
    Calibration,
    probability,
    rebase,
    score_of,
)
from detectors.training.calibration import logistic

CURVE = Calibration(slope=0.8, offset=-9.0, prior_odds=0.25, source="test")
shares = st.floats(0.001, 0.999)
odds = st.floats(0.001, 1000.0)


def test_score_rises_from_nought_to_one() -> None:
    scores = [score_of(evidence, CURVE) for evidence in (0.0, 9.0, 11.25, 14.0, 40.0)]
    assert scores == sorted(scores)
    assert scores[2] == pytest.approx(0.5)
    assert scores[0] < 0.001
    assert scores[-1] > 0.999


def test_rebasing_by_hand() -> None:
    # One to one at prior odds of 1:4 is 1:25 at odds of 1:100.
    assert rebase(0.5, 0.25, 0.01) == pytest.approx(0.04 / 1.04)
    assert rebase(0.0, 0.25, 4.0) == 0.0
    assert rebase(1.0, 0.25, 4.0) == 1.0
    for wrong in ((0.0, 1.0), (1.0, -1.0)):
        with pytest.raises(ValueError, match="odds are over 0"):
            rebase(0.5, *wrong)


@given(shares, odds, odds, odds)
def test_rebasing_is_bayes(score: float, one: float, two: float, three: float) -> None:
    moved = rebase(score, one, two)
    assert moved / (1 - moved) == pytest.approx(score / (1 - score) * two / one, rel=1e-6)
    assert rebase(moved, two, three) == pytest.approx(rebase(score, one, three), rel=1e-6)
    assert rebase(score, one, one) == pytest.approx(score)


def test_rebasing_calibrates_where_the_base_rate_differs() -> None:
    # The same evidence by class, at two base rates: what was fitted on the one holds on the other.
    draw = np.random.default_rng(3)

    def patches(slides: int, others: int) -> tuple[np.ndarray, np.ndarray]:
        evidence = np.append(draw.normal(13, 2, slides), draw.normal(9, 2, others))
        return evidence, np.arange(slides + others) < slides

    slope, offset = logistic(*patches(4000, 4000))
    curve = Calibration(slope, offset, 1.0, "test")
    evidence, truth = patches(400, 40_000)
    said = np.array([rebase(score_of(e, curve), 1.0, 0.01) for e in evidence])
    for low, high in ((0.02, 0.1), (0.1, 0.4), (0.4, 1.0)):
        here = (said >= low) & (said < high)
        error = math.sqrt(said[here].mean() / here.sum())
        assert truth[here].mean() == pytest.approx(said[here].mean(), abs=4 * error)
    # As it came, it promises far too much.
    naive = np.array([score_of(e, curve) for e in evidence])
    assert naive[naive > 0.5].mean() > 3 * truth[naive > 0.5].mean()


def test_no_probability_without_verdicts() -> None:
    few = BaseRate(10, MINIMUM_VERDICTS - 11)
    assert probability(12.0, CURVE, None) is None
    assert probability(12.0, CURVE, few) is None
    known = probability(12.0, CURVE, BaseRate(10, MINIMUM_VERDICTS - 10))
    assert known is not None
    assert 0 < known < 1
    more = probability(12.0, CURVE, BaseRate(30, MINIMUM_VERDICTS - 30))
    assert more is not None
    assert more > known
    never = probability(12.0, CURVE, BaseRate(0, 200))
    assert never is not None
    assert 0 < never < 0.05


def test_logistic_finds_the_curve_that_made_the_outcomes() -> None:
    draw = np.random.default_rng(5)
    values = draw.uniform(0, 20, 20_000)
    truth = draw.random(values.size) < 1 / (1 + np.exp(-(0.7 * values - 6)))
    slope, offset = logistic(values, truth)
    assert slope == pytest.approx(0.7, abs=0.03)
    assert offset == pytest.approx(-6, abs=0.3)


def test_logistic_stays_finite_where_evidence_separates() -> None:
    values = np.array([7.0, 8.0, 9.0, 20.0, 30.0])
    slope, offset = logistic(values, values > 10)
    assert 0 < slope < 20
    assert np.isfinite(offset)
    assert score_of(7.0, Calibration(slope, offset, 1.0, "test")) < 0.5
