"""One simulated landslide, as a field of parts, and what it does to backscatter.

SCIENCE section 3: the mean over a landslide depends on what grew there; a scarp that faces away
from the sensor darkens and one that faces it brightens a little; debris is rougher than what it
buried, or smooth mud; in forest the edge towards the sensor lies in the shadow of trees and the far
one in their double bounce; a pond is as dark as water. The figures are in ``parameters.toml``.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from detectors.look_geometry import Viewing
from detectors.radiometry import Decibel, to_power
from detectors.simulate_ground import direction
from detectors.simulation.land import LandCover
from detectors.simulation.parameters import POLARISATIONS, Parameters
from detectors.types import BoolArray, FloatArray, Grid, require_utc

#: Parts of a pixel along a side, to tell how much of it an outline covers.
_FINER = 4
#: Slopes from this on count fully as facing the sensor or facing away, degrees.
_STEEP = 30.0
#: How near the mean over a landslide comes to what was asked for, dB, and turns at most.
_NEAR_DB, _MOST_TURNS = 0.01, 40


class Part(enum.IntEnum):
    """Where in a landslide a pixel lies (uint8)."""

    NONE = 0
    SCARP = 1
    TRANSIT = 2
    DEPOSIT = 3
    POND = 4


@dataclass(frozen=True, slots=True)
class Slide:
    """One landslide on a grid, whatever looks at it."""

    grid: Grid
    """Where the pixels are."""
    outline: Polygon
    """In the grid's coordinates, without the pond."""
    pond: BaseGeometry | None
    """What it dammed, None where nothing."""
    parts: NDArray[np.uint8]
    """uint8 (y, x), codes of ``Part``, of the pixels it covers by half."""
    share: FloatArray
    """float32 (y, x), share of each pixel that it or its pond covers, 0 to 1."""
    covers: NDArray[np.uint8]
    """uint8 (y, x), codes of ``LandCover`` before."""
    downslope_degrees: float
    """Direction of movement, clockwise from north."""
    slope_degrees: float
    """Steepness of the slope."""
    happened_at: datetime
    """When, UTC."""
    seed: int
    """Of everything random about it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "happened_at", require_utc(self.happened_at, "happened_at"))

    @property
    def body(self) -> BoolArray:
        """Pixels of scarp, transit and deposit, bool (y, x)."""
        body: BoolArray = (self.parts != Part.NONE) & (self.parts != Part.POND)
        return body

    @property
    def cover(self) -> LandCover:
        """What most of it was covered with."""
        return LandCover(int(np.bincount(self.covers[self.body]).argmax()))


def make_slide(
    grid: Grid,
    outline: Polygon,
    downslope_degrees: float,
    happened_at: datetime,
    cover: NDArray[np.uint8] | LandCover,
    parameters: Parameters,
    seed: int,
    *,
    slope_degrees: float = 30.0,
    pond: BaseGeometry | None = None,
) -> Slide:
    """Cut an outline into scarp, transit and deposit.

    Args:
        grid: projected, metres.
        outline: in the grid's coordinates.
        downslope_degrees: direction of movement, clockwise from north.
        happened_at: aware; looks from then on show it.
        cover: (y, x), codes of ``LandCover``, or one for all.
        parameters: the figures.
        seed: the same seed gives the same landslide in every look.
        slope_degrees: steepness; gentler scarps than 30 degrees face a sensor less.
        pond: what it dams; where both overlap the pond wins.

    Raises:
        ValueError: the outline covers no part of the grid.
    """
    rules = parameters.slide
    share = covered(outline, grid)
    water = covered(pond, grid) if pond is not None else np.zeros_like(share)
    # The smallest outlines may cover no pixel by half; then the best covered one is theirs.
    inside = share >= min(0.5, float(share.max()))
    if not share.any():
        raise ValueError("the outline covers no part of the grid")
    east, north = direction(downslope_degrees)
    rows, columns = np.indices(grid.shape)
    along = columns * east - rows * north
    first, last = along[inside].min(), along[inside].max()
    along = (along - first) / max(float(last - first), 1e-6)
    parts = np.zeros(grid.shape, dtype=np.uint8)
    parts[inside] = Part.TRANSIT
    parts[inside & (along <= rules.scarp_share)] = Part.SCARP
    parts[inside & (along > 1 - rules.deposit_share)] = Part.DEPOSIT
    parts[water >= 0.5] = Part.POND
    covers = np.full(grid.shape, cover, dtype=np.uint8) if np.isscalar(cover) else cover
    return Slide(
        grid=grid, outline=outline, pond=pond, parts=parts, share=np.maximum(share, water),
        covers=np.asarray(covers), downslope_degrees=downslope_degrees,
        slope_degrees=slope_degrees, happened_at=happened_at, seed=seed,
    )  # fmt: skip


def covered(outline: BaseGeometry, grid: Grid) -> FloatArray:
    """Return the share of each pixel that an outline covers, float32 (y, x), 0 to 1."""
    share = np.zeros(grid.shape, dtype=np.float32)
    west, south, east, north = outline.bounds
    (left, top), (right, bottom) = ~grid.transform @ (west, north), ~grid.transform @ (east, south)
    rows = slice(max(math.floor(top), 0), max(math.ceil(bottom), 0))
    columns = slice(max(math.floor(left), 0), max(math.ceil(right), 0))
    height, width = share[rows, columns].shape
    if not height or not width:
        return share
    corner = grid.transform @ grid.transform.translation(columns.start, rows.start)
    fine = features.rasterize(
        [outline], (height * _FINER, width * _FINER), dtype="uint8",
        transform=corner @ grid.transform.scale(1 / _FINER),
    )  # fmt: skip
    share[rows, columns] = fine.reshape(height, _FINER, width, _FINER).mean(axis=(1, 3))
    return share


def change_db(
    slide: Slide,
    viewing: Viewing,
    level_db: FloatArray,
    parameters: Parameters,
    *,
    mean_db: float | None = None,
) -> FloatArray:
    """Return what a landslide does to noiseless gamma0, seen from one direction.

    Args:
        slide: the landslide.
        viewing: where the radar looks from.
        level_db: float32 (polarisation, y, x), dB, VV and VH before; decides what a pond changes.
        parameters: the figures.
        mean_db: None draws the mean over the landslide by land cover; a number makes the mean over
            scarp, transit and deposit just that, in both polarisations, or as near to it as pixels
            that are covered in part can come.

    Returns:
        float32 (polarisation, y, x), dB; 0 outside. Pixels that are covered in part change in part.
    """
    azimuth = viewing.azimuth
    seen = _pattern(slide, azimuth, viewing, parameters)
    # The mean over a landslide holds for both directions together, which mirror each other.
    other = _pattern(slide, 360.0 - azimuth, viewing, parameters)
    mean = _means(slide, parameters)
    body = slide.body
    change = np.zeros_like(seen)
    for band in range(len(POLARISATIONS)):
        middle = float((seen[band][body] + other[band][body]).mean() / 2) if body.any() else 0.0
        change[band] = seen[band] - middle + mean[band]
    level = np.array([parameters.cover["water"].level_db]).T[..., None]
    pond = (slide.parts == Part.POND)[None]
    change = np.where(pond, np.minimum(level - level_db, 0.0), change)
    mixed = _mixed(np.nan_to_num(change), slide.share)
    if mean_db is None or not body.any():
        return mixed
    # Mixing at the edge and the shift that makes up for it depend on each other.
    for _ in range(_MOST_TURNS):
        missing = mean_db - mixed[:, body].mean(axis=1)
        if np.abs(missing).max() < _NEAR_DB:
            break
        change = np.where(pond, change, change + missing[:, None, None])
        mixed = _mixed(np.nan_to_num(change), slide.share)
    return mixed


def _mixed(change: FloatArray, share: FloatArray) -> FloatArray:
    """Return the change of pixels that are covered in part, dB."""
    power = 1 + share * (to_power(Decibel(change)) - 1)
    mixed: FloatArray = (10 * np.log10(power)).astype(np.float32)
    return mixed


def _means(slide: Slide, parameters: Parameters) -> FloatArray:
    """Return the mean change by what grew there, float (polarisation, y, x)."""
    rules = parameters.slide
    draw = np.random.default_rng([slide.seed, 2])
    z = _correlated(draw.normal(size=2), rules.between_polarisations)
    mean = np.zeros((len(POLARISATIONS), *slide.grid.shape), dtype=np.float32)
    for code in LandCover:
        cover = parameters.cover[code.name.lower()]
        total = abs(cover.slide_clear_db - cover.slide_db[0]) / rules.clear_sigmas
        for band, value in enumerate(cover.slide_db):
            drawn = value + math.sqrt(rules.share_between) * total * z[band]
            mean[band][slide.covers == code] = drawn
    return mean


def _pattern(
    slide: Slide, azimuth: float, viewing: Viewing, parameters: Parameters
) -> FloatArray:  # fmt: skip
    """Return how parts, facing, forest edges and texture differ, float (polarisation, y, x), dB."""
    rules = parameters.slide
    draw = np.random.default_rng([slide.seed, 3])
    pattern = np.zeros((len(POLARISATIONS), *slide.grid.shape), dtype=np.float32)
    away = math.cos(math.radians(slide.downslope_degrees - azimuth))
    away *= min(1.0, slide.slope_degrees / _STEEP)
    spread = abs(rules.scarp_away_clear_db - rules.scarp_away_db) / rules.clear_sigmas
    scarp = min(0.0, draw.normal(rules.scarp_away_db, spread))
    pattern[:, slide.parts == Part.SCARP] = (
        scarp * away if away > 0 else -rules.scarp_towards_db * away
    )
    rough = draw.normal(rules.deposit_db, rules.deposit_deviation_db)
    mud = draw.random() < rules.mud_probability
    for band in range(len(POLARISATIONS)):
        pattern[band, slide.parts == Part.DEPOSIT] = rules.mud_db[band] if mud else rough
    pattern += _edges(slide, azimuth, viewing, parameters)
    noise = draw.normal(size=pattern.shape)
    texture = ndimage.gaussian_filter(noise, (0, rules.texture_pixels, rules.texture_pixels))
    texture = _correlated(texture / texture.std(), rules.between_polarisations)
    return (pattern + texture * _within(slide, parameters)).astype(np.float32)


def _within(slide: Slide, parameters: Parameters) -> FloatArray:
    """Return the standard deviation between the pixels of a landslide, (y, x), dB."""
    rules = parameters.slide
    table = np.zeros(max(LandCover) + 1, dtype=np.float32)
    for code in LandCover:
        cover = parameters.cover[code.name.lower()]
        total = abs(cover.slide_clear_db - cover.slide_db[0]) / rules.clear_sigmas
        table[code] = math.sqrt(1 - rules.share_between) * total
    within: FloatArray = table[slide.covers]
    return within


def _edges(
    slide: Slide, azimuth: float, viewing: Viewing, parameters: Parameters
) -> FloatArray:  # fmt: skip
    """Return what standing trees at the edge do, float (y, x), dB: shadow here, corners there."""
    rules = parameters.slide
    body = slide.body
    pixel = slide.grid.transform.a
    incidence = math.radians(float(np.nanmean(viewing.incidence)))
    reach = rules.tree_height_m * math.tan(incidence) / pixel
    east, north = direction(azimuth)
    forest = slide.covers == LandCover.FOREST
    edges = np.zeros(slide.grid.shape, dtype=np.float32)
    for sign, length, depth in (
        (1, reach, rules.edge_near_db),
        (-1, rules.tree_height_m / pixel, rules.edge_far_db),
    ):
        # What lies less than the reach inside the edge is hit in that share of the pixel.
        moved = (-north * sign * length, east * sign * length)
        inner = ndimage.shift(body.astype(np.float32), moved, order=1, mode="nearest")
        hit = np.clip(body - inner, 0, 1) * (body & forest)
        edges += 10 * np.log10(1 + hit * (10 ** (depth / 10) - 1))
    return edges


def _correlated(pair: NDArray[np.float64], correlation: float) -> NDArray[np.float64]:
    """Make the second of two independent fields follow the first, (2, ...)."""
    second = correlation * pair[0] + math.sqrt(1 - correlation**2) * pair[1]
    return np.stack([pair[0], second])
