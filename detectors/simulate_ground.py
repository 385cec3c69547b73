"""Mountains that do not exist, and slopes in them that fail: the ground of simulated pictures.

Everything made here is simulated and must say so wherever it can be seen. Cover, relief and tone
are correlated fields, so that a detector meets what it meets outside: dark slopes, dry grass, bare
patches, ponds with bare shores, a field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from detectors.types import FloatArray, Grid

#: STAC common names along the first axis of everything here.
BANDS = ("blue", "green", "red", "nir")
#: Of open water, by ``BANDS``.
WATER = (0.03, 0.04, 0.028, 0.012)
#: Reflectance of plants and of the ground between them; rows are ``_KINDS``.
_KINDS = ("forest", "shrub", "grass", "bare", "water", "urban", "wetland")
_PLANTS = ((0.018, 0.036, 0.022, 0.29), (0.028, 0.052, 0.038, 0.27), (0.035, 0.075, 0.05, 0.33),
           (0.04, 0.065, 0.055, 0.26), WATER, (0.04, 0.07, 0.055, 0.28),
           (0.03, 0.06, 0.042, 0.26))  # fmt: skip
_SOIL = ((0.05, 0.07, 0.085, 0.16), (0.065, 0.09, 0.115, 0.19), (0.06, 0.095, 0.13, 0.23),
         (0.085, 0.12, 0.155, 0.21), WATER, (0.11, 0.13, 0.15, 0.19),
         (0.04, 0.055, 0.06, 0.1))  # fmt: skip
#: Share of the ground that plants cover, yearly mean; how far it swings.
_COVER = (0.92, 0.8, 0.62, 0.12, 1.0, 0.3, 0.75)
_SWING = (0.02, 0.05, 0.25, 0.05, 0.0, 0.05, 0.15)
#: Place of water among the kinds.
_WATER = 4
#: Day of the year on which plants cover most, where nothing else is said: California.
PEAK_DAY = 85.0
#: Fresh debris: lighter than soil that plants have grown on.
_DEBRIS = (0.1, 0.135, 0.175, 0.235)


@dataclass(frozen=True, slots=True)
class Ground:
    """A landscape, whatever the date."""

    grid: Grid
    """10 m."""
    plants: FloatArray
    """float32 (band, y, x), reflectance of closed cover."""
    soil: FloatArray
    """float32 (band, y, x), reflectance of the ground under it."""
    cover: FloatArray
    """float32 (y, x), share that plants cover, yearly mean, 0 to 1."""
    swing: FloatArray
    """float32 (y, x), how far that share moves with the season."""
    gradient: FloatArray
    """float32 (2, y, x), rise to the east and to the north, metres per metre."""
    peak_day: float = PEAK_DAY
    """Day of the year on which plants cover most."""


def landscape(grid: Grid, seed: int, downslope_degrees: float | None = None) -> Ground:
    """Make a mountain landscape.

    Args:
        grid: 10 m pixels.
        seed: the same seed and grid give the same landscape.
        downslope_degrees: direction the whole falls to, clockwise from north; None for none.
    """
    draw = np.random.default_rng(seed)
    shape, pixel = grid.shape, grid.transform.a
    height = 110.0 * fractal(shape, draw, 2.4, 140)
    if downslope_degrees is not None:
        east, north = direction(downslope_degrees)
        rows, columns = np.indices(shape)
        height -= 0.22 * pixel * (columns * east - rows * north)
    down, right = np.gradient(height, pixel)
    gradient = np.stack([right, -down])
    # Plants are denser on slopes that look north; grass is on the gentle and the sunny ones.
    moist = fractal(shape, draw, 1.8, 40) - 2.5 * gradient[1] / (0.3 + np.abs(gradient[1]))
    kind = np.where(moist > 0.9, 0, np.where(moist > -1.6, 1, 2))
    kind[fractal(shape, draw, 1.7, 25) > 2.05] = 3
    low = ndimage.gaussian_filter(height - ndimage.gaussian_filter(height, 60), 2)
    kind[low < np.quantile(low, 0.025)] = 3
    kind[low < np.quantile(low, 0.012)] = 4
    rows, columns = np.indices(shape)
    field = (np.abs(rows - 0.86 * shape[0]) < 7) & (np.abs(columns - 0.14 * shape[1]) < 10)
    kind[field & (kind != 4)] = 2
    return grown(grid, kind, gradient, draw)


def grown(
    grid: Grid, kind: NDArray[np.int64], gradient: FloatArray, draw: np.random.Generator,
    peak_day: float = PEAK_DAY,
) -> Ground:  # fmt: skip
    """Let plants grow on ground of known kinds.

    Args:
        grid: 10 m pixels.
        kind: (y, x), 0 forest, 1 shrub, 2 grass, 3 bare, 4 water, 5 urban, 6 wetland.
        gradient: (2, y, x), see ``Ground``.
        draw: random numbers, for tone and cover.
        peak_day: see ``Ground``.
    """
    shape, water = grid.shape, kind == _WATER
    tone = 1 + 0.1 * fractal(shape, draw, 1.2, 30)
    cover = np.array(_COVER)[kind] + np.where(water, 0, 0.1 * fractal(shape, draw, 1.3, 20))
    return Ground(
        grid=grid,
        plants=_bands(_PLANTS, kind, np.where(water, 1.0, tone)),
        soil=_bands(_SOIL, kind, np.where(water, 1.0, tone)),
        cover=np.clip(cover, 0, 1).astype(np.float32),
        swing=np.array(_SWING, dtype=np.float32)[kind],
        gradient=gradient.astype(np.float32),
        peak_day=peak_day,
    )


def altered(
    ground: Ground, share: FloatArray, plants_kept: float, soil: Sequence[float] | None
) -> Ground:  # fmt: skip
    """Return the landscape with fewer plants, and other soil where that is said.

    Args:
        ground: as it was.
        share: (y, x), share of each pixel that is altered, 0 to 1.
        plants_kept: share of the plants that is left.
        soil: reflectance by band of what lies there now; None leaves the soil.
    """
    new = ground.soil if soil is None else np.array(soil, dtype=np.float32)[:, None, None]
    return replace(
        ground,
        soil=(ground.soil * (1 - share) + new * share).astype(np.float32),
        cover=(ground.cover * (1 - share * (1 - plants_kept))).astype(np.float32),
        swing=(ground.swing * (1 - share * (1 - plants_kept))).astype(np.float32),
    )


def fail(ground: Ground, outline: BaseGeometry, downslope_degrees: float, seed: int = 0) -> Ground:
    """Return the landscape with bare debris where plants were.

    The edge is ragged, islands of plants stay, and debris lies in streaks down the slope.

    Args:
        ground: as it was.
        outline: of the landslide, in the grid's coordinates.
        downslope_degrees: direction of movement, clockwise from north.
        seed: of the texture.
    """
    draw = np.random.default_rng(seed)
    fine = features.rasterize(
        [outline], [4 * side for side in ground.grid.shape],
        transform=ground.grid.transform @ ground.grid.transform.scale(0.25), dtype="uint8",
    )  # fmt: skip
    if not fine.any():
        return ground
    ragged = ndimage.gaussian_filter(fine.astype(np.float32), 4) + 0.16 * fractal(
        fine.shape, draw, 1.4, 16
    )
    share = (ragged > 0.5).reshape(ground.grid.height, 4, ground.grid.width, 4).mean(axis=(1, 3))
    share[ndimage.maximum_filter(fine, 9)[::4, ::4] == 0] = 0
    across = _streaks(ground.grid.shape, downslope_degrees, draw)
    islands = 1 / (1 + np.exp(-6 * (fractal(ground.grid.shape, draw, 1.2, 8) - 1.5)))
    tone = 1 + 0.13 * across + 0.1 * fractal(ground.grid.shape, draw, 1.0, 10)
    debris = np.array(_DEBRIS)[:, None, None] * np.clip(tone, 0.5, 1.6)
    return replace(
        ground,
        soil=(ground.soil * (1 - share) + debris * share).astype(np.float32),
        cover=(ground.cover * (1 - share * (1 - islands) * 0.97)).astype(np.float32),
        swing=(ground.swing * (1 - share)).astype(np.float32),
    )


def fractal(
    shape: Sequence[int], draw: np.random.Generator, roughness: float, longest: float
) -> FloatArray:
    """Draw a correlated field of mean 0 and standard deviation 1.

    Args:
        shape: rows and columns.
        draw: random numbers.
        roughness: fall of the amplitude with frequency; more is smoother.
        longest: longest wave, pixels.
    """
    rows, columns = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    amplitude = (rows**2 + columns**2 + (1 / longest) ** 2) ** (-roughness / 2)
    noise = np.fft.irfft2(np.fft.rfft2(draw.normal(size=shape)) * amplitude, s=tuple(shape))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _streaks(shape: tuple[int, int], degrees: float, draw: np.random.Generator) -> FloatArray:
    """Draw a field that is long in one direction and short across it."""
    east, north = direction(degrees)
    rows, columns = np.indices(shape)
    along, across = columns * east - rows * north, columns * north + rows * east
    size = int(math.hypot(*shape)) + 2
    noise = ndimage.gaussian_filter(draw.normal(size=(size, size)), (6, 0.8), mode="wrap")
    streaks: FloatArray = ndimage.map_coordinates(
        noise / noise.std(), [along % size, across % size], order=1, mode="grid-wrap"
    )
    return streaks


def direction(degrees: float) -> tuple[float, float]:
    """Return east and north of a direction, clockwise from north."""
    return math.sin(math.radians(degrees)), math.cos(math.radians(degrees))


def _bands(
    table: Sequence[Sequence[float]], kind: NDArray[np.int64], tone: FloatArray
) -> FloatArray:
    """Look a table of kinds and bands up, float32 (band, y, x)."""
    return np.moveaxis(np.array(table, dtype=np.float32)[kind] * tone[..., None], -1, 0)
