"""Between lon/lat and projected metres: one function for each direction."""

from __future__ import annotations

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry


def to_lonlat(geometry: BaseGeometry, epsg: int) -> BaseGeometry:
    """Bring a geometry from a projected system to EPSG:4326, lon/lat.

    Across the antimeridian longitudes run on beyond 180, so that a patch there does not reach
    around the globe.
    """
    moved = _through(Transformer.from_crs(epsg, 4326, always_xy=True), geometry)
    west, _, east, _ = moved.bounds
    if east - west <= 180.0:
        return moved
    whole: BaseGeometry = shapely.transform(
        moved, lambda xy: np.column_stack([xy[:, 0] % 360.0, xy[:, 1]])
    )
    return whole


def to_projected(geometry: BaseGeometry, epsg: int) -> BaseGeometry:
    """Bring a geometry from EPSG:4326, lon/lat, to a projected system."""
    return _through(Transformer.from_crs(4326, epsg, always_xy=True), geometry)


def _through(transformer: Transformer, geometry: BaseGeometry) -> BaseGeometry:
    moved: BaseGeometry = shapely.transform(
        geometry, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
    )
    return moved
