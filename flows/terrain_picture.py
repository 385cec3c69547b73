"""A picture of an elevation model and of what a radar sees of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from alerts.panels import as_png, draw_compass, draw_map, draw_scale, sheet
from detectors import terrain
from detectors.look_geometry import Viewing
from detectors.types import FloatArray, OrbitState
from flows.elevation import Elevation
from flows.terrain_layers import Layers

#: More pixels than this on a side are thinned out: the sheet has no room for them.
_MOST = 1_000
_LAYOVER, _SHADOW = (0.85, 0.15, 0.10), (0.10, 0.25, 0.85)


def draw_terrain(
    elevation: Elevation, layers: Layers, orbit_state: OrbitState, viewing: Viewing
) -> bytes:
    """Return a PNG: elevation, slope, local incidence, and what cannot be seen.

    Args:
        elevation: the heights.
        layers: what was made of them.
        orbit_state: flight direction.
        viewing: from where it was seen, one incidence angle.
    """
    grid = elevation.grid
    thin = math.ceil(max(grid.shape) / _MOST)
    few = np.s_[::thin, ::thin]
    metres = elevation.metres[few]
    shade = terrain.hillshade(elevation.metres, grid.transform.a)[few]
    known = np.isfinite(elevation.metres)
    laid_over, dark = ((mask == 1)[known].mean() for mask in (layers.layover, layers.shadow))
    figure, places = sheet(
        f"Seen from the sensor: {elevation.source}",
        f"Sentinel-1 {orbit_state.value}, looking towards {viewing.azimuth:.0f} degrees, incidence "
        f"{float(np.mean(viewing.incidence)):g} degrees\n"
        f"layover {laid_over:.1%}, shadow {dark:.1%} of the ground with heights",
        f"EPSG:{grid.epsg}, pixel {grid.transform.a:.4g} m; heights: {elevation.vertical}",
    )
    low, high = float(np.nanmin(metres)), float(np.nanmax(metres))
    panels = (
        ("Elevation", f"{low:,.0f} to {high:,.0f} m",
         _tinted(metres, shade, "terrain", low, high)),
        ("Slope", "0 (white) to 60 degrees (dark)",
         _tinted(layers.slope[few], None, "YlOrBr", 0, 60)),
        ("Local incidence", "0 (bright, facing the sensor) to 90 degrees (dark)",
         _tinted(layers.local_incidence[few], None, "gray_r", 0, 90)),
        ("Not seen", "red: layover, blue: shadow, violet: both",
         _flagged(shade, layers.layover[few], layers.shadow[few])),
    )  # fmt: skip
    for number, (title, below, picture) in enumerate(panels):
        axes = draw_map(
            figure, places[number // 2, number % 2], grid.bounds, picture, (title, below)
        )
        if number == 0:
            draw_scale(axes)
            draw_compass(axes, look=viewing.azimuth)
    return as_png(figure)


def _tinted(
    values: FloatArray, shade: FloatArray | None, colours: str, low: float, high: float
) -> FloatArray:
    """Return colours (y, x, 3), white where there is no value."""
    from matplotlib import colormaps

    scaled = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1)
    picture = colormaps[colours](np.nan_to_num(scaled))[..., :3]
    if shade is not None:
        picture = picture * (0.35 + 0.65 * np.nan_to_num(shade)[..., None])
    picture[~np.isfinite(values)] = 1.0
    drawn: FloatArray = picture.astype(np.float32)
    return drawn


def _flagged(
    shade: FloatArray, layover: NDArray[np.uint8], shadow: NDArray[np.uint8]
) -> FloatArray:
    """Return the hillshade with what is not seen in colours, (y, x, 3)."""
    picture = np.repeat(np.nan_to_num(shade, nan=1.0)[..., None], 3, axis=2).astype(np.float32)
    for flag, colour in ((layover == 1, _LAYOVER), (shadow == 1, _SHADOW)):
        picture[flag] = 0.35 * picture[flag] + 0.65 * np.array(colour)
    return picture
