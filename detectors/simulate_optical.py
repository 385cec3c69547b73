"""Sentinel-2 pictures of simulated ground, with the air of the date between.

Everything made here is simulated and must say so wherever it can be seen. A pixel is plants over
soil, lit by the sun of the date and seen through haze, clouds and their shadows; the scene
classification that comes with it makes the mistakes such maps make.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from detectors.masks import Sun
from detectors.simulate_ground import Ground, direction, fractal
from detectors.types import FloatArray, Grid

#: Reflectance of snow by band.
_SNOW = (0.78, 0.78, 0.76, 0.68)
#: Reflectance of a thick cloud, and the share of light its shadow takes, by band.
_CLOUD, _DIM = (0.62, 0.6, 0.6, 0.63), (0.45, 0.55, 0.6, 0.68)
#: Haze by band, against blue.
_HAZE = (1.0, 0.6, 0.35, 0.1)
#: Classes of the scene classification that are used.
_DARK, _SHADOW, _PLANT, _BARE, _WATER, _UNSURE, _THIN, _THICK, _CIRRUS = 2, 3, 4, 5, 6, 7, 8, 9, 10
_WHITE = 11


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the sky that clouds seek or avoid."""

    east: float
    """Map coordinate of the ground below, metres."""
    north: float
    """The same."""
    radius_m: float
    """Its size."""
    cloudy: bool
    """True: clouds hide it; False: neither they nor their shadows do."""


@dataclass(frozen=True, slots=True)
class Sky:
    """The air of one date."""

    cloud: float = 0.0
    """Share of the picture that is behind clouds, 0 to 1."""
    haze: float = 0.004
    """What the air adds to blue, reflectance; less to longer waves."""
    spots: tuple[Spot, ...] = ()
    """Where clouds must and must not be."""
    height_m: float = 600.0
    """Of the clouds above ground."""


def look(
    ground: Ground, moment: datetime, sun: Sun, sky: Sky, seed: int,
    snow: FloatArray | None = None,
) -> tuple[FloatArray, NDArray[np.uint8]]:  # fmt: skip
    """Take a picture.

    Args:
        ground: the landscape of that date.
        moment: for the season.
        sun: where it stands.
        sky: the air.
        seed: of the date; the same gives the same picture.
        snow: float32 (y, x), share of the ground under snow, 0 to 1; None for none.

    Returns:
        Surface reflectance as a processor would give it, float32 (band, y, x); and the scene
        classification at twice the pixel size, uint8 (y, x).
    """
    draw = np.random.default_rng([seed, moment.toordinal()])
    shape = ground.grid.shape
    season = math.cos(2 * math.pi * (moment.timetuple().tm_yday - ground.peak_day) / 365.25)
    year = 0.012 * fractal(shape, draw, 2.0, 60)
    share = np.clip(ground.cover + season * ground.swing + year * (ground.swing > 0), 0, 1)
    light = _light(ground.gradient, sun)
    surface = share * ground.plants + (1 - share) * ground.soil
    if snow is not None:
        surface = surface * (1 - snow) + np.array(_SNOW)[:, None, None] * snow
    surface = light * surface
    length = sky.height_m / math.tan(math.radians(sun.elevation))
    to_sun = tuple(length * part for part in direction(sun.azimuth))
    thickness = _clouds(ground.grid, sky, to_sun, draw)
    pixels = to_sun[1] / ground.grid.transform.a, -to_sun[0] / ground.grid.transform.a
    shade = ndimage.shift(thickness, pixels, order=1, mode="reflect")
    dimmed = surface * (1 - np.array(_DIM)[:, None, None] * shade)
    white = np.array(_CLOUD)[:, None, None] * (1 + 0.12 * fractal(shape, draw, 1.5, 30))
    seen = dimmed * (1 - thickness) + white * thickness
    air = np.array(_HAZE)[:, None, None] * (
        sky.haze * (1 + 0.3 * fractal(shape, draw, 2.2, 120)) + draw.normal(0, 0.002)
    )
    seen = seen * (1 + draw.normal(0, 0.025, (4, 1, 1))) + air
    # Half a pixel of blur belongs to the instrument, a third of a pixel of offset to the date.
    offset = draw.normal(0, 0.15, 2)
    blurred = (ndimage.gaussian_filter(band, 0.55) for band in seen)
    seen = np.stack([ndimage.shift(b, offset, order=1, mode="nearest") for b in blurred])
    seen += draw.normal(0, 1, seen.shape) * (0.0008 + 0.008 * seen)
    return seen.astype(np.float32), _classify(
        seen, thickness, shade, light, draw, snow
    )  # fmt: skip


