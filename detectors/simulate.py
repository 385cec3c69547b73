"""Landslides that never happened, written into real looks.

Everything made here is simulated and must say so wherever it can be seen. The physics is that of
SCIENCE section 3 (Ganerod, Article IV): on grass, shrub or bare ground a slide roughens the surface
and brightens it by several dB in both polarisations, unevenly; the speckle of the real look stays,
because the change multiplies the power.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from rasterio import features
from scipy import ndimage
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from detectors.radiometry import Decibel, to_power
from detectors.types import FloatArray, Grid


@dataclass(frozen=True, slots=True)
class Roughening:
    """How a simulated slide changes backscatter."""

    mean_db: float = 4.5
    """Mean rise of gamma0 inside, dB, both polarisations."""
    texture_db: float = 1.5
    """Standard deviation of the rise between pixels, dB: blocks, mud, remaining turf."""
    texture_pixels: float = 0.8
    """Correlation length of the texture, pixels."""
    seed: int = 20231015
    """The same slide has the same texture in every look."""


@dataclass(frozen=True, slots=True)
class CalmWater:
    """What calm water sends back in one polarisation."""

    level_db: float
    """Median gamma0, dB."""
    looks: float
    """Number of looks of its speckle next to the noise: mean squared over variance."""


#: Quartiles of 22 real looks of open sea (T137-292318-IW1), by polarisation.
CALM_WATER: Mapping[str, CalmWater] = {"VV": CalmWater(-19.0, 5.0), "VH": CalmWater(-28.5, 2.7)}


def slide_outline(
    head: tuple[float, float], downslope_degrees: float, area_m2: float, elongation: float = 2.2
) -> Polygon:
    """Draw a tongue: narrow scarp, widening deposit.

    Args:
        head: easting and northing of the scarp's crown, metres.
        downslope_degrees: direction of movement, clockwise from north.
        area_m2: area of the outline, m2.
        elongation: length over width before the tongue is tapered, which makes it 1.17 times as
            slender.

    Returns:
        Polygon in the coordinates of ``head``.
    """
    along = np.linspace(0.0, 1.0, 40)
    half_width = np.sin(np.pi * along**0.75) ** 0.7 * (0.75 + 0.25 * along) / (2 * elongation)
    unit = Polygon(
        [*zip(along, half_width, strict=True), *zip(along[::-1], -half_width[::-1], strict=True)]
    )
    scale = math.sqrt(area_m2 / unit.area)
    angle = math.radians(downslope_degrees)
    east, north = math.sin(angle), math.cos(angle)
    return Polygon(
        [
            (
                head[0] + scale * (x * east + y * north),
                head[1] + scale * (x * north - y * east),
            )
            for x, y in unit.exterior.coords
        ]
    )


def roughen(gamma0: FloatArray, grid: Grid, outline: BaseGeometry, how: Roughening) -> FloatArray:
    """Return the look as it would be, had the slope inside the outline failed before it.

    Args:
        gamma0: (y, x), linear power of one polarisation, NaN = no data.
        grid: where the pixels are.
        outline: in the grid's coordinates.
        how: strength and texture.

    Returns:
        (y, x), float32, linear power; unchanged outside the outline.
    """
    inside = features.geometry_mask(
        [outline], out_shape=grid.shape, transform=grid.transform, invert=True
    )
    if not inside.any():
        return gamma0
    noise = np.random.default_rng(how.seed).normal(size=grid.shape)
    texture = ndimage.gaussian_filter(noise, how.texture_pixels)
    texture = (texture - texture[inside].mean()) / max(float(texture[inside].std()), 1e-6)
    gain = np.where(inside, how.mean_db + how.texture_db * texture, 0.0).astype(np.float32)
    changed: FloatArray = gamma0 * to_power(Decibel(gain))
    return changed


def drown(
    gamma0: FloatArray, grid: Grid, outline: BaseGeometry, water: CalmWater, seed: int
) -> FloatArray:
    """Return the look as it would be, had the ground inside the outline drowned before it.

    Water replaces what was there, so that power is not multiplied.

    Args:
        gamma0: (y, x), linear power of one polarisation, NaN = no data.
        grid: where the pixels are.
        outline: in the grid's coordinates.
        water: what it sends back in that polarisation.
        seed: of its speckle, another one for each look.

    Returns:
        (y, x), float32, linear power; unchanged outside the outline.
    """
    inside = features.geometry_mask(
        [outline], out_shape=grid.shape, transform=grid.transform, invert=True
    )
    if not inside.any():
        return gamma0
    speckle = np.random.default_rng(seed).gamma(water.looks, 1.0 / water.looks, grid.shape)
    level = to_power(Decibel(np.array(water.level_db, dtype=np.float32)))
    changed: FloatArray = np.where(inside & np.isfinite(gamma0), level * speckle, gamma0).astype(
        np.float32
    )
    return changed
