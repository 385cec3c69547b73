"""Why an optical pixel cannot be judged."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from detectors.masks import Sun, cast_shadow, from_scl, from_toa, sun_at
from detectors.types import Unseen


def codes(scl, **fields) -> np.ndarray:
    given = {"dilate_m": 0.0, "pixel_m": 10.0} | fields
    return from_scl(np.array(scl, np.uint8), **given)


def test_every_class_of_the_classification() -> None:
    found = codes([range(13), [255] * 13])
    assert [Unseen(code) for code in found[0]] == [
        Unseen.NO_DATA, Unseen.SATURATED, Unseen.CLOUD_SHADOW, Unseen.CLOUD_SHADOW, Unseen.SEEN,
        Unseen.SEEN, Unseen.WATER, Unseen.SEEN, Unseen.CLOUD, Unseen.CLOUD, Unseen.CLOUD,
        Unseen.SNOW, Unseen.NO_DATA,
    ]  # fmt: skip
    assert (found[1] == Unseen.NO_DATA).all()
    assert found.dtype == np.uint8


def test_cloud_probability_hides_what_the_classification_calls_clear() -> None:
    likely = np.array([[0, 49, 50, 100, 255, 90]], np.uint8)
    found = codes([[4, 4, 4, 5, 4, 0]], cloud_probability=likely)
    assert found.tolist() == [
        [Unseen.SEEN, Unseen.SEEN, Unseen.CLOUD, Unseen.CLOUD, Unseen.SEEN, Unseen.NO_DATA]
    ]
    assert codes([[9]], cloud_probability=np.zeros((1, 1), np.uint8)) == Unseen.CLOUD


def test_clouds_and_their_shadows_are_widened_in_metres() -> None:
    scl = np.full((29, 29), 4)
    scl[12:17, 12:17] = 9
    for pixel_m, pixels in ((10.0, 3), (20.0, 1), (40.0, 0)):
        found = codes(scl, dilate_m=30.0, pixel_m=pixel_m) == Unseen.CLOUD
        rows, _ = np.nonzero(found)
        assert rows.max() - 16 == pixels
        assert not found[12 - pixels, 12 - pixels] or pixels < 2  # round
    scl[12:17, 12:17] = 3
    assert (codes(scl, dilate_m=30.0) == Unseen.CLOUD_SHADOW).sum() > 25
    scl[12:17, 12:17] = 2  # terrain keeps its shadow to itself
    assert (codes(scl, dilate_m=30.0) != Unseen.SEEN).sum() == 25


@pytest.mark.parametrize("hidden", [3, 8])
def test_a_bright_roof_hides_itself_only(hidden) -> None:
    scl = np.full((29, 29), 4)
    scl[12:15, 12:17] = hidden  # 1500 m2
    assert (codes(scl, dilate_m=60.0) != Unseen.SEEN).sum() == 15
    scl[15, 17] = hidden  # corners count
    assert (codes(scl, dilate_m=60.0) != Unseen.SEEN).sum() > 100


def test_widening_overwrites_nothing_that_is_hidden_already() -> None:
    found = codes([[9, 0, 1, 11, 3, 6, 4]], dilate_m=1_000.0, pixel_m=100.0)
    assert found.tolist() == [[
        Unseen.CLOUD, Unseen.NO_DATA, Unseen.SATURATED, Unseen.SNOW, Unseen.CLOUD_SHADOW,
        Unseen.CLOUD_SHADOW, Unseen.CLOUD_SHADOW,
    ]]  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "lon", "lat", "azimuth", "elevation"),
    [
        # Noon at the equinox on the equator; Brussels in June and December; Australia in winter.
        (datetime(2024, 3, 20, 12, 7, tzinfo=UTC), 0.0, 0.0, None, 89.7),
        (datetime(2024, 6, 20, 11, 44, tzinfo=UTC), 4.4, 50.8, 180.0, 62.6),
        (datetime(2024, 12, 21, 11, 40, tzinfo=UTC), 4.4, 50.8, 180.0, 15.8),
        (datetime(2024, 6, 20, 2, 22, tzinfo=UTC), 145.0, -30.0, 0.0, 36.6),
    ],
)
def test_where_the_sun_stands(moment, lon, lat, azimuth, elevation) -> None:
    found = sun_at(moment, lon, lat)
    assert found.elevation == pytest.approx(elevation, abs=0.5)
    if azimuth is not None:
        assert (found.azimuth - azimuth + 180) % 360 - 180 == pytest.approx(0, abs=1)


def test_dark_ground_away_from_the_sun_is_the_shadow_of_a_cloud() -> None:
    cloud = np.zeros((120, 120), bool)
    cloud[58:62, 58:62] = True
    nir = np.full(cloud.shape, 0.3, np.float32)
    nir[20:24, 58:62] = nir[96:100, 58:62] = 0.05  # north and south of it
    south = Sun(azimuth=180.0, elevation=45.0)
    found = cast_shadow(cloud, nir, south, 10.0)
    assert found[20:24, 58:62].all()
    assert found.sum() == 16
    west = Sun(azimuth=270.0, elevation=45.0)
    assert not cast_shadow(cloud, nir, west, 10.0).any()
    nir[58:62, 100:104] = 0.05
    assert cast_shadow(cloud, nir, west, 10.0)[58:62, 100:104].all()


def test_bright_ground_below_a_cloud_is_no_shadow() -> None:
    cloud = np.zeros((60, 60), bool)
    cloud[50, 30] = True
    nir = np.full(cloud.shape, 0.2, np.float32)
    assert not cast_shadow(cloud, nir, Sun(180.0, 45.0), 10.0).any()
    nir[:] = np.nan
    assert not cast_shadow(cloud, nir, Sun(180.0, 45.0), 10.0).any()
    assert not cast_shadow(cloud, np.zeros_like(nir), Sun(180.0, 2.0), 10.0).any()


def test_colours_at_the_top_of_the_atmosphere() -> None:
    # Forest, bare soil, cloud, snow, thin haze, no data.
    blue = np.array([[0.08, 0.10, 0.40, 0.80, 0.12, np.nan]], np.float32)
    green = np.array([[0.06, 0.12, 0.41, 0.82, 0.11, 0.1]], np.float32)
    red = np.array([[0.04, 0.18, 0.42, 0.83, 0.10, 0.1]], np.float32)
    seen, cloud = Unseen.SEEN, Unseen.CLOUD
    expected = [seen, seen, cloud, cloud, seen, Unseen.NO_DATA]
    assert from_toa(blue, green, red).tolist() == [expected]
    nir = np.array([[0.05, 0.25, 0.45, 0.85, 0.3, 0.1]], np.float32)
    assert from_toa(blue, green, red, nir)[0, 0] == Unseen.CLOUD_SHADOW
