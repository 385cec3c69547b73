"""The ground inside an outline: height range, slope, aspect."""

from __future__ import annotations

import numpy as np
from affine import Affine
from rasterio import features
from shapely.geometry.base import BaseGeometry

from detectors.projections import to_projected
from detectors.terrain import FLAT, gradient
from detectors.types import FloatArray, Grid, Relief

#: Ground around an outline that slopes at its edge are computed from, pixels.
MARGIN = 2
#: Least share of an outline's pixels with heights; less would be some other ground.
KNOWN = 0.5


def grid_around(outline: BaseGeometry, pixel_m: float = 30.0) -> Grid:
    """Return a grid that holds an outline and a margin, in the UTM zone of its middle.

    Args:
        outline: EPSG:4326, lon/lat.
        pixel_m: side of a pixel, metres.
    """
    middle = outline.centroid
    longitude = (middle.x + 180.0) % 360.0
    epsg = (32600 if middle.y >= 0 else 32700) + min(int(longitude // 6) + 1, 60)
    west, south, east, north = to_projected(outline, epsg).bounds
    left = (np.floor(west / pixel_m) - MARGIN) * pixel_m
    top = (np.ceil(north / pixel_m) + MARGIN) * pixel_m
    width = int(np.ceil((east - left) / pixel_m)) + MARGIN
    height = int(np.ceil((top - south) / pixel_m)) + MARGIN
    return Grid(epsg, Affine(pixel_m, 0, left, 0, -pixel_m, top), height, width)


def relief(elevation: FloatArray, grid: Grid, outline: BaseGeometry) -> Relief | None:
    """Return what the ground inside an outline is like, None where too little of it is known.

    Args:
        elevation: float (y, x), metres, NaN = no data.
        grid: where its pixels are, square.
        outline: EPSG:4326, lon/lat; its pixels are those it touches.
    """
    inside = features.geometry_mask(
        [to_projected(outline, grid.epsg)], grid.shape, grid.transform,
        all_touched=True, invert=True,
    )  # fmt: skip
    east, north = gradient(elevation, abs(grid.transform.a))
    known = inside & np.isfinite(elevation) & np.isfinite(east) & np.isfinite(north)
    if known.sum() < KNOWN * max(int(inside.sum()), 1):
        return None
    rises = east[known].astype(np.float64), north[known].astype(np.float64)
    whole = float(rises[0].mean()), float(rises[1].mean())
    flat = np.hypot(*whole) < np.tan(np.radians(FLAT))
    heights = elevation[known]
    return Relief(
        elevation_min_m=float(heights.min()),
        elevation_max_m=float(heights.max()),
        slope_deg=float(np.degrees(np.arctan(np.hypot(*rises))).mean()),
        aspect_deg=None if flat else float(np.degrees(np.arctan2(-whole[0], -whole[1])) % 360.0),
    )
