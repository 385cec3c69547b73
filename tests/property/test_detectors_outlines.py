"""Whatever the mask: outlines hold the pixels they stand for, no more and no fewer."""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from detectors.levels import Levels
from detectors.projections import to_lonlat, to_projected
from detectors.types import Grid, Observability, ScoreMap
from detectors.vectorize import outlines

EVERY_PATCH = Levels(watch=0.0, minimum_pixels=1)

grids = st.builds(
    lambda pixel, west, north, epsg: Grid(
        epsg, Affine(pixel, 0.0, 30.0 * west, 0.0, -pixel, 30.0 * north), 9, 9
    ),
    st.sampled_from([10.0, 20.0, 30.0]),
    st.integers(8_000, 24_000),
    st.integers(60_000, 240_000),
    st.sampled_from([32601, 32611, 32633, 32660]),
)
masks = arrays(np.bool_, (9, 9))
TWO_CORNERS = np.zeros((9, 9), dtype=bool)
TWO_CORNERS[2:4, 2:4] = TWO_CORNERS[4:6, 4:6] = True
CHESS = np.indices((9, 9)).sum(axis=0) % 2 == 0


def score_map(mask: np.ndarray, grid: Grid) -> ScoreMap:
    score = np.where(mask, 4.0, 0.0).astype(np.float32)
    return scored(score, grid)


def scored(score: np.ndarray, grid: Grid) -> ScoreMap:
    seen = Observability.of(grid, np.isfinite(score))
    return ScoreMap(grid, score, score, "d", "none", "c", False, True, seen)


@settings(deadline=None, max_examples=60)
@given(masks, grids)
@example(TWO_CORNERS, Grid(32611, Affine(30, 0, 240_000, 0, -30, 3_850_000), 9, 9))
@example(CHESS, Grid(32611, Affine(30, 0, 240_000, 0, -30, 3_850_000), 9, 9))
@example(~CHESS, Grid(32611, Affine(30, 0, 240_000, 0, -30, 3_850_000), 9, 9))
def test_outlines_hold_exactly_their_pixels(mask: np.ndarray, grid: Grid) -> None:
    everywhere = np.ones(grid.shape, dtype=bool)
    found = list(outlines(score_map(mask, grid), EVERY_PATCH, 0.0, everywhere, everywhere))
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    assert len(found) == count
    columns, rows = np.meshgrid(np.arange(9) + 0.5, np.arange(9) + 0.5)
    east, north = grid.transform @ (columns, rows)
    for number, outline in enumerate(found, start=1):
        patch = labels == number
        pixels = int(patch.sum())
        polygon = to_projected(outline.polygon, grid.epsg)
        assert outline.polygon.is_valid
        assert outline.polygon.geom_type == "Polygon"
        assert outline.area_m2 == pixels * grid.pixel_area_m2
        # Where pixels meet by a corner only, a hair of a hundredth of a pixel joins them.
        hair = 1.05 * polygon.length * grid.transform.a / 100.0
        assert abs(polygon.area - outline.area_m2) < hair
        np.testing.assert_array_equal(shapely.contains_xy(polygon, east, north), patch)


@settings(deadline=None, max_examples=30)
@given(masks, grids)
def test_area_is_exact_where_no_corner_needs_joining(mask: np.ndarray, grid: Grid) -> None:
    mask = np.kron(mask[:3, :3], np.ones((3, 3), dtype=bool))
    edges, corners = ndimage.label(mask)[1], ndimage.label(mask, structure=np.ones((3, 3)))[1]
    holes = ndimage.label(~np.pad(mask, 1), structure=np.ones((3, 3)))[1]
    assume(edges == corners and holes == ndimage.label(~np.pad(mask, 1))[1])
    everywhere = np.ones(grid.shape, dtype=bool)
    for outline in outlines(score_map(mask, grid), EVERY_PATCH, 0.0, everywhere, everywhere):
        polygon = to_projected(outline.polygon, grid.epsg)
        assert abs(polygon.area / outline.area_m2 - 1.0) < 1e-6


@settings(deadline=None, max_examples=30)
@given(masks)
def test_rise_and_drop_make_the_same_outlines(mask: np.ndarray) -> None:
    grid = Grid(32611, Affine(30, 0, 240_000, 0, -30, 3_850_000), 9, 9)
    everywhere = np.ones(grid.shape, dtype=bool)
    rise = score_map(mask, grid)
    drop = scored(-rise.score, grid)
    for one, other in zip(
        outlines(rise, EVERY_PATCH, 0.0, everywhere, everywhere),
        outlines(drop, EVERY_PATCH, 0.0, everywhere, everywhere),
        strict=True,
    ):
        assert one.polygon == other.polygon
        assert (one.evidence, one.tier) == (other.evidence, other.tier)
        assert one.change_db == -other.change_db


@given(grids, st.integers(1, 500), st.integers(1, 500))
def test_bounds_hold_all_pixels(grid: Grid, height: int, width: int) -> None:
    grown = Grid(grid.epsg, grid.transform, height, width)
    west, south, east, north = grown.bounds
    assert (east - west) * (north - south) == height * width * grown.pixel_area_m2
    assert grown.transform @ (0, 0) == (west, north)
    assert grown.transform @ (width, height) == (east, south)


@settings(deadline=None)
@given(grids)
def test_projection_there_and_back_is_exact_to_a_millimetre(grid: Grid) -> None:
    frame = shapely.box(*grid.bounds)
    back = to_projected(to_lonlat(frame, grid.epsg), grid.epsg)
    assert shapely.hausdorff_distance(frame, back) < 1e-3
