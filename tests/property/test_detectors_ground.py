"""Ground and looks: turned together they turn, heights shift nothing, the facing is never dark."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors import terrain
from detectors.look_geometry import (
    Viewing,
    layover,
    local_incidence,
    radar_shadow,
    unseen_ground,
)
from detectors.types import Unseen
from tests.ground import PIXEL_M, along

heights = st.integers(0, 400).map(float)
grounds = arrays(np.float32, (11, 14), elements=heights)
holes = arrays(np.bool_, (11, 14), elements=st.booleans())
azimuths = st.floats(0.0, 359.0)
incidences = st.floats(20.0, 60.0)


@settings(max_examples=40)
@given(grounds, azimuths, incidences)
def test_ground_and_look_turned_together(
    ground: np.ndarray, azimuth: float, incidence: float
) -> None:
    """``rot90`` turns against the clock: what was in the east is in the north."""
    look, turned = Viewing(azimuth, incidence), Viewing((azimuth - 90) % 360, incidence)
    np.testing.assert_allclose(
        local_incidence(np.rot90(ground), PIXEL_M, turned),
        np.rot90(local_incidence(ground, PIXEL_M, look)),
        atol=1e-2,
    )
    np.testing.assert_allclose(
        terrain.slope(np.rot90(ground), PIXEL_M),
        np.rot90(terrain.slope(ground, PIXEL_M)),
        atol=1e-3,
    )
    fall = np.rot90(terrain.aspect(ground, PIXEL_M)) - 90
    again = terrain.aspect(np.rot90(ground), PIXEL_M)
    np.testing.assert_array_equal(np.isnan(again), np.isnan(fall))
    off = np.abs((again - fall + 180) % 360 - 180)
    assert np.nanmax(off, initial=0) < 1e-2


@settings(max_examples=40)
@given(grounds, st.sampled_from([0.0, 90.0, 180.0, 270.0]), st.sampled_from([25.0, 39.0, 51.0]))
def test_masks_turn_with_ground_and_look(
    ground: np.ndarray, azimuth: float, incidence: float
) -> None:
    look, turned = Viewing(azimuth, incidence), Viewing((azimuth - 90) % 360, incidence)
    for mask in (layover, radar_shadow):
        np.testing.assert_array_equal(
            mask(np.rot90(ground), PIXEL_M, turned), np.rot90(mask(ground, PIXEL_M, look))
        )


@settings(max_examples=40)
@given(grounds, azimuths, st.integers(-500, 5000))
def test_height_of_the_datum_changes_nothing(
    ground: np.ndarray, azimuth: float, shift: int
) -> None:
    look, lifted = Viewing(azimuth, 39.0), (ground + np.float32(shift)).astype(np.float32)
    for of in (local_incidence, layover, radar_shadow):
        np.testing.assert_array_equal(of(lifted, PIXEL_M, look), of(ground, PIXEL_M, look))
    for window in (
        terrain.topographic_position,
        terrain.roughness,
        terrain.relative_relief,
        terrain.valley_depth,
    ):
        np.testing.assert_allclose(window(lifted, 5), window(ground, 5), atol=2e-3)


@settings(max_examples=40)
@given(azimuths, incidences, heights)
def test_flat_ground_is_seen_at_the_incidence_angle(
    azimuth: float, incidence: float, height: float
) -> None:
    flat, look = np.full((9, 7), height, np.float32), Viewing(azimuth, incidence)
    np.testing.assert_allclose(local_incidence(flat, PIXEL_M, look), incidence, atol=1e-3)
    assert (unseen_ground(flat, PIXEL_M, look) == Unseen.SEEN).all()


@settings(max_examples=40)
@given(
    arrays(np.float64, 40, elements=st.floats(0.0, 60.0)),
    st.sampled_from([0.0, 90.0, 180.0, 270.0]),
    incidences,
)
def test_no_shadow_where_everything_faces_the_sensor(
    rises: np.ndarray, azimuth: float, incidence: float
) -> None:
    """Ground that never falls away from the sensor, in steps of any height, is never dark."""
    place = along(azimuth, 40) / PIXEL_M
    ground = np.cumsum(rises)[np.rint(place - place.min()).astype(int)].astype(np.float32)
    assert not radar_shadow(ground, PIXEL_M, Viewing(azimuth, incidence)).any()


@settings(max_examples=40)
@given(
    st.floats(-80.0, 80.0),
    azimuths,
    incidences,
)
def test_plane_is_laid_over_or_dark_by_its_tilt_alone(
    tilt: float, azimuth: float, incidence: float
) -> None:
    """Positive tilt rises away from the sensor."""
    assume(abs(tilt - incidence) > 0.5 and abs(-tilt - (90 - incidence)) > 0.5)
    ground = (math.tan(math.radians(tilt)) * along(azimuth, 31)).astype(np.float32)
    look, inner = Viewing(azimuth, incidence), np.s_[10:-10, 10:-10]
    assert layover(ground, PIXEL_M, look)[inner].all() == (tilt > incidence)
    assert layover(ground, PIXEL_M, look)[inner].any() == (tilt > incidence)
    assert radar_shadow(ground, PIXEL_M, look)[inner].all() == (-tilt > 90 - incidence)
    assert radar_shadow(ground, PIXEL_M, look)[inner].any() == (-tilt > 90 - incidence)


@settings(max_examples=40)
@given(grounds, holes, azimuths)
def test_missing_ground_is_missing_and_nothing_else_is(
    ground: np.ndarray, hole: np.ndarray, azimuth: float
) -> None:
    holed = np.where(hole, np.float32(np.nan), ground)
    look = Viewing(azimuth, 39.0)
    codes = unseen_ground(holed, PIXEL_M, look)
    np.testing.assert_array_equal(codes == Unseen.NO_DATA, hole)
    assert np.isnan(local_incidence(holed, PIXEL_M, look))[hole].all()
    local = local_incidence(holed, PIXEL_M, look)
    assert ((local >= 0) & (local <= 180) | np.isnan(local)).all()
    np.testing.assert_array_equal(np.isnan(terrain.relative_relief(holed, 3)), hole)


@settings(max_examples=40)
@given(grounds, st.integers(3, 12))
def test_what_windows_measure_is_bounded_by_the_relief(ground: np.ndarray, pixels: int) -> None:
    relief = terrain.relative_relief(ground, pixels)
    assert (terrain.roughness(ground, pixels) <= relief / 2 + 1e-3).all()
    assert (np.abs(terrain.topographic_position(ground, pixels)) <= relief + 1e-3).all()
    depth = terrain.valley_depth(ground, pixels)
    assert (depth >= 0).all()
    assert (ground + depth <= ground.max() + 1e-3).all()
