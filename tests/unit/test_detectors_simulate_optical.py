"""Simulated Sentinel-2: plausible ground, the same every time, and clouds where they are wanted."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine
from shapely.affinity import translate

from detectors.compositing import ndvi
from detectors.masks import Sun
from detectors.simulate import slide_outline
from detectors.simulate_ground import BANDS, Ground, fail, landscape
from detectors.simulate_optical import Sky, Spot, look
from detectors.types import Grid
from tests.judged import mask_of

GRID = Grid(32611, Affine(10, 0, 242_000, 0, -10, 3_835_000), 120, 121)
DOWN = 205.0
OUTLINE = slide_outline((242_650.0, 3_834_600.0), DOWN, 20_000.0)
INSIDE = mask_of(OUTLINE, GRID)
FAR = ~mask_of(OUTLINE.buffer(60), GRID)
SUN = Sun(azimuth=162.0, elevation=34.0)
WINTER, SPRING = datetime(2023, 12, 2, tzinfo=UTC), datetime(2024, 3, 25, tzinfo=UTC)
AUTUMN = datetime(2023, 10, 8, tzinfo=UTC)
CLOUDY = (8, 9, 10)


@pytest.fixture(scope="module")
def before() -> Ground:
    return landscape(GRID, 11, DOWN)


@pytest.fixture(scope="module")
def after(before: Ground) -> Ground:
    return fail(before, OUTLINE, DOWN, 3)


def index(ground: Ground, moment: datetime, sky: Sky | None = None) -> np.ndarray:
    return ndvi(look(ground, moment, SUN, sky or Sky(), 7)[0], BANDS)


def test_the_same_seed_and_date_give_the_same_picture(before) -> None:
    once, again = (look(landscape(GRID, 11, DOWN), WINTER, SUN, Sky(0.3), 7) for _ in range(2))
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(once[0], look(before, AUTUMN, SUN, Sky(0.3), 7)[0])
    assert not np.array_equal(once[0], look(before, WINTER, SUN, Sky(0.3), 8)[0])


def test_reflectance_is_that_of_a_green_mountain(before) -> None:
    picture, scl = look(before, WINTER, SUN, Sky(), 7)
    assert picture.dtype == np.float32
    assert picture.shape == (4, *GRID.shape)
    assert scl.shape == (60, 61)
    blue, green, red, nir = (float(np.median(band)) for band in picture)
    assert 0.02 < blue < 0.06
    assert 0.04 < green < 0.1
    assert 0.03 < red < 0.1
    assert 0.2 < nir < 0.35
    assert float((scl == 4).mean()) > 0.75
    assert np.abs(picture).max() < 0.6


def test_a_slide_bares_the_ground_and_nothing_else(before, after) -> None:
    lost = index(after, WINTER) - index(before, WINTER)
    assert float(np.median(lost[INSIDE])) < -0.3
    assert float(np.abs(lost[FAR]).max()) < 0.02
    picture, scl = look(after, WINTER, SUN, Sky(), 7)
    blue, _, red, nir = (float(np.median(band[INSIDE])) for band in picture)
    assert 0.06 < blue < 0.14
    assert 0.1 < red < 0.22
    assert nir > red
    # Islands of plants stay.
    assert 0.01 < float((index(after, WINTER)[INSIDE] > 0.35).mean()) < 0.3
    assert 5 in scl[INSIDE[::2, ::2][:60, :61]]


def test_a_slide_elsewhere_changes_nothing(before) -> None:
    assert fail(before, translate(OUTLINE, 50_000), DOWN) is before


def test_grass_is_greener_in_spring_than_in_autumn(before) -> None:
    difference = index(before, SPRING) - index(before, AUTUMN)
    assert 0.01 < float(np.median(difference)) < 0.2
    grass = before.swing > 0.2
    assert float(np.median(difference[grass])) > 0.15


def test_clouds_hide_as_much_as_was_asked_for(before) -> None:
    for share in (0.0, 0.2, 0.6):
        picture, scl = look(before, WINTER, SUN, Sky(share), 7)
        assert float(np.isin(scl, CLOUDY).mean()) == pytest.approx(share, abs=0.13)
        assert float((picture[0] > 0.3).mean()) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("hidden", [True, False])
def test_clouds_and_their_shadows_keep_to_the_spots(before, hidden: bool) -> None:
    middle = OUTLINE.centroid
    sky = Sky(0.5, spots=(Spot(middle.x, middle.y, 400.0, hidden),), height_m=250.0)
    scl = look(before, WINTER, SUN, sky, 7)[1]
    own = np.repeat(np.repeat(scl, 2, 0), 2, 1)[: GRID.height, : GRID.width][INSIDE]
    assert float(np.isin(own, (*CLOUDY, 3)).mean()) == pytest.approx(float(hidden), abs=0.1)


def test_the_classification_makes_mistakes(before) -> None:
    """Few, but no map of clouds is right everywhere."""
    picture, scl = look(before, WINTER, SUN, Sky(0.4), 7)
    cloudy = np.isin(np.repeat(np.repeat(scl, 2, 0), 2, 1)[: GRID.height, : GRID.width], CLOUDY)
    missed = ~cloudy & (picture[0] > 0.12)
    assert 0 < missed.mean() < 0.05
    assert 7 in scl
