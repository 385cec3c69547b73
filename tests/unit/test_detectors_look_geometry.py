"""Local incidence, layover and shadow against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from detectors import look_geometry
from detectors.look_geometry import (
    Viewing,
    layover,
    local_incidence,
    radar_shadow,
    unseen_ground,
    viewing,
)
from detectors.types import OrbitState, Unseen
from tests.ground import PIXEL_M, across, along, cone, east_north, plane, ridge, seen_at, wall

SIDE = 161
LOOKS = (0.0, 45.0, 78.0, 90.0, 200.0, 282.0)


def expected_cosine(slope: float, downhill: np.ndarray, look: Viewing) -> np.ndarray:
    """Scalar product of normal and direction to the sensor, in spherical angles."""
    tilt, incidence = math.radians(slope), np.radians(look.incidence)
    turned = np.radians(downhill - (look.azimuth + 180))
    return np.cos(tilt) * np.cos(incidence) + np.sin(tilt) * np.sin(incidence) * np.cos(turned)


@pytest.mark.parametrize("azimuth", LOOKS)
@pytest.mark.parametrize(
    ("slope", "downhill"), [(0.0, 0.0), (15.0, 258.0), (40.0, 78.0), (65.0, 10.0)]
)
def test_local_incidence_of_a_plane(slope: float, downhill: float, azimuth: float) -> None:
    look = Viewing(azimuth, 38.5)
    expected = np.degrees(np.arccos(expected_cosine(slope, np.array(downhill), look)))
    local = local_incidence(plane(31, slope, downhill), PIXEL_M, look)
    np.testing.assert_allclose(local, expected, atol=0.1)


def test_local_incidence_of_a_cone() -> None:
    east, north = east_north(181)
    look = Viewing(282.0, 34.0)
    downhill = np.degrees(np.arctan2(east, north))
    expected = np.degrees(np.arccos(expected_cosine(35.0, downhill, look)))
    far = np.hypot(east, north) > 45 * PIXEL_M
    far[[0, -1]] = far[:, [0, -1]] = False
    local = local_incidence(cone(181, 35.0), PIXEL_M, look)
    assert np.abs(local - expected)[far].max() < 0.1


def test_slope_that_faces_the_sensor_has_no_local_incidence_and_behind_it_is_over_ninety() -> None:
    look = Viewing(78.0, 39.0)
    assert local_incidence(plane(21, 39.0, 258.0), PIXEL_M, look) == pytest.approx(0.0, abs=0.1)
    assert local_incidence(plane(21, 60.0, 78.0), PIXEL_M, look) == pytest.approx(99.0, abs=0.1)


def test_incidence_may_differ_from_pixel_to_pixel() -> None:
    near_far = np.broadcast_to(np.linspace(30, 45, 21), (21, 21)).astype(np.float32)
    flat = np.zeros((21, 21), np.float32)
    np.testing.assert_allclose(
        local_incidence(flat, PIXEL_M, Viewing(90.0, near_far)), near_far, atol=1e-3
    )
    same = np.full((SIDE, SIDE), 39.0)
    ground = across(ridge(900.0, 700.0, 700.0), 78.0, SIDE)
    for mask in (layover, radar_shadow):
        np.testing.assert_array_equal(
            mask(ground, PIXEL_M, Viewing(78.0, same)), mask(ground, PIXEL_M, Viewing(78.0, 39.0))
        )


def assert_to_a_pixel(
    mask: np.ndarray, place: np.ndarray, spans: list[tuple[float, float]]
) -> None:
    """Wrong pixels touch the edge; along rows and columns their centre is within a pixel of it.

    What borders on the square is left out: it is not known there what comes before.
    """
    expected = seen_at(place, spans)
    inner = np.hypot(*east_north(SIDE)) < 70 * PIXEL_M
    square = np.ones((3, 3), dtype=bool)
    assert not (mask & ~ndimage.binary_dilation(expected, square))[inner].any()
    assert not (~mask & ndimage.binary_erosion(expected, square))[inner].any()
    if (np.ptp(place, axis=0) == 0).any() or (np.ptp(place, axis=1) == 0).any():
        edges = np.array([*spans, (-np.inf, np.inf)]).ravel()
        off = np.abs(place[..., None] - edges).min(axis=-1)
        assert off[(mask != expected) & inner].max(initial=0) < PIXEL_M


@pytest.mark.parametrize("azimuth", LOOKS)
@pytest.mark.parametrize("incidence", [30.0, 39.0, 45.0])
def test_wall(incidence: float, azimuth: float) -> None:
    height, half = 600.0, 315.0
    ground, place = across(wall(height, half), azimuth, SIDE), along(azimuth, SIDE)
    look, tangent = Viewing(azimuth, incidence), math.tan(math.radians(incidence))
    assert_to_a_pixel(radar_shadow(ground, PIXEL_M, look), place, [(half, half + height * tangent)])
    # Before the wall as far as its top is nearer than the ground, and as far back on the top; but
    # never beyond its back, where the ground is low again and in shadow.
    assert_to_a_pixel(
        layover(ground, PIXEL_M, look),
        place,
        [(-half - height / tangent, min(half, -half + height / tangent))],
    )


@pytest.mark.parametrize("azimuth", LOOKS)
@pytest.mark.parametrize("incidence", [35.0, 39.0, 45.0])
def test_ridge(incidence: float, azimuth: float) -> None:
    height, near, far = 900.0, 700.0, 450.0
    ground, place = across(ridge(height, near, far), azimuth, SIDE), along(azimuth, SIDE)
    look, tangent = Viewing(azimuth, incidence), math.tan(math.radians(incidence))
    assert math.degrees(math.atan(height / far)) > 90 - incidence
    assert_to_a_pixel(radar_shadow(ground, PIXEL_M, look), place, [(0.0, height * tangent)])
    # Slant range r sin - z cos of the crest is that of the level ground at -height / tangent; and
    # that of the foot is met again on the far side, on the slope or beyond it.
    foot, crest, rise = -near, -height / tangent, height / far
    again = (height - near * tangent) / (tangent + rise)
    assert tangent < height / near
    assert again < far
    assert_to_a_pixel(layover(ground, PIXEL_M, look), place, [(min(foot, crest), max(0.0, again))])


def test_gentle_ridge_is_seen_whole() -> None:
    ground = across(ridge(300.0, 900.0, 900.0), 78.0, SIDE)
    codes = unseen_ground(ground, PIXEL_M, Viewing(78.0, 39.0))
    assert codes.dtype == np.uint8
    assert (codes == Unseen.SEEN).all()


def test_slopes_at_the_limit_belong_to_the_seen() -> None:
    look = Viewing(90.0, 45.0)
    for steeper, faces in ((False, True), (False, False), (True, True), (True, False)):
        ground = plane(41, 45.0 + (1.0 if steeper else -1.0), 270.0 if faces else 90.0)
        assert layover(ground, PIXEL_M, look).all() == (steeper and faces)
        assert layover(ground, PIXEL_M, look).any() == (steeper and faces)
        assert radar_shadow(ground, PIXEL_M, look)[:, 1:].all() == (steeper and not faces)
        assert radar_shadow(ground, PIXEL_M, look).any() == (steeper and not faces)


def test_missing_ground_is_neither_and_throws_nothing() -> None:
    look = Viewing(78.0, 39.0)
    ground = across(wall(600.0, 315.0), 78.0, SIDE)
    hole = along(78.0, SIDE) < -100.0
    holed = np.where(hole, np.nan, ground)
    for mask in (layover, radar_shadow):
        assert not mask(holed, PIXEL_M, look)[hole].any()
    # The roof still shades, and nothing is left that it could be laid over.
    place = along(78.0, SIDE)
    behind = (place > 400) & (place < 700)
    inner = np.hypot(*east_north(SIDE)) < 70 * PIXEL_M
    assert radar_shadow(holed, PIXEL_M, look)[behind & inner].all()
    assert not layover(holed, PIXEL_M, look)[inner].any()
    assert (unseen_ground(holed, PIXEL_M, look)[hole] == Unseen.NO_DATA).all()
    nothing = np.full((5, 6), np.nan, np.float32)
    assert (unseen_ground(nothing, PIXEL_M, look) == Unseen.NO_DATA).all()


def test_sentinel_1_looks_right_of_its_track() -> None:
    # At the equator the track over the turning Earth runs 12 degrees west of north (ascending).
    for orbit, near in ((OrbitState.ASCENDING, 78.0), (OrbitState.DESCENDING, 282.0)):
        assert viewing(orbit, 0.0, 39.0).azimuth == pytest.approx(near, abs=0.3)


@pytest.mark.parametrize("latitude", [-60.0, 0.0, 10.0, 45.0, 70.0])
def test_beam_over_an_earth_at_rest_comes_from_the_pole_of_the_orbit(
    latitude: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law of cosines in the triangle of the poles of Earth and orbit and the ground."""
    monkeypatch.setattr(look_geometry, "EARTH_RATE", 0.0)
    incidence, tilt = math.radians(39.0), math.radians(look_geometry.INCLINATION)
    reach = incidence - math.asin(math.sin(incidence) / look_geometry.RADIUS_RATIO)
    ground = math.radians(latitude)
    to_pole = math.acos(
        (math.cos(tilt) + math.sin(ground) * math.sin(reach)) / (math.cos(ground) * math.cos(reach))
    )
    east = viewing(OrbitState.ASCENDING, latitude, 39.0).azimuth
    assert east == pytest.approx(180 - math.degrees(to_pole), abs=1e-3)
    # The two directions mirror each other about the meridian.
    west = viewing(OrbitState.DESCENDING, latitude, 39.0).azimuth
    assert east + west == pytest.approx(360.0, abs=1e-6)


def test_nothing_is_looked_at_beyond_the_poles() -> None:
    with pytest.raises(ValueError, match="does not look at latitude 89"):
        viewing(OrbitState.ASCENDING, 89.0, 39.0)
