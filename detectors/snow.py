"""Wet snow: above which elevation a look shows it.

Wet snow absorbs: it darkens every polarisation and hides what lies under it (Nagler & Rott 2000,
IEEE TGRS 38, 754, map it from 3 dB under a dry reference; Nagler et al. 2016, Remote Sensing 8,
348, from 2 dB), and it lies above an elevation. A look is held against the dry level of bands of
elevation, and that against the lowest ground of the same look, so that neither rain nor a dry spell
over the whole scene counts. The dry level is a high quantile over all looks: a stack full of snow
does not pass for normal, and ground that thaws does not seem to brighten.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.radiometry import Power, to_db
from detectors.types import BoolArray, FloatArray

#: Height of a band, metres.
BAND_M = 50.0
#: Fewest pixels that speak for a band.
ENOUGH_PIXELS = 200
#: Share of the ground, the lowest, that the bands above are held against.
LOWEST_SHARE = 0.25
#: Quantile over the looks that is taken for dry.
DRY_QUANTILE = 0.75
#: Loss of all bands above a line, in every polarisation, that is called snow, dB.
SNOW_DB = -1.5
#: Loss of a band down to which the line reaches, dB, and how far below that its ragged edge goes,
#: metres.
EDGE_DB = -0.5
EDGE_M = 100.0


def snow_lines(looks: FloatArray, elevation: FloatArray) -> list[float | None]:
    """Find for each look the elevation from which up it shows wet snow.

    Snow over the whole ground is none of this: it moves the scene (``conditions``).

    Args:
        looks: (look, polarisation, y, x), linear gamma0, NaN = not observed.
        elevation: (y, x), metres, NaN = not known.

    Returns:
        Metres, None for no line, look by look.
    """
    bands, weights, edges = _bands(looks, elevation)
    if len(edges) < 3:
        return [None] * len(looks)
    decibel = to_db(Power(looks))
    levels = np.full((len(looks), len(edges), looks.shape[1]), np.nan)
    for number in range(len(edges)):
        inside = decibel[:, :, bands == number]
        shown = np.isfinite(inside).all(axis=1).sum(axis=1) >= ENOUGH_PIXELS
        if shown.any():
            levels[shown, number] = np.nanmedian(inside[shown], axis=2)
    dry = np.nanquantile(levels, DRY_QUANTILE, axis=0)
    lowest = np.flatnonzero(np.cumsum(weights) <= LOWEST_SHARE * weights.sum())
    lowest = lowest if lowest.size else np.array([0])
    return [_line(look - dry, lowest, edges) for look in levels]


def under_snow(elevation: FloatArray, line_m: float | None) -> BoolArray:
    """Return the (y, x) pixels above a snow line; none where there is no line."""
    with np.errstate(invalid="ignore"):
        above: BoolArray = elevation >= (np.inf if line_m is None else line_m)
    return above


def _bands(
    looks: FloatArray, elevation: FloatArray
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Cut the ground that looks show into bands.

    Returns:
        (y, x) number of the band, -1 = none; pixels of each band; its lower edge, metres.
    """
    known = np.isfinite(elevation) & np.isfinite(looks).all(axis=1).any(axis=0)
    steps = np.full(elevation.shape, -1, dtype=np.int64)
    if not known.any():
        return steps, np.empty(0, np.int64), np.empty(0)
    first = np.floor(elevation[known].min() / BAND_M)
    steps[known] = (np.floor(elevation[known] / BAND_M) - first).astype(np.int64)
    counts = np.bincount(steps[known])
    # What is too small to speak goes with the band below it, or the first above.
    number = np.maximum(np.cumsum(counts >= ENOUGH_PIXELS) - 1, 0)
    steps[known] = number[steps[known]]
    enough = np.flatnonzero(counts >= ENOUGH_PIXELS)
    return steps, np.bincount(steps[known]), (first + enough) * BAND_M


def _line(
    change: NDArray[np.float64], lowest: NDArray[np.int64], edges: NDArray[np.float64]
) -> float | None:
    """Return the line of one look from its change against dry, (band, polarisation), dB."""
    seen = np.isfinite(change).all(axis=1)
    if not seen[lowest].any():
        return None
    weakest = (change - np.nanmedian(change[lowest], axis=0)).max(axis=1)
    # A band that the look does not show says nothing against its neighbours.
    dark = ~seen | (weakest <= SNOW_DB)
    clear = np.flatnonzero(~dark)
    start = int(clear[-1]) + 1
    if start >= len(edges) or not seen[start:].any():
        return None
    while start > 0 and (not seen[start - 1] or weakest[start - 1] <= EDGE_DB):
        start -= 1
    return float(edges[start]) - EDGE_M
