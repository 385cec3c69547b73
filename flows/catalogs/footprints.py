"""Footprints in lon/lat, cut at the antimeridian where they cross it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely
from affine import Affine
from pyproj import Transformer
from shapely.affinity import translate
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, box, shape
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from detectors.errors import UnusableItem

_POINTS_PER_SIDE = 5
_DECIMALS = 6
_WORLD = box(-180, -90, 180, 90)


def raster_footprint(epsg: int, transform: Affine, size: tuple[int, int]) -> Polygon | MultiPolygon:
    """Return the outline of a raster, EPSG:4326, lon/lat, each side with a few points.

    A raster across 180 degrees comes back as a MultiPolygon with one part on each side.
    """
    height, width = size
    steps = np.linspace(0.0, 1.0, _POINTS_PER_SIDE)[:-1]
    columns = np.concatenate([steps, np.ones_like(steps), 1 - steps, np.zeros_like(steps)]) * width
    rows = np.concatenate([np.zeros_like(steps), steps, np.ones_like(steps), 1 - steps]) * height
    xs = transform.c + columns * transform.a
    ys = transform.f + rows * transform.e
    lons, lats = Transformer.from_crs(epsg, 4326, always_xy=True).transform(xs, ys)
    ring = np.round(np.column_stack([lons, lats]), _DECIMALS)
    return _one_or_many(_wrapped(Polygon(ring)))


def read_footprint(geometry: Any) -> Polygon | MultiPolygon:
    """Return the footprint of a STAC item: valid, lon/lat, Polygon or MultiPolygon.

    Self-crossing rings are mended. Rings that jump across the antimeridian, or run past it, are
    cut there.

    Raises:
        UnusableItem: no geometry, no area, or coordinates that are not lon/lat.
    """
    if not isinstance(geometry, Mapping):
        raise UnusableItem("no geometry")
    try:
        found = shape(geometry)
        bounds = (0.0, 0.0, 0.0, 0.0) if found.is_empty else found.bounds
        numbers = bool(np.isfinite(shapely.get_coordinates(found)).all())
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ShapelyError) as error:
        raise UnusableItem(f"geometry cannot be read: {error}") from error
    west, south, east, north = bounds
    if not (-360 <= west <= east <= 360 and -90 <= south <= north <= 90):
        raise UnusableItem(f"geometry is not lon/lat: {west:g} {south:g} {east:g} {north:g}")
    if not numbers:  # bounds pass over them
        raise UnusableItem("geometry holds what is no number")
    parts = [part for whole in _polygons(found) for part in _wrapped(whole)]
    if not parts:
        raise UnusableItem(f"geometry has no area ({found.geom_type})")
    return _one_or_many(parts)


def _wrapped(polygon: Polygon) -> list[Polygon]:
    """Bring a polygon between -180 and 180 degrees, in as many parts as that takes."""
    ring = np.array(polygon.exterior.coords)[:, :2]
    # Neighbouring points more than half the globe apart: the ring crosses the antimeridian.
    if np.abs(np.diff(ring[:, 0])).max(initial=0) > 180:
        ring[ring[:, 0] < 0, 0] += 360
        polygon = Polygon(ring)
    if not polygon.is_valid:
        polygon = shapely.make_valid(polygon)
    turns = (translate(polygon, xoff=turn) for turn in (-360, 0, 360))
    parts = [part for turn in turns for part in _polygons(turn.intersection(_WORLD))]
    # GeoJSON wants exterior rings counter-clockwise.
    return [orient(part, 1.0) for part in parts if part.area > 0]


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    parts = getattr(geometry, "geoms", [geometry])
    return [part for part in parts if isinstance(part, Polygon) and not part.is_empty]


def _one_or_many(parts: list[Polygon]) -> Polygon | MultiPolygon:
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)
