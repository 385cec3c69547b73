"""Shape of the ground against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors import terrain
from tests.ground import PIXEL_M, across, along, cone, east_north, plane, ridge

SIDE = 61


@pytest.mark.parametrize("downhill", [0.0, 37.0, 90.0, 201.5, 333.0])
@pytest.mark.parametrize("slope", [0.5, 12.0, 45.0, 70.0])
def test_plane_is_exact_to_the_border(slope: float, downhill: float) -> None:
    ground = plane(SIDE, slope, downhill)
    np.testing.assert_allclose(terrain.slope(ground, PIXEL_M), slope, atol=0.01)
    np.testing.assert_allclose(terrain.aspect(ground, PIXEL_M), downhill, atol=0.1)


def test_aspect_of_a_plane_that_falls_north_is_zero_and_flat_has_none() -> None:
    facing = terrain.aspect(plane(9, 20.0, 0.0), PIXEL_M)
    assert ((facing < 0.01) | (facing > 359.99)).all()
    assert (facing < 360).all()
    assert np.isnan(terrain.aspect(np.full((9, 9), 812.0, np.float32), PIXEL_M)).all()


@pytest.mark.parametrize("slope", [10.0, 35.0, 60.0])
def test_cone_to_a_tenth_of_a_degree(slope: float) -> None:
    ground = cone(181, slope)
    east, north = east_north(181)
    far = np.hypot(east, north) > 40 * PIXEL_M  # Curvature bends the finite difference nearer in.
    far[[0, -1]] = far[:, [0, -1]] = False
    steep = terrain.slope(ground, PIXEL_M)
    downhill = np.degrees(np.arctan2(east, north)) % 360
    turned = (terrain.aspect(ground, PIXEL_M) - downhill + 180) % 360 - 180
    assert np.abs(steep - slope)[far].max() < 0.1
    assert np.abs(turned)[far].max() < 0.1


def test_ridge_has_two_sides() -> None:
    ground = across(ridge(900.0, 1200.0, 600.0), 90.0, 121)
    place = along(90.0, 121)
    near, far = (place > -1100) & (place < -50), (place > 50) & (place < 500)
    steep, facing = terrain.slope(ground, PIXEL_M), terrain.aspect(ground, PIXEL_M)
    np.testing.assert_allclose(steep[near], math.degrees(math.atan(900 / 1200)), atol=0.1)
    np.testing.assert_allclose(steep[far], math.degrees(math.atan(900 / 600)), atol=0.1)
    np.testing.assert_allclose(facing[near], 270.0, atol=0.1)
    np.testing.assert_allclose(facing[far], 90.0, atol=0.1)


def test_hillshade_is_the_cosine_to_the_light() -> None:
    towards = plane(9, 45.0, 315.0)
    np.testing.assert_allclose(terrain.hillshade(towards, PIXEL_M), 1.0, atol=1e-3)
    flat = np.zeros((9, 9), np.float32)
    np.testing.assert_allclose(
        terrain.hillshade(flat, PIXEL_M, altitude=30.0), math.sin(math.radians(30)), atol=1e-6
    )
    np.testing.assert_array_equal(terrain.hillshade(plane(9, 60.0, 135.0), PIXEL_M), 0.0)


def test_a_single_bump_by_hand() -> None:
    ground = np.full((7, 7), 100.0, np.float32)
    ground[3, 3] = 109.0
    position = terrain.topographic_position(ground, 3)
    assert position[3, 3] == pytest.approx(9.0)
    assert position[3, 2] == pytest.approx(-9 / 8)
    assert position[0, 0] == pytest.approx(0.0, abs=1e-6)
    # Eight zeros and a nine: mean 1, mean square 9.
    assert terrain.roughness(ground, 3)[2, 2] == pytest.approx(math.sqrt(8.0), rel=1e-6)
    assert terrain.relative_relief(ground, 3)[4, 4] == 9.0
    assert terrain.relative_relief(ground, 3)[6, 6] == 0.0


@pytest.mark.parametrize("pixels", [5, 9, 12])
def test_v_valley_is_as_deep_as_the_window_reaches(pixels: int) -> None:
    """Closing |x| tan s by a window of half width h leaves a valley h tan s deep."""
    place = along(90.0, SIDE)
    depth = terrain.valley_depth((0.5 * np.abs(place)).astype(np.float32), pixels)
    middle = depth[SIDE // 2]
    assert middle.max() == pytest.approx(
        0.5 * PIXEL_M * (pixels // 2), rel=0.2 if pixels % 2 == 0 else 1e-6
    )
    assert middle[SIDE // 2] == middle.max()
    np.testing.assert_array_equal(terrain.valley_depth(cone(SIDE, 30.0), pixels)[20:40, 20:40], 0.0)


def test_missing_ground_stays_missing_and_spoils_no_neighbour() -> None:
    ground = plane(SIDE, 30.0, 120.0)
    ground[20:24, 30:40] = np.nan
    hole = np.isnan(ground)
    for result in (
        terrain.slope(ground, PIXEL_M),
        terrain.aspect(ground, PIXEL_M),
        terrain.hillshade(ground, PIXEL_M),
        terrain.topographic_position(ground, 5),
        terrain.roughness(ground, 5),
        terrain.relative_relief(ground, 5),
        terrain.valley_depth(ground, 5),
    ):
        np.testing.assert_array_equal(np.isnan(result), hole)
        assert result.dtype == np.float32
    np.testing.assert_allclose(terrain.slope(ground, PIXEL_M)[~hole], 30.0, atol=0.01)


def test_ground_that_is_all_missing_or_one_pixel_gives_no_slope() -> None:
    assert np.isnan(terrain.slope(np.full((4, 4), np.nan, np.float32), PIXEL_M)).all()
    assert np.isnan(terrain.slope(np.ones((1, 1), np.float32), PIXEL_M)).all()
    assert np.isnan(terrain.topographic_position(np.full((4, 4), np.nan, np.float32), 3)).all()
