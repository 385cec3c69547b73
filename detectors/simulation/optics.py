"""Sentinel-2 over a simulated event: the same ground, landslides and look-alikes, by another eye.

Pictures are made as those of the drill are (``simulate_ground``, ``simulate_optical``): plants over
soil with a season, lit by the sun of the date, under snow, clouds and their shadows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage, special
from shapely.geometry import box

from detectors.masks import Sun, sun_at
from detectors.projections import to_lonlat
from detectors.simulate_ground import Ground, altered, fail, fractal, grown
from detectors.simulate_optical import Sky, look
from detectors.simulation.land import Land
from detectors.simulation.look_alikes import LookAlikeKind, SimulatedLookAlike
from detectors.simulation.parameters import Optical, Parameters, load_parameters
from detectors.simulation.scene import Scene
from detectors.simulation.slides import Slide, covered
from detectors.types import FloatArray, Grid

#: Radar pixels are 30 m, optical ones 10 m.
_FINER = 3
#: Local noon and a half at 39 W, UTC, when Sentinel-2 comes over.
_OVERPASS = timedelta(hours=13, minutes=36)
#: Lower than this the sun makes no picture, degrees.
_LOWEST_SUN = 10.0
#: Pixels around a landslide that are drawn anew with it.
_AROUND = 24
_ASH, _ROCK, _WATER = (
    (0.03, 0.035, 0.04, 0.06),
    (0.13, 0.16, 0.19, 0.24),
    (0.03, 0.04, 0.028, 0.012),
)
#: What is left of the plants, and what lies there then.
_EFFECTS: dict[LookAlikeKind, tuple[float, tuple[float, ...] | None]] = {
    LookAlikeKind.HARVEST: (0.2, None),
    LookAlikeKind.CLEAR_CUT: (0.3, None),
    LookAlikeKind.FIRE: (0.15, _ASH),
    LookAlikeKind.FLOOD: (0.1, _WATER),
    LookAlikeKind.QUARRY: (0.05, _ROCK),
    LookAlikeKind.RIVER_BAR: (0.0, _ROCK),
}


@dataclass(frozen=True, slots=True)
class OpticalPass:
    """One picture that nobody took."""

    sensed_at: datetime
    """When it would have been, UTC."""
    grid: Grid
    """10 m."""
    reflectance: FloatArray
    """float32 (band, y, x), 0 to 1; bands of ``simulate_ground.BANDS``."""
    scl: NDArray[np.uint8]
    """Scene classification at 20 m, uint8 (y, x)."""
    sun: Sun
    """Where the sun stood."""
    cloud: float
    """Share of the picture behind clouds."""
    snow_line_m: float | None
    """Elevation above which snow lies, metres; None without."""
    edited: bool
    """Shows something that was planted."""


def optical_passes(scene: Scene, parameters: Parameters | None = None) -> Iterator[OpticalPass]:
    """Take pictures of an event, oldest first; one is in memory at a time.

    Args:
        scene: the event; the same one gives the same pictures.
        parameters: the figures; None for the frozen ones.
    """
    figures = parameters or load_parameters()
    rules = figures.optical
    draw = np.random.default_rng([scene.event_seed, 7])
    ground = ground_of(scene.land, scene.event_seed, rules, draw)
    middle = to_lonlat(box(*scene.grid.bounds), scene.grid.epsg).centroid
    noon = scene.happened_at.replace(hour=0, minute=0, second=0) + _OVERPASS
    first = noon + timedelta(days=1 + int(draw.integers(0, rules.every_days)))
    for k in range(-rules.before, rules.after):
        moment = first + k * timedelta(days=rules.every_days)
        # As many numbers are drawn for every date, whatever becomes of them.
        cloud, haze, height, line = draw.beta(*rules.cloud_shape), *draw.random(3)
        if k == 0:
            cloud = max(cloud, rules.cloud_after_event)
        sun = sun_at(moment, middle.x, middle.y)
        if sun.elevation < _LOWEST_SUN:
            continue
        sky = Sky(cloud=float(cloud), haze=_between(rules.haze, haze),
                  height_m=_between(rules.cloud_height_m, height))  # fmt: skip
        now = _as_of(scene, ground, moment)
        snow_line = _snow_line(scene.land, moment, float(line), figures)
        snow = _snow(scene.land, ground.grid, snow_line, figures, scene.event_seed)
        reflectance, scl = look(now, moment, sun, sky, scene.event_seed, snow)
        yield OpticalPass(
            moment, ground.grid, reflectance, scl, sun, float(cloud), snow_line, now is not ground
        )


def ground_of(land: Land, seed: int, rules: Optical, draw: np.random.Generator) -> Ground:
    """Return land as Sentinel-2 resolves it: 10 m, with ragged edges between covers."""
    grid = finer(land.grid)
    wobble = [1.2 * fractal(grid.shape, draw, 1.2, 12) for _ in range(2)]
    rows, columns = ((np.arange(side) + 0.5) / _FINER - 0.5 for side in grid.shape)
    rows = np.clip(np.rint(rows[:, None] + wobble[0] / _FINER), 0, land.grid.height - 1)
    columns = np.clip(np.rint(columns[None] + wobble[1] / _FINER), 0, land.grid.width - 1)
    kind = land.cover[rows.astype(int), columns.astype(int)].astype(np.int64) - 1
    height = _enlarged(land.elevation, grid)
    down, right = np.gradient(ndimage.gaussian_filter(height, 1), grid.transform.a)
    peak = draw.normal(rules.peak_day, rules.peak_deviation_days)
    gradient = np.stack([right, -down]).astype(np.float32)
    return grown(grid, kind, gradient, np.random.default_rng([seed, 8]), float(peak))


def finer(grid: Grid) -> Grid:
    """Return the same ground in optical pixels."""
    return Grid(
        grid.epsg, grid.transform @ Affine.scale(1 / _FINER),
        grid.height * _FINER, grid.width * _FINER,
    )  # fmt: skip


def _as_of(scene: Scene, before: Ground, moment: datetime) -> Ground:
    """Return the ground of a date; the same object where nothing has happened yet."""
    now = before
    for one in scene.look_alikes:
        if moment >= one.happened_at:
            now = _changed(now, one)
    for simulated in scene.slides:
        slide = simulated.slide
        if moment < slide.happened_at:
            continue
        now = _failed(now, slide)
        if slide.pond is not None:
            now = altered(now, covered(slide.pond, now.grid), 0.0, _WATER)
    return now


def _failed(ground: Ground, slide: Slide) -> Ground:
    """Let a slope fail; only the ground around it is drawn anew."""
    grid = ground.grid
    west, south, east, north = slide.outline.bounds
    (left, top), (right, bottom) = ~grid.transform @ (west, north), ~grid.transform @ (east, south)
    rows = slice(max(int(top) - _AROUND, 0), min(int(bottom) + _AROUND, grid.height))
    columns = slice(max(int(left) - _AROUND, 0), min(int(right) + _AROUND, grid.width))
    here = Grid(
        grid.epsg, grid.transform @ Affine.translation(columns.start, rows.start),
        rows.stop - rows.start, columns.stop - columns.start,
    )  # fmt: skip
    near = (..., rows, columns)
    part = replace(
        ground, grid=here, plants=ground.plants[near], soil=ground.soil[near],
        cover=ground.cover[near], swing=ground.swing[near], gradient=ground.gradient[near],
    )  # fmt: skip
    part = fail(part, slide.outline, slide.downslope_degrees, slide.seed)
    soil, cover, swing = ground.soil.copy(), ground.cover.copy(), ground.swing.copy()
    soil[near], cover[near], swing[near] = part.soil, part.cover, part.swing
    return replace(ground, soil=soil, cover=cover, swing=swing)


def _changed(ground: Ground, one: SimulatedLookAlike) -> Ground:
    kept, soil = _EFFECTS[one.kind]
    return altered(ground, covered(one.outline, ground.grid), kept, soil)


def _snow_line(land: Land, moment: datetime, share: float, figures: Parameters) -> float | None:
    """Return the elevation above which snow lies, metres; None out of season."""
    if moment.month not in figures.snow.months:
        return None
    return float(land.elevation.min()) + figures.land.relief_m * _between(
        figures.snow.line_share, share
    )


def _snow(
    land: Land, grid: Grid, line_m: float | None, figures: Parameters, seed: int
) -> FloatArray | None:
    """Return the share of the ground under snow, float32 (y, x)."""
    if line_m is None:
        return None
    ragged = figures.snow.edge_m * fractal(grid.shape, np.random.default_rng([seed, 9]), 1.5, 120)
    above = (_enlarged(land.elevation, grid) + ragged - line_m) / figures.snow.edge_m
    snow: FloatArray = special.expit(3 * above).astype(np.float32)
    return snow


def _enlarged(values: FloatArray, grid: Grid) -> FloatArray:
    """Return a raster of 30 m on the grid of 10 m, bilinear between the centres."""
    large: FloatArray = ndimage.zoom(
        values, _FINER, order=1, mode="nearest", grid_mode=True
    ).astype(np.float32)
    return large.reshape(grid.shape)


def _between(pair: tuple[float, float], share: float) -> float:
    return float(pair[0] + share * (pair[1] - pair[0]))
