"""What an elevation model looks like from one direction, however large it is.

Worked through in blocks with a margin as wide as the highest mountain could throw its shadow, so
that memory follows the block; the layers themselves and the elevation are in memory whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors import look_geometry, terrain
from detectors.look_geometry import Viewing
from detectors.types import FloatArray
from flows.elevation import Elevation

#: Side of a block without its margin, and the widest margin, pixels.
BLOCK, WIDEST = 512, 1_024
#: No flag, in the masks.
MISSING = 255


@dataclass(frozen=True, slots=True)
class Layers:
    """What an elevation model looks like from one direction."""

    slope: FloatArray
    """float32 (y, x), degrees, NaN = no data."""
    aspect: FloatArray
    """float32 (y, x), degrees clockwise from north, downhill, NaN = no data or flat."""
    local_incidence: FloatArray
    """float32 (y, x), degrees, NaN = no data."""
    layover: NDArray[np.uint8]
    """uint8 (y, x), 0, 1, 255 = no data."""
    shadow: NDArray[np.uint8]
    """uint8 (y, x), 0, 1, 255 = no data."""


def look_at(elevation: Elevation, viewing: Viewing) -> Layers:
    """Return the layers, worked out block by block.

    Args:
        elevation: of square pixels.
        viewing: one incidence angle for the whole of it.
    """
    metres, pixel_m = elevation.metres, math.sqrt(elevation.grid.pixel_area_m2)
    shape = metres.shape
    angles = [np.full(shape, np.nan, dtype=np.float32) for _ in range(3)]
    masks = [np.full(shape, MISSING, dtype=np.uint8) for _ in range(2)]
    layers = Layers(angles[0], angles[1], angles[2], masks[0], masks[1])
    known = np.isfinite(metres)
    for around, inside, core in _blocks(shape, _margin(metres, pixel_m, viewing)):
        ground = metres[around]
        layers.slope[core] = terrain.slope(ground, pixel_m)[inside]
        layers.aspect[core] = terrain.aspect(ground, pixel_m)[inside]
        local = look_geometry.local_incidence(ground, pixel_m, viewing)
        layers.local_incidence[core] = local[inside]
        layers.layover[core] = look_geometry.layover(ground, pixel_m, viewing)[inside]
        layers.shadow[core] = look_geometry.radar_shadow(ground, pixel_m, viewing)[inside]
    for mask in (layers.layover, layers.shadow):
        mask[~known] = MISSING
    return layers


def _margin(metres: FloatArray, pixel_m: float, viewing: Viewing) -> int:
    """Return how far the highest ground could reach over the lowest, pixels."""
    tangent = math.tan(math.radians(float(np.mean(viewing.incidence))))
    relief = float(np.nanmax(metres) - np.nanmin(metres))
    return min(WIDEST, math.ceil(relief * max(tangent, 1 / tangent) / pixel_m) + 3)


def _blocks(
    shape: tuple[int, ...], margin: int
) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice], tuple[slice, slice]]]:
    """Yield block with margin, its core within that, and its core within the whole."""
    for top in range(0, shape[0], BLOCK):
        for left in range(0, shape[1], BLOCK):
            around, inside, core = zip(
                *(
                    _spans(start, length, margin)
                    for start, length in zip((top, left), shape, strict=True)
                ),
                strict=True,
            )
            yield around, inside, core


def _spans(start: int, length: int, margin: int) -> tuple[slice, slice, slice]:
    end = min(start + BLOCK, length)
    first, last = max(0, start - margin), min(length, end + margin)
    return slice(first, last), slice(start - first, end - first), slice(start, end)
