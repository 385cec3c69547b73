"""Our loop over the transformer gives what distmetrics' own gives."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.errors import ConfigurationError
from detectors.prediction import predict
from detectors.sar_disturbance import load_model
from tests.judged import peer_looks
from tests.scenes import SHIPPED, STEEP, crop, read_series

#: Acceptance is 1e-3 in the metric; single precision leaves far less.
SAME = {"rtol": 1e-4, "atol": 1e-4}


def theirs(pre: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    from distmetrics import estimate_normal_params

    mean, sigma = estimate_normal_params(
        load_model(), list(pre[:, 0]), list(pre[:, 1]), stride=stride, tqdm_enabled=False,
        device=next(load_model().parameters()).device.type,
    )  # fmt: skip
    return mean, sigma


@pytest.fixture(scope="module")
def real() -> np.ndarray:
    series = read_series(SHIPPED, STEEP)
    return peer_looks(crop(series, slice(0, 80), slice(8, 96)), despeckled=False)


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("looks", [6, 10])
def test_equal_on_real_looks(real: np.ndarray, looks: int, stride: int) -> None:
    pre, post = real[:looks, :, :48, :64], real[-1, :, :48, :64]
    mean, sigma = predict(load_model(), pre, stride)
    their_mean, their_sigma = theirs(pre, stride)
    np.testing.assert_allclose(mean, their_mean, **SAME)
    np.testing.assert_allclose(sigma, their_sigma, **SAME)
    np.testing.assert_allclose(
        (post - mean) / sigma, (post - their_mean) / their_sigma, rtol=0, atol=1e-3
    )


def test_equal_on_the_most_extreme_input() -> None:
    # Power between the floor and the ceiling: attention logits reach thousands.
    rng = np.random.default_rng(4)
    patches = rng.choice([-11.5, 6.9], (10, 2, 6, 6)).astype(np.float32)
    pre = np.kron(patches, np.ones((8, 8), dtype=np.float32))
    for ours, their in zip(predict(load_model(), pre, 8), theirs(pre, 8), strict=True):
        np.testing.assert_allclose(ours, their, rtol=1e-3, atol=1e-3)


def test_strips_and_batches_change_nothing(
    real: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predict(load_model(), real[:10], 8)
    monkeypatch.setattr("detectors.prediction.STRIP_WINDOWS", 20)
    for ours, expected in zip(predict(load_model(), real[:10], 8, batch=7), whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_windows_that_nobody_wants_are_not_run(
    real: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = np.zeros(real.shape[-2:], dtype=bool)
    wanted[37:41, 50:53] = True
    wanted[3, 3] = True
    expected = predict(load_model(), real[:10], 8)
    run: list[int] = []
    mean_out = load_model().mean_out
    monkeypatch.setattr(
        mean_out, "forward", lambda x, f=mean_out.forward: run.append(len(x)) or f(x)
    )
    pruned = predict(load_model(), real[:10], 8, wanted=wanted)
    # Rows 24 and 32, columns 40 and 48 hold the first place; the corner window the second.
    # (The patch of 37 to 41 begins in row 32 and goes on in row 40: windows from 24, 32 and 40.)
    assert sum(run) == 3 * 2 + 1
    for ours, all_of_it in zip(pruned, expected, strict=True):
        np.testing.assert_allclose(ours[:, wanted], all_of_it[:, wanted], rtol=1e-5, atol=1e-5)
        assert np.isnan(ours[:, ~wanted]).all()


def test_what_no_window_reaches_is_unknown(real: np.ndarray) -> None:
    mean, sigma = predict(load_model(), real[:10, :, :44, :52], 8)
    for map_ in (mean, sigma):
        assert np.isfinite(map_[:, :40, :48]).all()
        assert np.isnan(map_[:, 40:]).all()
        assert np.isnan(map_[:, :, 48:]).all()


def test_what_does_not_fit_is_refused(real: np.ndarray) -> None:
    for stride in (0, 3, 16):
        with pytest.raises(ConfigurationError, match=f"stride {stride} does not divide"):
            predict(load_model(), real[:10], stride)
    with pytest.raises(ConfigurationError, match="11 looks"):
        predict(load_model(), np.repeat(real, 2, axis=0)[:11], 8)
    with pytest.raises(ConfigurationError, match="12 x 88"):
        predict(load_model(), real[:10, :, :12], 8)
