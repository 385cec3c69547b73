"""Areas under the ROC curve and their intervals, against scikit-learn and by drawing again."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from detectors.errors import InvalidSamples
from detectors.learning import ranking


def scores(seed: int, known: int = 60, others: int = 400) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(1, 1, known).round(1), draw.normal(0, 1, others).round(1)


@pytest.mark.parametrize("seed", range(3))
def test_area_is_that_of_scikit_learn(seed: int) -> None:
    known, others = scores(seed)
    truth = np.repeat([1, 0], [len(known), len(others)])
    ours = ranking.rank(known, others)
    assert ours.auc == pytest.approx(roc_auc_score(truth, np.concatenate([known, others])))
    assert ours.low < ours.auc < ours.high


def test_interval_holds_the_truth_as_often_as_it_says() -> None:
    # Two normal distributions one sigma apart: Phi(1 / sqrt 2).
    inside = [r.low < 0.7602 < r.high for r in (ranking.rank(*scores(s)) for s in range(400))]
    assert 0.92 < np.mean(inside) < 0.98


def test_gain_is_paired() -> None:
    known, others = scores(1)
    assert ranking.gain((known, known), (others, others)) == (0.0, 0.0, 0.0)
    noise = np.random.default_rng(2)
    worse = known + noise.normal(0, 2, len(known)), others + noise.normal(0, 2, len(others))
    difference, low, high = ranking.gain((known, worse[0]), (others, worse[1]))
    assert difference == pytest.approx(ranking.rank(known, others).auc - ranking.rank(*worse).auc)
    assert 0 < low < difference < high


def test_all_above_and_too_few() -> None:
    assert ranking.rank(np.array([2.0, 3.0]), np.array([0.0, 1.0])).low == 1.0
    with pytest.raises(InvalidSamples, match="1 known and 2 other"):
        ranking.rank(np.array([2.0]), np.array([0.0, 1.0]))


def test_local_maximum_keeps_gaps() -> None:
    score = np.zeros((7, 7), dtype=np.float32)
    score[3, 3], score[0, 0] = 1, np.nan
    largest = ranking.local_maximum(score, 5)
    assert np.isnan(largest[0, 0])
    assert largest[1:6, 1:6].min() == 1
    assert np.nanmax(largest[0]) == np.nanmax(largest[:, 6]) == 0


def test_draw_is_fixed_and_valid() -> None:
    valid = np.random.default_rng(0).random((30, 40)) < 0.5
    rows, columns = ranking.draw(valid, 100, 0)
    assert valid[rows, columns].all()
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == 100
    assert (ranking.draw(valid, 100, 0)[0] == rows).all()
    assert len(ranking.draw(valid, 10_000, 0)[0]) == valid.sum()
