"""Outlines as rings that hold everything they stand for, with few corners and no holes. Pure.

CAP and GeoRSS know no holes and are read by telephones: what is left out of a simplified outline is
ground somebody is not warned of, so rings only ever grow.
"""

from __future__ import annotations

import math

import numpy as np
from shapely import MultiPoint, MultiPolygon, Polygon, affinity, force_2d, make_valid, unary_union
from shapely.geometry.base import BaseGeometry

#: One ring of (lon, lat) in degrees, closed; longitude first, as everywhere but in CAP and GeoRSS.
Ring = tuple[tuple[float, float], ...]
#: Corners of all rings together, and rings, at most.
MOST_CORNERS, MOST_RINGS = 120, 12
#: Decimals of a degree, 0.1 m or less.
_DECIMALS = 6
_METRES_A_DEGREE = 111_320.0
#: How far rings may grow, metres: half a pixel of Sentinel-2 first.
_STEPS_M = (5, 10, 20, 40, 80, 160, 320, 640, 1280)
#: Of the growth, what simplifying may take back; the rest outweighs rounding and bent arcs.
_TAKEN_BACK = 0.8


def outer_rings(geometry: BaseGeometry) -> tuple[Ring, ...]:
    """Return closed rings that hold a geometry, largest first.

    Grown by 5 m and simplified by less; where that leaves more than ``MOST_CORNERS`` corners or
    ``MOST_RINGS`` rings, by more, and in the end their common hull. Holes are filled.

    Args:
        geometry: EPSG:4326, lon/lat; the parts that are no areas are left out.

    Returns:
        Rings, counter-clockwise; none for a geometry without area.
    """
    parts = [
        Polygon(part.exterior)
        for part in _polygons(make_valid(force_2d(geometry)))
        if np.isfinite(part.exterior.coords).all()
    ]
    if not parts:
        return ()
    whole = unary_union(parts)
    # Metres both ways: a degree of longitude is shorter than one of latitude.
    _, south, _, north = whole.bounds
    squeeze = max(math.cos(math.radians(max(abs(south), abs(north)))), 1e-3)
    metres = affinity.scale(whole, squeeze * _METRES_A_DEGREE, _METRES_A_DEGREE, origin=(0, 0))
    for step in _STEPS_M:
        grown = _filled(metres.buffer(step, quad_segs=4).simplify(_TAKEN_BACK * step))
        corners = sum(len(part.exterior.coords) for part in grown)
        if corners <= MOST_CORNERS and len(grown) <= MOST_RINGS:
            break
    else:
        hull = metres.convex_hull.buffer(_STEPS_M[-1], quad_segs=4)
        grown = _polygons(hull.simplify(_TAKEN_BACK * _STEPS_M[-1]))
    grown.sort(key=lambda part: part.area, reverse=True)
    rings = (_degrees(part, squeeze) for part in grown)
    return tuple(ring for ring in rings if len(ring) >= 4)


def lat_lon(ring: Ring) -> list[tuple[str, str]]:
    """Return the corners of a ring as texts, latitude first, as CAP and GeoRSS want them."""
    return [(f"{lat:.{_DECIMALS}f}", f"{lon:.{_DECIMALS}f}") for lon, lat in ring]


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    found = [geometry] if isinstance(geometry, Polygon) else getattr(geometry, "geoms", [])
    return [
        part
        for one in found
        for part in (one.geoms if isinstance(one, MultiPolygon) else [one])
        if isinstance(part, Polygon) and not part.is_empty and part.area > 0
    ]


def _filled(geometry: BaseGeometry) -> list[Polygon]:
    """Return the parts without holes; what lay in a hole is part of what surrounds it."""
    return _polygons(unary_union([Polygon(part.exterior) for part in _polygons(geometry)]))


def _degrees(part: Polygon, squeeze: float) -> Ring:
    """Return a ring's corners in degrees, counter-clockwise, within the bounds of the map."""
    corners = np.asarray(part.exterior.normalize().coords)
    if not part.exterior.normalize().is_ccw:
        corners = corners[::-1]
    lon = np.clip(corners[:, 0] / (squeeze * _METRES_A_DEGREE), -180, 180).round(_DECIMALS)
    lat = np.clip(corners[:, 1] / _METRES_A_DEGREE, -90, 90).round(_DECIMALS)
    ring = [(float(x), float(y)) for x, y in zip(lon, lat, strict=True)]
    kept = [one for at, one in enumerate(ring) if at == 0 or one != ring[at - 1]]
    if len(kept) < 4 or Polygon(kept).is_valid:
        return tuple(kept)
    # Rounded onto each other, or cut off at the edge of the map.
    hull = MultiPoint(kept).convex_hull
    return tuple(hull.exterior.coords) if isinstance(hull, Polygon) else ()
