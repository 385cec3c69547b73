"""Mountains that do not exist, and what grows on them: the ground of simulated radar looks.

Simulated, all of it. Elevation is a sum of correlated fields: ridges and V-shaped valleys (absolute
values of fields, whose zero lines are sharp), rolling ground, and valley floors filled to the level
around them. Cover follows elevation, slope and moisture, as it does outside.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from detectors.simulate_ground import fractal
from detectors.simulation.parameters import LandRules, Parameters
from detectors.terrain import aspect, slope
from detectors.types import BoolArray, FloatArray, Grid

#: No real ground lies here, so that nobody can take simulated mountains for real ones: the middle
#: of the North Atlantic, 45 N 39 W.
EPSG, LATITUDE = 32624, 45.0
ORIGIN = (500_010.0, 4_983_000.0)
PIXEL_M = 30.0
#: Fields are drawn at least so large and cut out, so that small scenes are no steeper than large.
_DRAWN = 300
#: Highest over lowest of a field of this kind, in standard deviations.
_SPAN = 5.0
#: What counts as around a pixel, pixels.
_AROUND = 25


class LandCover(enum.IntEnum):
    """What grows or stands on a pixel; the codes of a cover raster (uint8)."""

    FOREST = 1
    SHRUB = 2
    GRASS = 3
    BARE = 4
    WATER = 5
    URBAN = 6
    WETLAND = 7


@dataclass(frozen=True, slots=True)
class Land:
    """Ground before anything happens to it."""

    grid: Grid
    """Where the pixels are."""
    elevation: FloatArray
    """float32 (y, x), metres."""
    cover: NDArray[np.uint8]
    """uint8 (y, x), codes of ``LandCover``."""

    @property
    def slope(self) -> FloatArray:
        """Steepness, float32 (y, x), degrees."""
        return slope(self.elevation, self.grid.transform.a)

    @property
    def downslope(self) -> FloatArray:
        """Direction the ground falls in, float32 (y, x), degrees clockwise from north, NaN flat."""
        return aspect(self.elevation, self.grid.transform.a)


def scene_grid(size: int, number: int = 0) -> Grid:
    """Return the grid of a simulated scene: 30 m, far from any real ground.

    Args:
        size: pixels on each side.
        number: scenes of different numbers do not touch.
    """
    apart = (size + 100) * PIXEL_M
    east, north = ORIGIN[0] + (number % 10) * apart, ORIGIN[1] - (number // 10) * apart
    return Grid(EPSG, Affine(PIXEL_M, 0, east, 0, -PIXEL_M, north), size, size)


def make_land(grid: Grid, seed: int, parameters: Parameters) -> Land:
    """Make mountains with valleys, and their cover.

    Args:
        grid: 30 m pixels.
        seed: the same seed, grid and parameters give the same land.
        parameters: the figures.
    """
    draw = np.random.default_rng([seed, 1])
    rules = parameters.land
    shape = (max(grid.height, _DRAWN), max(grid.width, _DRAWN))
    elevation, low = _relief(shape, rules, draw)
    moist = fractal(shape, draw, 1.6, 60)
    scatter = fractal(shape, draw, 1.2, 30)
    window = np.s_[: grid.height, : grid.width]
    elevation, low = elevation[window], low[window]
    cover = _cover(
        elevation, low, moist[window], scatter[window], grid.transform.a, rules
    )  # fmt: skip
    return Land(grid, elevation, cover)


def _relief(
    shape: tuple[int, int], rules: LandRules, draw: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return elevation, metres, and how high ground is against its surroundings, metres."""
    valleys, ridges, rolling = (
        fractal(shape, draw, rules.roughness, rules.longest_pixels) for _ in range(3)
    )
    height = rules.ridges * (np.abs(valleys) - np.abs(ridges)) + (1 - rules.ridges) * rolling
    height = rules.relief_m / _SPAN * (height - height.mean()) / height.std()
    around = ndimage.gaussian_filter(height, _AROUND, mode="wrap")
    low = height - around
    floor = np.quantile(low, rules.valley_share)
    # Valley floors follow the smooth surroundings and keep a tenth of their own depth.
    filled = around + np.where(low < floor, floor + 0.1 * (low - floor), low)
    elevation = (filled - filled.min() + 200.0).astype(np.float32)
    return elevation, low.astype(np.float32)


def _cover(
    elevation: FloatArray, low: FloatArray, moist: FloatArray, scatter: FloatArray,
    pixel_m: float, rules: LandRules,
) -> NDArray[np.uint8]:  # fmt: skip
    """Return codes of ``LandCover``."""
    steep = slope(elevation, pixel_m)
    north = np.nan_to_num(np.cos(np.radians(aspect(elevation, pixel_m))))
    share = (elevation - 200.0) / rules.relief_m + 0.05 * scatter
    wet = moist + 0.7 * north - 0.02 * (steep - 25)
    cover = np.full(elevation.shape, LandCover.GRASS, dtype=np.uint8)
    cover[(wet > -0.9) & (share < rules.tree_line_share + 0.15)] = LandCover.SHRUB
    cover[(wet > -0.2) & (share < rules.tree_line_share)] = LandCover.FOREST
    cover[(share > 0.9) | (steep > 48) | (scatter > 2.3)] = LandCover.BARE
    flat = steep < 12
    open_ground = flat & (low < np.quantile(low, 2 * rules.valley_share)) & (wet < 0.6)
    cover[open_ground] = LandCover.GRASS
    low_flat = np.where(flat, low, np.inf)
    cover[_least(low_flat - 20 * moist, rules.wetland_share + rules.water_share)] = (
        LandCover.WETLAND
    )
    centre = ndimage.gaussian_filter(flat.astype(np.float32), 4) + 0.15 * scatter
    cover[flat & _least(-centre, rules.urban_share)] = LandCover.URBAN
    cover[_least(np.where(steep < 10, low, np.inf), rules.water_share)] = LandCover.WATER
    return cover


def _least(values: FloatArray, share: float) -> BoolArray:
    """Return the share of pixels with the smallest values."""
    least: BoolArray = values <= np.quantile(values, share)
    return least
