"""Shape of the ground, from elevation on a north-up grid.

Every function takes ``elevation``, float (y, x) in metres, NaN = no data, row 0 in the north, and
``pixel_m``, the side of a square pixel in metres. Angles are in degrees, azimuths clockwise from
grid north. Windows are squares of ``pixels`` on a side (even ones reach one pixel further up and
left), cut off at the border and around missing ground; a pixel without elevation gives NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.types import FloatArray

#: Ground less steep than this has no direction to fall in, degrees: float noise of a flat DEM.
FLAT = 0.01


def gradient(elevation: FloatArray, pixel_m: float) -> tuple[FloatArray, FloatArray]:
    """Return the rise to the east and to the north, metres per metre.

    Horn's (1981, Proc. IEEE 69, 14-47) weights 1-2-1 over central differences, as in ``gdaldem``;
    at the border and beside missing ground what is left of them, so that a plane is exact
    everywhere.

    Returns:
        Two float32 (y, x), NaN where the pixel is missing or has no neighbour on an axis.
    """
    north_up = elevation[::-1]
    east = _horn(elevation)
    north = _horn(north_up.T).T[::-1]
    missing = ~np.isfinite(elevation)
    for rise in (east, north):
        rise[missing] = np.nan
    return (east / pixel_m).astype(np.float32), (north / pixel_m).astype(np.float32)


def _horn(elevation: FloatArray) -> NDArray[np.float64]:
    """Rise from one column to the next, smoothed 1-2-1 over the rows that have it."""
    padded = np.pad(elevation.astype(np.float64), ((0, 0), (1, 1)), constant_values=np.nan)
    left, here, right = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
    rise = np.where(np.isfinite(left), (right - left) / 2, right - here)
    rise = np.where(np.isfinite(right), rise, here - left)
    known = np.isfinite(rise)
    weights = np.array([1.0, 2.0, 1.0])
    total = ndimage.correlate1d(np.where(known, rise, 0.0), weights, axis=0, mode="constant")
    weight = ndimage.correlate1d(known.astype(np.float64), weights, axis=0, mode="constant")
    smooth: NDArray[np.float64] = np.divide(
        total, weight, out=np.full(total.shape, np.nan), where=weight > 0
    )
    return smooth


def slope(elevation: FloatArray, pixel_m: float) -> FloatArray:
    """Return how steep the ground is, degrees from 0 (flat) to under 90, float32 (y, x)."""
    east, north = gradient(elevation, pixel_m)
    steep: FloatArray = np.degrees(np.arctan(np.hypot(east, north)))
    return steep


def slope_sum(elevation: FloatArray, pixel_m: float, pixels: int) -> FloatArray:
    """Return the sum of slopes in the window, degrees, float32 (y, x).

    Where the window is cut off, the mean of what is left stands for the rest.
    """
    steep = slope(elevation, pixel_m)
    count, mean, _ = _moments(steep, pixels)
    finite = steep[np.isfinite(steep)]
    middle = float(finite.mean(dtype=np.float64)) if finite.size else 0.0
    total = np.where(np.isfinite(steep) & (count > 0), (mean + middle) * pixels**2, np.nan)
    added: FloatArray = total.astype(np.float32)
    return added


def aspect(elevation: FloatArray, pixel_m: float) -> FloatArray:
    """Return the direction the ground falls in, degrees from 0 to under 360, clockwise from north.

    Returns:
        float32 (y, x), NaN where flat (under ``FLAT`` degrees).
    """
    east, north = gradient(elevation, pixel_m)
    downhill = np.degrees(np.arctan2(-east, -north)) % 360
    # A tiny negative angle rounds up to 360 in float32.
    downhill[downhill == 360] = 0
    with np.errstate(invalid="ignore"):
        downhill[np.hypot(east, north) < np.tan(np.radians(FLAT))] = np.nan
    facing: FloatArray = downhill.astype(np.float32)
    return facing


def hillshade(
    elevation: FloatArray, pixel_m: float, azimuth: float = 315.0, altitude: float = 45.0
) -> FloatArray:
    """Return the share of light a matt ground sends back, 0 (turned away) to 1 (facing the light).

    Args:
        elevation: see module.
        pixel_m: see module.
        azimuth: where the light comes from, degrees clockwise from north.
        altitude: of the light above the horizon, degrees.

    Returns:
        float32 (y, x); cast shadows are not drawn.
    """
    east, north = gradient(elevation, pixel_m)
    towards, up = np.radians(azimuth), np.radians(altitude)
    facing = np.sin(up) - np.cos(up) * (east * np.sin(towards) + north * np.cos(towards))
    light: FloatArray = np.clip(facing / np.sqrt(1 + east**2 + north**2), 0, 1).astype(np.float32)
    return light


def topographic_position(elevation: FloatArray, pixels: int) -> FloatArray:
    """Return height above the mean of the other pixels of the window (TPI, Weiss 2001), metres.

    Returns:
        float32 (y, x): positive on ridges, negative in valleys, 0 on planes away from the border;
        NaN also where the window holds no other pixel.
    """
    count, mean, _ = _moments(elevation, pixels)
    centred = _centred(elevation)
    others = np.divide(
        count * mean - centred, count - 1, out=np.full(count.shape, np.nan), where=count > 1
    )
    position: FloatArray = (centred - others).astype(np.float32)
    return position


def roughness(elevation: FloatArray, pixels: int) -> FloatArray:
    """Return the standard deviation of elevation in the window, metres, float32 (y, x)."""
    _, mean, square = _moments(elevation, pixels)
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    spread[~np.isfinite(elevation)] = np.nan
    rough: FloatArray = spread.astype(np.float32)
    return rough


def relative_relief(elevation: FloatArray, pixels: int) -> FloatArray:
    """Return highest minus lowest elevation in the window, metres, float32 (y, x)."""
    relief: FloatArray = _highest(elevation, pixels) - _lowest(elevation, pixels)
    relief[~np.isfinite(elevation)] = np.nan
    return relief.astype(np.float32)


def valley_depth(elevation: FloatArray, pixels: int) -> FloatArray:
    """Return how far the ground lies under its ridges, metres, float32 (y, x), 0 or more.

    The ridge level is the morphological closing by the window: the ground with every valley
    narrower than the window filled, so this is the black top-hat of the terrain. (SAGA's index of
    the same name interpolates between ridge lines instead; both are 0 on ridges.)
    """
    ridges = _lowest(_highest(elevation, pixels), pixels, mirrored=True)
    depth: FloatArray = np.maximum(ridges - elevation, 0).astype(np.float32)
    return depth


def _highest(elevation: FloatArray, pixels: int) -> FloatArray:
    filled = np.where(np.isfinite(elevation), elevation, -np.inf)
    highest: FloatArray = ndimage.maximum_filter(filled, pixels, mode="constant", cval=-np.inf)
    return highest


def _lowest(elevation: FloatArray, pixels: int, *, mirrored: bool = False) -> FloatArray:
    """Lowest of the window; ``mirrored`` turns an even window round, as a closing needs it."""
    filled = np.where(np.isfinite(elevation), elevation, np.inf)
    origin = -1 if mirrored and pixels % 2 == 0 else 0
    lowest: FloatArray = ndimage.minimum_filter(
        filled, pixels, mode="constant", cval=np.inf, origin=origin
    )
    return lowest


def _centred(elevation: FloatArray) -> NDArray[np.float64]:
    """Elevation from its middle, so that sums of squares keep their digits."""
    finite = elevation[np.isfinite(elevation)]
    middle = float(finite.mean(dtype=np.float64)) if finite.size else 0.0
    return elevation.astype(np.float64) - middle


def _moments(
    elevation: FloatArray, pixels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Known pixels of each window, mean and mean square of their centred elevation."""
    centred = _centred(elevation)
    known = np.isfinite(centred)
    filled = np.where(known, centred, 0.0)

    def share(values: NDArray[np.float64]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = ndimage.uniform_filter(values, pixels, mode="constant")
        return mean

    weight = share(known.astype(np.float64))
    none = np.full(weight.shape, np.nan)
    mean = np.divide(share(filled), weight, out=none.copy(), where=weight > 1e-9)
    square = np.divide(share(filled**2), weight, out=none, where=weight > 1e-9)
    return np.rint(weight * pixels**2), mean, square
