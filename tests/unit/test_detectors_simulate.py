"""The landslides that never happened are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio import features
from shapely import affinity
from shapely.geometry import Polygon

from detectors.simulate import Roughening, roughen, slide_outline
from detectors.types import Grid
from tests.scenes import made_series, make_grid, slide_at

GRID = make_grid(60, 60)
OUTLINE = slide_at(GRID, 30, 30, 66, 205.0)


@pytest.fixture(scope="module")
def gamma0() -> np.ndarray:
    return made_series(1, 60, 60).gamma0[0, 0]


def inside(grid: Grid, outline: Polygon) -> np.ndarray:
    mask: np.ndarray = features.geometry_mask(
        [outline], out_shape=grid.shape, transform=grid.transform, invert=True
    )
    return mask


def rise_db(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    rise: np.ndarray = 10.0 * np.log10(after / before)
    return rise


@pytest.mark.parametrize("area_m2", [5_400.0, 30_000.0, 1_000_000.0])
@pytest.mark.parametrize("direction", [0.0, 90.0, 205.0, 359.0])
def test_outline_has_the_area_asked_for(area_m2: float, direction: float) -> None:
    outline = slide_outline((240_000.0, 3_850_000.0), direction, area_m2)
    assert outline.is_valid
    assert outline.area == pytest.approx(area_m2, rel=1e-6)


@pytest.mark.parametrize(
    ("direction", "east", "north"), [(0, 0, 1), (90, 1, 0), (180, 0, -1), (270, -1, 0)]
)
def test_slide_runs_downslope_from_its_crown(direction: float, east: int, north: int) -> None:
    outline = slide_outline((1_000.0, 2_000.0), direction, 30_000.0)
    middle = outline.centroid
    moved = np.array([middle.x - 1_000.0, middle.y - 2_000.0])
    assert moved @ (east, north) > 50.0
    assert abs(moved @ (north, -east)) < 1.0


def test_slide_is_as_long_as_asked_for() -> None:
    outline = slide_outline((0.0, 0.0), 0.0, 30_000.0, elongation=3.0)
    west, south, east, north = outline.bounds
    assert (north - south) / (east - west) == pytest.approx(1.17 * 3.0, rel=0.01)


@pytest.mark.parametrize("mean_db", [3.0, 4.5, -6.0])
def test_mean_and_texture_are_those_asked_for(gamma0: np.ndarray, mean_db: float) -> None:
    changed = roughen(gamma0, GRID, OUTLINE, Roughening(mean_db=mean_db, texture_db=1.5))
    rise = rise_db(gamma0, changed)[inside(GRID, OUTLINE)]
    assert len(rise) == pytest.approx(66, abs=5)
    assert rise.mean() == pytest.approx(mean_db, abs=0.01)
    assert rise.std() == pytest.approx(1.5, abs=0.01)


def test_neighbouring_pixels_rise_alike(gamma0: np.ndarray) -> None:
    wide = affinity.scale(OUTLINE, 3, 3)
    mask = inside(GRID, wide)
    both = mask[:, 1:] & mask[:, :-1]

    def likeness(pixels: float) -> float:
        how = Roughening(texture_pixels=pixels)
        rise = rise_db(gamma0, roughen(gamma0, GRID, wide, how))
        return float(np.corrcoef(rise[:, 1:][both], rise[:, :-1][both])[0, 1])

    assert likeness(0.8) > 0.4
    assert likeness(0.1) < 0.2


def test_nothing_else_changes(gamma0: np.ndarray) -> None:
    before = gamma0.copy()
    changed = roughen(gamma0, GRID, OUTLINE, Roughening())
    outside = ~inside(GRID, OUTLINE)
    np.testing.assert_array_equal(changed[outside], gamma0[outside])
    np.testing.assert_array_equal(gamma0, before)
    assert changed.dtype == np.float32


def test_speckle_stays(gamma0: np.ndarray) -> None:
    other = made_series(2, 60, 60).gamma0[1, 0]
    one, two = (roughen(look, GRID, OUTLINE, Roughening()) for look in (gamma0, other))
    # The same slide multiplies two looks alike; what differs between them stays.
    np.testing.assert_allclose(one / two, gamma0 / other, rtol=1e-4)


def test_no_data_stays_no_data(gamma0: np.ndarray) -> None:
    holed = gamma0.copy()
    holed[28:31] = np.nan
    changed = roughen(holed, GRID, OUTLINE, Roughening())
    np.testing.assert_array_equal(np.isnan(changed), np.isnan(holed))


def test_same_seed_same_slide(gamma0: np.ndarray) -> None:
    one, again = (roughen(gamma0, GRID, OUTLINE, Roughening(seed=7)) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert (roughen(gamma0, GRID, OUTLINE, Roughening(seed=8)) != one).any()


def test_slide_beyond_the_look_changes_nothing(gamma0: np.ndarray) -> None:
    far = affinity.translate(OUTLINE, 50_000.0)
    assert roughen(gamma0, GRID, far, Roughening()) is gamma0


def test_slide_of_one_pixel_rises_by_the_mean(gamma0: np.ndarray) -> None:
    pixel = slide_at(GRID, 20.5, 20.5, 1, 0.0)
    mask = inside(GRID, pixel)
    assert mask.sum() == 1
    rise = rise_db(gamma0, roughen(gamma0, GRID, pixel, Roughening(mean_db=4.0)))
    assert rise[mask] == pytest.approx(4.0, abs=0.01)
