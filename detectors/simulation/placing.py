"""Where simulated landslides start, how far they reach, and what they dam."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage
from shapely import union_all
from shapely.geometry import Polygon, box, shape
from shapely.geometry.base import BaseGeometry

from detectors.simulate import slide_outline
from detectors.simulate_ground import direction
from detectors.simulation.land import Land, LandCover
from detectors.simulation.parameters import Parameters
from detectors.simulation.slides import Slide, covered, make_slide
from detectors.types import BoolArray, FloatArray, Grid

#: Places looked at for one landslide before it is given up.
_TRIES = 400
#: Places compared for one that is to end in a valley.
_COMPARED = 40
#: Pixels kept free along the border, and between what happens.
_MARGIN = 8
#: Ground on which none starts.
_FIRM = (LandCover.WATER, LandCover.URBAN)


def random_slide(
    grid: Grid,
    area_m2: float,
    happened_at: datetime,
    cover: NDArray[np.uint8] | LandCover,
    parameters: Parameters,
    seed: int,
    *,
    allowed: BoolArray | None = None,
) -> Slide | None:
    """Put a landslide anywhere on a grid, for ground whose shape is not known (real looks).

    Args:
        grid: projected, metres.
        area_m2: of its outline, m2.
        happened_at: when, UTC.
        cover: see ``slides.make_slide``.
        parameters: the figures.
        seed: the same seed gives the same landslide.
        allowed: (y, x), where all of it must lie; None for everywhere.

    Returns:
        None where it fits nowhere.
    """
    draw = np.random.default_rng([seed, 4])
    free = _inner(grid) if allowed is None else allowed & _inner(grid)
    for _ in range(_TRIES):
        towards = float(draw.uniform(0, 360))
        row, column = (int(draw.integers(0, side)) for side in grid.shape)
        if not free[row, column]:
            continue
        outline = _tongue(grid, row, column, towards, area_m2, parameters, draw)
        if _fits(outline, grid, free):
            return make_slide(grid, outline, towards, happened_at, cover, parameters, seed)
    return None


def slide_on(
    land: Land,
    area_m2: float,
    happened_at: datetime,
    parameters: Parameters,
    seed: int,
    *,
    free: BoolArray,
    to_valley: bool = False,
) -> Slide | None:
    """Let a slope fail: from steep ground downhill, and into the valley where asked to.

    Args:
        land: the ground.
        area_m2: of the outline, m2.
        happened_at: when, UTC.
        parameters: the figures.
        seed: the same seed gives the same landslide.
        free: (y, x), where all of it must lie.
        to_valley: the one of many that ends lowest is taken, and dams a pond if the ground allows.

    Returns:
        None where no slope is free.
    """
    draw = np.random.default_rng([seed, 4])
    rules, grid = parameters.slide, land.grid
    steep, towards = land.slope, _smooth_downslope(land)
    least, most = rules.steepest_degrees
    free = free & (land.cover != LandCover.URBAN) & _inner(grid)
    heads = free & (steep >= least) & (steep <= most) & ~np.isin(land.cover, _FIRM)
    heads &= np.isfinite(towards)
    places = np.argwhere(heads)
    if not len(places):
        return None
    best: tuple[float, Polygon, float, float] | None = None
    compared = 0
    for row, column in places[draw.integers(0, len(places), _TRIES)]:
        down = float(towards[row, column])
        outline = _tongue(grid, row, column, down, area_m2, parameters, draw)
        if not _fits(outline, grid, free):
            continue
        toe = _height_at(land, outline, down)
        found = (toe, outline, down, float(steep[row, column]))
        if best is None or toe < best[0]:
            best = found
        compared += 1
        if compared == (_COMPARED if to_valley else 1):
            break
    if best is None:
        return None
    _, outline, down, steepness = best
    slide = make_slide(
        grid, outline, down, happened_at, land.cover, parameters, seed, slope_degrees=steepness
    )
    pond = dammed(land, slide, parameters) if to_valley else None
    if pond is None:
        return slide
    return make_slide(
        grid, outline, down, happened_at, land.cover, parameters, seed,
        slope_degrees=steepness, pond=pond,
    )  # fmt: skip


def dammed(land: Land, slide: Slide, parameters: Parameters) -> BaseGeometry | None:
    """Return the pond behind a landslide, or None where water would find a way round.

    Water stands up to the dam's height over the lowest ground beside the landslide. The largest
    basin that touches the landslide counts, if its size is that of a pond; lower dams are tried.
    """
    rules = parameters.slide
    body = slide.share > 0
    beside = ndimage.binary_dilation(body, np.ones((3, 3))) & ~body
    if not beside.any():
        return None
    lowest = float(land.elevation[beside].min())
    for part in (1.0, 0.7, 0.5, 0.3):
        wet = (land.elevation < lowest + part * rules.dam_height_m) & ~body
        wet &= land.cover != LandCover.WATER
        labels, _ = ndimage.label(wet)
        sizes = np.bincount(labels.ravel())
        touching = np.unique(labels[beside & wet])
        for label in touching[np.argsort(-sizes[touching])]:
            basin = labels == label
            edge = np.zeros_like(basin)
            edge[[0, -1]], edge[:, [0, -1]] = True, True
            if (basin & edge).any() or sizes[label] > rules.pond_pixels[1]:
                continue
            return outlined(basin, land.grid) if sizes[label] >= rules.pond_pixels[0] else None
    return None


def outlined(where: BoolArray, grid: Grid) -> BaseGeometry:
    """Return pixels as one geometry in the grid's coordinates."""
    found = features.shapes(where.astype(np.uint8), mask=where, transform=grid.transform)
    return union_all([shape(geometry) for geometry, _ in found])


def _tongue(
    grid: Grid, row: float, column: float, towards: float, area_m2: float,
    parameters: Parameters, draw: np.random.Generator,
) -> Polygon:  # fmt: skip
    """Draw an outline that starts in a pixel."""
    x, y = grid.transform @ (column + 0.5, row + 0.5)
    elongation = float(draw.uniform(*parameters.slide.elongation))
    return slide_outline((x, y), towards, area_m2, elongation)


def _fits(outline: Polygon, grid: Grid, free: BoolArray) -> bool:
    """Whether an outline lies on free ground only."""
    if not outline.within(box(*grid.bounds)):
        return False
    touched = covered(outline, grid) > 0
    return bool(touched.any() and free[touched].all())


def _height_at(land: Land, outline: Polygon, towards: float) -> float:
    """Return the elevation of the lower end of an outline against its surroundings, metres."""
    east, north = direction(towards)
    corners = np.array(outline.exterior.coords)
    x, y = corners[(corners @ (east, north)).argmax()]
    column, row = ~land.grid.transform @ (x, y)
    row = min(max(math.floor(row), 0), land.grid.height - 1)
    column = min(max(math.floor(column), 0), land.grid.width - 1)
    here = np.s_[max(row - 25, 0) : row + 26, max(column - 25, 0) : column + 26]
    return float(land.elevation[row, column] - land.elevation[here].mean())


def _smooth_downslope(land: Land) -> FloatArray:
    """Return where the ground falls to as a landslide feels it, degrees."""
    smooth = ndimage.gaussian_filter(land.elevation, 2)
    return Land(land.grid, smooth, land.cover).downslope


def _inner(grid: Grid) -> BoolArray:
    """Return the pixels away from the border."""
    inner = np.zeros(grid.shape, dtype=np.bool_)
    inner[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = True
    return inner
