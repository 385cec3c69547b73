"""dB, power, logit and speckle; NaN, zero and negative power."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import expit

from detectors.radiometry import (
    POWER_CEILING,
    POWER_FLOOR,
    db_to_logit,
    despeckle_db,
    fill_nearest,
    to_db,
    to_power,
)


def test_db_of_known_powers() -> None:
    power = np.array([[1.0, 0.1, 0.01, 0.5]], dtype=np.float32)
    decibel = to_db(power)
    assert decibel.dtype == np.float32
    np.testing.assert_allclose(decibel, [[0.0, -10.0, -20.0, -3.0103]], atol=1e-4)
    np.testing.assert_allclose(to_power(decibel), power, rtol=1e-6)


@pytest.mark.parametrize("power", [0.0, -0.003, -np.float32(1e30), POWER_FLOOR / 10])
def test_power_at_or_under_the_floor_is_the_floor(power: float) -> None:
    assert to_db(np.array([[power]], dtype=np.float32)) == pytest.approx(-50.0)


@pytest.mark.parametrize("power", [np.nan, np.inf, -np.inf])
def test_power_that_is_no_number_is_no_data(power: float) -> None:
    decibel = to_db(np.array([[power, 0.1]], dtype=np.float32))
    assert np.isnan(decibel[0, 0])
    assert decibel[0, 1] == pytest.approx(-10.0)


def test_conversion_leaves_its_input_alone() -> None:
    power = np.array([[0.1, np.nan, -1.0]], dtype=np.float32)
    before = power.copy()
    to_db(power)
    np.testing.assert_array_equal(power, before)


def test_logit_is_that_of_power() -> None:
    decibel = np.array([[-3.0, -10.0, -17.5, np.nan]], dtype=np.float32)
    logit = db_to_logit(decibel)
    assert logit.dtype == np.float32
    np.testing.assert_allclose(expit(logit), to_power(decibel), rtol=1e-5)


def test_logit_is_finite_for_corner_reflectors_and_shadow() -> None:
    logit = db_to_logit(np.array([[25.0, 0.0, -50.0, -300.0]], dtype=np.float32))
    high = np.log(POWER_CEILING / (1 - POWER_CEILING))
    low = np.log(POWER_FLOOR / (1 - POWER_FLOOR))
    np.testing.assert_allclose(logit, [[high, high, low, low]], rtol=1e-3)


def step_with_speckle() -> tuple[np.ndarray, np.ndarray]:
    """Two fields, -16 and -8 dB, without and with speckle."""
    truth = np.full((40, 40), -16.0, dtype=np.float32)
    truth[:, 20:] = -8.0
    speckle = np.random.default_rng(3).gamma(8.0, 1 / 8.0, truth.shape)
    return truth, (truth + 10 * np.log10(speckle)).astype(np.float32)


def test_despeckling_cuts_the_variance_and_keeps_the_mean() -> None:
    _, noisy = step_with_speckle()
    smooth = despeckle_db(noisy)
    assert smooth.dtype == np.float32
    for field in (np.s_[5:35, 5:15], np.s_[5:35, 25:35]):
        assert smooth[field].var() < noisy[field].var() / 4
        assert smooth[field].mean() == pytest.approx(noisy[field].mean(), abs=0.3)


def test_despeckling_keeps_the_edge_where_it_is() -> None:
    _, noisy = step_with_speckle()
    smooth = despeckle_db(noisy)
    across = smooth[5:35].mean(axis=0)
    # More than half of the 8 dB lie between the two columns beside the edge; a mean filter over
    # five pixels spreads them evenly.
    assert across[20] - across[19] > 4.0
    blurred = ndimage.uniform_filter(noisy, 5)[5:35].mean(axis=0)
    assert blurred[20] - blurred[19] < 2.5


def test_despeckling_keeps_no_data_and_lets_nothing_of_it_out() -> None:
    truth, noisy = step_with_speckle()
    gap = np.zeros(truth.shape, dtype=bool)
    gap[10:20, 4:12] = gap[:, :2] = True
    holed = np.where(gap, np.nan, noisy).astype(np.float32)
    smooth = despeckle_db(holed)
    np.testing.assert_array_equal(np.isnan(smooth), gap)
    beside = ndimage.binary_dilation(gap, iterations=2) & ~gap
    assert np.abs(smooth - despeckle_db(noisy))[beside].max() < 2.0


def test_image_without_data_comes_back_without_data() -> None:
    empty = np.full((6, 7), np.nan, dtype=np.float32)
    assert np.isnan(despeckle_db(empty)).all()
    assert np.isnan(fill_nearest(empty)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_single_row_or_column_is_left_as_it_is(shape: tuple[int, int]) -> None:
    image = np.linspace(-12.0, -9.0, num=shape[0] * shape[1], dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(despeckle_db(image), image)


def test_gaps_take_the_nearest_value() -> None:
    image = np.array([[1.0, np.nan, np.nan, 4.0]], dtype=np.float32)
    np.testing.assert_array_equal(fill_nearest(image), [[1.0, 1.0, 4.0, 4.0]])


def test_gaps_of_one_image_are_not_those_of_the_next() -> None:
    draw = np.random.default_rng(3)
    image = draw.normal(size=(9, 13)).astype(np.float32)
    for share in (0.1, 0.9, 0.1, 0.5, 0.97):
        gaps = draw.random(image.shape) < share
        holed = np.where(gaps, np.float32(np.nan), image)
        nearest = ndimage.distance_transform_edt(gaps, return_distances=False, return_indices=True)
        np.testing.assert_array_equal(fill_nearest(holed), holed[tuple(nearest)])
        np.testing.assert_array_equal(np.isnan(holed), gaps)


def test_despeckling_is_that_of_the_training_data() -> None:
    from distmetrics import despeckle_one_rtc_arr_with_tv

    _, noisy = step_with_speckle()
    theirs = to_db(despeckle_one_rtc_arr_with_tv(to_power(noisy)).astype(np.float32))
    np.testing.assert_allclose(despeckle_db(noisy), theirs, atol=1e-3)


MIXED = """
from detectors.flattening import flatten
from detectors.look_geometry import Viewing
from detectors.radiometry import Decibel, Power, db_to_logit, despeckle_db, to_db, to_power
from detectors.types import FloatArray

def right(power: Power, ground: FloatArray) -> Power:
    flat = flatten(power, ground, 30.0, Viewing(78.0, 39.0))
    db_to_logit(despeckle_db(to_db(flat)))
    return to_power(Decibel(to_db(power) + 3))

def wrong(power: Power, decibel: Decibel, ground: FloatArray, plain: FloatArray) -> None:
    to_db(decibel)
    to_power(power)
    despeckle_db(power)
    db_to_logit(power)
    to_db(plain)
    flatten(decibel, ground, 30.0, Viewing(78.0, 39.0))
"""


@pytest.mark.slow
def test_power_and_decibels_are_not_mixed(tmp_path) -> None:
    """mypy, as the gate runs it and with its cache, refuses the one where the other is wanted."""
    root = Path(__file__).resolve().parents[2]
    snippet = tmp_path / "mixed.py"
    snippet.write_text(MIXED, encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--no-error-summary",
         str(snippet)],
        capture_output=True, text=True, cwd=root, check=False,
    )  # fmt: skip
    first = MIXED.splitlines().index("    to_db(decibel)") + 1
    found = [int(line.split(":")[1]) for line in checked.stdout.splitlines() if "error:" in line]
    assert found == list(range(first, first + 6)), checked.stdout + checked.stderr
    assert checked.stdout.count("[arg-type]") == 6