def _light(gradient: FloatArray, sun: Sun) -> FloatArray:
    """Return what relief does to brightness; processors take out about half of it."""
    east, north = direction(sun.azimuth)
    steep = np.tan(math.radians(90 - sun.elevation))
    cosine = 1 - steep * (gradient[0] * east + gradient[1] * north)
    cosine = cosine / np.sqrt(1 + (gradient**2).sum(axis=0))
    light: FloatArray = np.clip(1 + 0.5 * (cosine - 1), 0.45, 1.5).astype(np.float32)
    return light


def _clouds(
    grid: Grid, sky: Sky, to_sun: tuple[float, ...], draw: np.random.Generator
) -> FloatArray:
    """Return how much of the ground clouds hide, float32 (y, x), 0 to 1.

    Args:
        grid: where.
        sky: how many, and where not.
        to_sun: east and north from a shadow to its cloud, metres.
        draw: random numbers.
    """
    field = fractal(grid.shape, draw, 1.9, 70)
    if sky.cloud <= 0:
        return np.zeros(grid.shape, dtype=np.float32)
    rows, columns = np.indices(grid.shape)
    for spot in sky.spots:
        # What throws its shadow on a free place must be free as well.
        for times in (0,) if spot.cloudy else (0, 1):
            place = spot.east + times * to_sun[0], spot.north + times * to_sun[1]
            column, row = ~grid.transform @ place
            far = np.hypot(rows - row, columns - column) * grid.transform.a / spot.radius_m
            field += (5 if spot.cloudy else -5) * np.exp(-(far**2))
    level = np.quantile(field, 1 - min(sky.cloud, 1))
    hidden: FloatArray = special.expit(7 * (field - level)).astype(np.float32)
    return hidden


def _classify(
    seen: FloatArray, thickness: FloatArray, shade: FloatArray, light: FloatArray,
    draw: np.random.Generator, snow: FloatArray | None,
) -> NDArray[np.uint8]:  # fmt: skip
    """Classify at twice the pixel size, with the mistakes such maps have."""
    blue, _, red, nir, cloud, dim, lit = (
        _halved(layer) for layer in (*seen, thickness, shade, light)
    )
    ndvi = (nir - red) / np.maximum(nir + red, 1e-3)
    scl = np.where(ndvi > 0.32, _PLANT, np.where(ndvi > 0.26, _UNSURE, _BARE)).astype(np.uint8)
    scl[(nir < 0.05) & (ndvi < 0.1)] = _WATER
    scl[(lit < 0.55) & (nir < 0.13)] = _DARK
    scl[(dim > 0.4) & (nir < 0.22)] = _SHADOW
    if snow is not None:
        scl[(_halved(snow) > 0.4) & (dim < 0.4)] = _WHITE
    scl[cloud > 0.12] = _CIRRUS
    scl[cloud > 0.3] = _THIN
    scl[cloud > 0.7] = _THICK
    # Bright bare ground passes for thin cloud here and there; a few pixels are anything.
    bright = (cloud < 0.05) & (blue > 0.14) & (scl != _WHITE)
    scl[bright & (draw.random(scl.shape) < 0.05)] = _THIN
    scl[draw.random(scl.shape) < 0.002] = _UNSURE
    return scl


def _halved(layer: FloatArray) -> FloatArray:
    """Average two by two; an odd last row or column counts twice."""
    height, width = layer.shape
    even = np.pad(layer, ((0, height % 2), (0, width % 2)), mode="edge")
    halved: FloatArray = even.reshape(-(-height // 2), 2, -(-width // 2), 2).mean(axis=(1, 3))
    return halved
