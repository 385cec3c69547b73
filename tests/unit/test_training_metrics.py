"""Figures of the landslide class, against values worked out by hand and by other libraries."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.training import metrics
from detectors.training.calibration import platt


def some_scores(seed: int = 0, pixels: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.random(pixels) < 0.1
    score = np.clip(random.normal(0.25 + 0.3 * truth, 0.15), 0, 0.999).astype(np.float32)
    return score, truth


def test_figures_by_hand() -> None:
    # 3 hits, 1 false call, 2 missed, 4 rightly quiet.
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], dtype=np.float32)
    truth = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0], dtype=bool)
    found = metrics.measure(metrics.tally(score, truth), 0.5)
    assert found.precision == pytest.approx(3 / 4)
    assert found.recall == pytest.approx(3 / 5)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.iou == pytest.approx(1 / 2)
    assert found.frequency_bias == pytest.approx(4 / 5)
    assert found.n_pixels == 10


def test_mcc_has_its_square_root() -> None:
    # Without it the figure would not be the correlation of two yes-no variables.
    score, truth = some_scores()
    found = metrics.measure(metrics.tally(score, truth), 0.4)
    assert found.mcc == pytest.approx(stats.pearsonr(score >= 0.4, truth).statistic, abs=1e-9)


def test_brier_skill_is_against_prevalence() -> None:
    score, truth = some_scores()
    brier = np.mean((score - truth) ** 2)
    climate = np.mean((truth.mean() - truth) ** 2)
    found = metrics.measure(metrics.tally(score, truth), 0.4)
    assert found.brier_skill == pytest.approx(1 - brier / climate, abs=2e-3)
    everywhere = np.full_like(score, truth.mean())
    assert metrics.measure(metrics.tally(everywhere, truth), 0.4).brier_skill == pytest.approx(
        0.0, abs=1e-3
    )


def test_expected_calibration_error_by_hand() -> None:
    score = np.repeat(np.array([0.1505, 0.8505], dtype=np.float32), 100)
    truth = np.zeros(200, dtype=bool)
    truth[:20], truth[100:180] = True, True
    # Bins: 0.1505 said, 0.20 observed; 0.8505 said, 0.80 observed.
    found = metrics.expected_calibration_error(metrics.tally(score, truth))
    assert found == pytest.approx(0.05, abs=1e-6)
    rows = [row for row in metrics.reliability(metrics.tally(score, truth)) if row["pixels"]]
    assert [row["observed"] for row in rows] == [0.2, 0.8]


def test_pixels_without_score_are_left_out() -> None:
    score, truth = some_scores()
    score[::3] = np.nan
    assert metrics.tally(score, truth).sum() == np.isfinite(score).sum()


def test_nothing_to_find_is_no_number_and_no_failure() -> None:
    quiet = metrics.measure(metrics.tally(np.zeros(9, np.float32), np.zeros(9, bool)), 0.5)
    named = dataclasses.asdict(quiet)
    assert np.isnan([named[k] for k in ("precision", "recall", "f1", "mcc")]).all()
    assert quiet.n_pixels == 9


@given(st.integers(0, 999))
def test_best_threshold_is_best(seed: int) -> None:
    score, truth = some_scores(seed, 500)
    counts = metrics.tally(score, truth)
    threshold, f1 = metrics.best_threshold(counts)
    assert metrics.measure(counts, threshold).f1 == pytest.approx(f1)
    others = [metrics.measure(counts, step / 50).f1 for step in range(50)]
    assert f1 >= np.nanmax(others) - 1e-12


def test_bootstrap_draws_groups_and_pairs_them() -> None:
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), 5)
    true = random.integers(50, 200, 100)
    worse = np.stack([(true * 0.6).astype(int), true, true], axis=1)
    better = np.stack([(true * 0.7).astype(int), true, true], axis=1)
    low, high = metrics.bootstrap_difference(better, worse, groups)
    assert 0.08 < low < high < 0.12
    low, high = metrics.bootstrap_difference(worse, worse, groups)
    assert low == high == 0.0


def test_patch_counts_add_up_to_pooled_f1() -> None:
    score, truth = some_scores(pixels=4096)
    parts = zip(np.split(score, 4), np.split(truth, 4), strict=True)
    stack = np.stack([metrics.tally(s, t) for s, t in parts])
    hits, called, true = metrics.f1_by_patch(stack, 0.4).sum(axis=0)
    assert 2 * hits / (called + true) == pytest.approx(metrics.measure(stack.sum(axis=0), 0.4).f1)


def test_platt_undoes_a_logistic_distortion() -> None:
    random = np.random.default_rng(2)
    logit = random.normal(-1.0, 2.0, 200_000)
    truth = random.random(logit.size) < 1 / (1 + np.exp(-logit))
    distorted = 1 / (1 + np.exp(-(logit + 1.0) / 0.5))
    slope, offset = platt(metrics.tally(np.clip(distorted, 0.001, 0.998), truth))
    assert slope == pytest.approx(0.5, abs=0.03)
    assert offset == pytest.approx(-1.0, abs=0.06)
