"""Pictures of any size through networks that see windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from detectors.inference import Windows, predict
from detectors.stretch import standardise_windows


class Constant(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x[:, :1], 0.7)


class Brightness(nn.Module):
    """Turns with the picture, as every network would like to."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1, keepdim=True)


class Leaning(nn.Module):
    """Likes one corner, as no network should."""

    def forward(self, x: Tensor) -> Tensor:
        ramp = torch.linspace(-2, 2, x.shape[-1])
        return (x[:, :1] * 0 + ramp) + ramp[:, None] * 0.5


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    step=st.sampled_from([16, 32, 48, 64]),
)
def test_windows_cover_everything_and_shares_sum_to_one(height: int, width: int, step: int) -> None:
    windows = Windows(64, step)
    shares = windows.shares(height, width)
    total = np.zeros_like(shares)
    taper = windows.taper()
    for top in windows.origins(height):
        for left in windows.origins(width):
            part = total[top : top + 64, left : left + 64]
            share = shares[top : top + 64, left : left + 64]
            part += taper[: part.shape[0], : part.shape[1]] / share
    assert (shares > 0).all()
    np.testing.assert_allclose(total, 1.0, atol=1e-5)


@pytest.mark.parametrize("shape", [(128, 128), (40, 70), (129, 300), (1, 1), (256, 64)])
def test_any_size_goes_in_and_the_same_comes_out(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((3, *shape), dtype=np.float32)
    found = predict(Constant(), picture, Windows(64, 32))
    assert found.shape == shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-0.7)), rtol=1e-5)


def test_what_was_not_seen_is_not_judged_and_changes_nothing_else() -> None:
    picture = np.random.default_rng(0).random((3, 150, 150), dtype=np.float32)
    picture[1, 10:20, 30:60] = np.nan
    picture[:, :, 140:] = np.nan
    found = predict(Constant(), picture, Windows(64, 32))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(picture).any(axis=0))
    nothing = predict(Constant(), np.full((3, 80, 80), np.nan, np.float32), Windows(64, 32))
    assert np.isnan(nothing).all()


def test_orientations_are_turned_back() -> None:
    picture = np.random.default_rng(0).random((3, 64, 64), dtype=np.float32)
    once = predict(Brightness(), picture, Windows(64, 32, orientations=1))
    for many in (2, 4, 8):
        turned = predict(Brightness(), picture, Windows(64, 32, orientations=many))
        np.testing.assert_allclose(turned, once, atol=1e-6)


def test_eight_orientations_have_no_favourite_corner() -> None:
    picture = np.random.default_rng(0).random((3, 64, 64), dtype=np.float32)
    found = predict(Leaning(), picture, Windows(64, 64))
    for turned in (np.rot90(found), np.fliplr(found), found.T):
        np.testing.assert_allclose(turned, found, atol=1e-6)


def test_sizes_are_averaged_and_brought_back() -> None:
    picture = np.random.default_rng(0).random((3, 64, 64), dtype=np.float32)
    several = Windows(64, 32, sides=(32, 48, 64))
    assert predict(Brightness(), picture, several).shape == (64, 64)
    np.testing.assert_allclose(
        predict(Constant(), picture, several), 1 / (1 + np.exp(-0.7)), rtol=1e-5
    )
    mirrored = predict(Brightness(), picture[:, :, ::-1].copy(), several)
    np.testing.assert_allclose(
        mirrored[:, ::-1], predict(Brightness(), picture, several), atol=1e-5
    )


def test_batches_change_memory_and_not_the_result() -> None:
    picture = np.random.default_rng(0).random((3, 200, 170), dtype=np.float32)
    small = predict(Brightness(), picture, Windows(64, 32, batch=1))
    large = predict(Brightness(), picture, Windows(64, 32, batch=500))
    np.testing.assert_allclose(small, large, atol=1e-6)


@given(gain=st.floats(1e-4, 1e4), offset=st.floats(-1e3, 1e3))
def test_gain_and_offset_of_a_band_do_not_matter(gain: float, offset: float) -> None:
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.testing.assert_allclose(
        standardise_windows(x * gain + offset), standardise_windows(x), atol=1e-5
    )


def test_a_band_without_contrast_is_nought() -> None:
    assert (standardise_windows(torch.full((1, 3, 32, 32), 7.0)) == 0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 100},
        {"step": 0},
        {"step": 200},
        {"orientations": 9},
        {"orientations": 0},
        {"sides": (100,)},
    ],
)
def test_impossible_windows_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Windows(**wrong)
