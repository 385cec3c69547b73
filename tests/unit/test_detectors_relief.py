"""Heights, slope and aspect inside an outline, against planes that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, box

from detectors.projections import to_lonlat, to_projected
from detectors.relief import MARGIN, grid_around, relief
from detectors.types import Grid

#: 600 m by 300 m.
OUTLINE = MultiPolygon([to_lonlat(box(500_000, 4_000_000, 500_600, 4_000_300), 32633)])


def plane(grid: Grid, east: float, north: float) -> np.ndarray:
    """A plane by its rise to the east and to the north, m/m."""
    rows, columns = np.mgrid[: grid.height, : grid.width]
    metres = 1_000 + 30.0 * (columns * east - rows * north)
    return metres.astype(np.float32)


@given(steep=st.floats(1, 60), facing=st.floats(0, 359))
def test_a_plane_has_its_slope_and_aspect(steep: float, facing: float) -> None:
    grid = grid_around(OUTLINE)
    rise = math.tan(math.radians(steep))
    down = math.sin(math.radians(facing)), math.cos(math.radians(facing))
    found = relief(plane(grid, -rise * down[0], -rise * down[1]), grid, OUTLINE)
    assert found is not None
    assert found.slope_deg == pytest.approx(steep, abs=0.05)
    assert found.aspect_deg is not None
    assert (found.aspect_deg - facing + 180) % 360 - 180 == pytest.approx(0, abs=0.2)
    assert found.elevation_max_m > found.elevation_min_m


def test_flat_ground_faces_nowhere() -> None:
    grid = grid_around(OUTLINE)
    found = relief(plane(grid, 0, 0), grid, OUTLINE)
    assert found is not None
    assert (found.slope_deg, found.aspect_deg) == (0.0, None)
    assert found.elevation_min_m == found.elevation_max_m == 1_000


def test_ground_that_is_hardly_known_is_not_known() -> None:
    grid = grid_around(OUTLINE)
    half = plane(grid, 0.1, 0)
    half[:, : grid.width * 2 // 3] = np.nan
    assert relief(half, grid, OUTLINE) is None
    most = plane(grid, 0.1, 0)
    most[: grid.height // 4] = np.nan
    assert relief(most, grid, OUTLINE) is not None
    assert relief(np.full(grid.shape, np.nan, dtype=np.float32), grid, OUTLINE) is None


@given(
    west=st.floats(-180, 180.5), south=st.floats(-60, 70),
    size=st.floats(1e-6, 0.02),
)  # fmt: skip
def test_a_grid_holds_the_outline_with_a_margin(west: float, south: float, size: float) -> None:
    outline = MultiPolygon([box(west, south, west + size, south + size)])
    grid = grid_around(outline)
    left, bottom, right, top = grid.bounds
    inside = to_projected(outline, grid.epsg).bounds
    assert min(inside[0] - left, inside[1] - bottom, right - inside[2], top - inside[3]) >= 29 * (
        MARGIN - 1
    )
    assert max(grid.shape) < 200
