"""Angular terrain flattening (Vollrath et al. 2020): what it takes out, it could have put in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from detectors.flattening import Ground, flatten, flatten_by_cover, tilt_gain
from detectors.look_geometry import Viewing, unseen_ground
from detectors.radiometry import Power
from detectors.types import Unseen
from tests.ground import PIXEL_M, across, plane, ridge

LOOK = Viewing(78.0, 39.0)


def hills(side: int = 120, height: float = 900.0) -> np.ndarray:
    """Smooth mountains, some of them too steep to be seen whole."""
    noise = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(side, side)), 8)
    return (height * noise / np.abs(noise).max()).astype(np.float32)


def speckle(shape: tuple[int, ...]) -> Power:
    return Power(np.random.default_rng(7).gamma(4, 0.02, shape).astype(np.float32))


@pytest.mark.parametrize("model", list(Ground))
def test_flat_ground_is_left_as_it_is(model: Ground) -> None:
    power = speckle((2, 30, 40))
    flat = np.full((30, 40), 750.0, np.float32)
    result = flatten(power, flat, PIXEL_M, LOOK, model)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, power, rtol=1e-6)


@pytest.mark.parametrize("model", list(Ground))
@pytest.mark.parametrize("look", [LOOK, Viewing(282.0, 33.0)])
def test_scene_modulated_by_the_tilt_comes_back(model: Ground, look: Viewing) -> None:
    """Even ground seen through a mountain range, without the mountains."""
    ground, power = hills(), speckle((120, 120))
    gain = tilt_gain(ground, PIXEL_M, look, model)
    seen = Power(power * gain)
    back = flatten(seen, ground, PIXEL_M, look, model)
    hidden = unseen_ground(ground, PIXEL_M, look) != Unseen.SEEN
    # Where a slope is just about too steep, gradient and line of sight may differ by a pixel.
    assert (np.isnan(gain) & ~hidden).mean() < 0.005
    hidden |= np.isnan(gain)
    assert 0.05 < hidden.mean() < 0.6
    np.testing.assert_array_equal(np.isnan(back), hidden)
    np.testing.assert_allclose(back[~hidden], power[~hidden], rtol=1e-5)
    # There was something to take out.
    with np.errstate(invalid="ignore"):
        gained = 10 * np.log10(seen / power)[~hidden]
    assert np.ptp(gained) > 6


@pytest.mark.parametrize(("tilt", "downhill"), [(20.0, 258.0), (20.0, 78.0), (25.0, 168.0)])
def test_gain_of_planes_by_hand(tilt: float, downhill: float) -> None:
    """Slopes straight to the sensor, straight away from it, and across."""
    theta = math.radians(39.0)
    in_range = math.radians({258.0: tilt, 78.0: -tilt}.get(downhill, 0.0))
    across_it = math.radians(tilt if downhill == 168.0 else 0.0)
    ground, inner = plane(21, tilt, downhill), np.s_[3:-3, 3:-3]
    volume = math.tan(theta) / math.tan(theta - in_range)
    surface = math.sin(theta) / (math.cos(across_it) * math.sin(theta - in_range))
    found = tilt_gain(ground, PIXEL_M, LOOK, Ground.VOLUME)[inner]
    np.testing.assert_allclose(found, volume, rtol=1e-3)
    found = tilt_gain(ground, PIXEL_M, LOOK, "surface")[inner]
    np.testing.assert_allclose(found, surface, rtol=1e-3)
    if downhill != 168.0:
        # Ground that faces the sensor is brighter, ground turned away is darker.
        assert (volume > 1) == (surface > 1) == (downhill == 258.0)


def test_layover_and_shadow_are_left_out_passive_and_cast_too() -> None:
    ground = across(ridge(900.0, 700.0, 450.0), 78.0, 121)
    result = flatten(speckle((121, 121)), ground, PIXEL_M, LOOK)
    hidden = unseen_ground(ground, PIXEL_M, LOOK) != Unseen.SEEN
    passive = (ground == 0) & hidden
    assert passive.sum() > 500
    assert np.isnan(result[hidden]).all()
    assert (np.isnan(result) & ~hidden).mean() < 0.001


def test_missing_ground_and_missing_backscatter_stay_missing() -> None:
    ground, power = plane(30, 10.0, 100.0), speckle((30, 30))
    ground[5:8, 5:8] = np.nan
    power[20, 21] = np.nan
    expected = np.isnan(ground) | np.isnan(power)
    np.testing.assert_array_equal(np.isnan(flatten(power, ground, PIXEL_M, LOOK)), expected)


def test_forest_is_a_volume_and_the_rest_a_surface() -> None:
    ground, power = hills(60, 200.0), speckle((2, 60, 60))
    forest = np.indices((60, 60))[1] < 30
    result = flatten_by_cover(power, ground, PIXEL_M, LOOK, forest)
    for model, where in ((Ground.VOLUME, forest), (Ground.SURFACE, ~forest)):
        alone = flatten(power, ground, PIXEL_M, LOOK, model)
        np.testing.assert_array_equal(result[:, where], alone[:, where])
        assert not np.array_equal(result, alone, equal_nan=True)


def test_a_model_nobody_made_is_refused() -> None:
    with pytest.raises(ValueError, match="facet"):
        flatten(speckle((9, 9)), plane(9, 5.0, 5.0), PIXEL_M, LOOK, "facet")


@settings(max_examples=40)
@given(st.floats(-75.0, 75.0), st.floats(0.0, 359.0), st.floats(25.0, 50.0))
def test_gain_is_positive_where_there_is_any_and_grows_towards_the_sensor(
    tilt: float, azimuth: float, incidence: float
) -> None:
    look, steeper = Viewing(azimuth, incidence), tilt + 2
    towards = (azimuth + 180) % 360
    for model in Ground:
        gain, more = (
            tilt_gain(plane(5, one, towards), PIXEL_M, look, model)[2, 2] for one in (tilt, steeper)
        )
        assert not gain <= 0
        assert math.isnan(gain) == (not incidence - 90 < tilt < incidence) or (
            min(abs(tilt - incidence), abs(tilt - incidence + 90)) < 0.1
        )
        if not math.isnan(gain) and not math.isnan(more):
            assert more > gain
