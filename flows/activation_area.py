"""Where an emergency is: a bounding box, a file, or the name of a region that is watched."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import MultiPolygon, box, mapping

from db import queries
from db.engine import transaction
from detectors.errors import ConfigurationError, InvalidRegion
from detectors.types import WatchedRegion
from flows.maps import read_areas
from flows.regions import read_region, region_of, slug
from flows.services import Services

#: Where looks come from if nobody says: radar nearly everywhere, optical without an account.
SOURCES = ("opera-asf/OPERA_L2_RTC-S1_V1", "sentinel-2/sentinel-2-l2a")
_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_BOX = re.compile(rf"\s*{_NUMBER}(?:\s*,\s*{_NUMBER}){{3}}\s*")
#: Outlines that differ by less of their area are the same: files round coordinates.
_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Area:
    """Ground that somebody is worried about."""

    region: WatchedRegion
    """As it is, or is to be, watched."""
    known: bool
    """It is watched already."""


def area_of(
    services: Services, text: str, now: datetime, name: str | None, sources: tuple[str, ...]
) -> Area:
    """Return the region that is meant; nothing is stored.

    Args:
        services: knows what is watched.
        text: ``west,south,east,north`` in degrees, a vector file, or the id of a region.
        now: from when on it is watched, UTC, where it is not yet.
        name: what to call it; None: by the file, or by the box.
        sources: ``catalogue/collection``; empty: those of the file, else ``SOURCES``.

    Raises:
        ConfigurationError: it is none of these, or its name is that of other ground.
        InvalidRegion, InvalidMap: the file, or the box, is not one that can be watched.
    """
    with transaction(services.engine) as s:
        watched = {one.id: one for one in queries.list_regions(s)}
    if text in watched:
        return Area(watched[text], known=True)
    if _BOX.fullmatch(text):
        region = _of_box(text, now, name, sources)
    elif Path(text).is_file():
        region = _of_file(Path(text), now, name, sources)
    else:
        raise ConfigurationError(
            f"{text!r} is no file, no watched region ({', '.join(sorted(watched)) or 'none is'}), "
            "and no box like -119.9,34.4,-119.6,34.7 (west,south,east,north)"
        )
    known = watched.get(region.id)
    if known is None:
        return Area(region, known=False)
    other = shapely.symmetric_difference(known.geometry, region.geometry).area
    if other > _SAME * known.geometry.area:
        raise ConfigurationError(
            f"a region {region.id} is watched, and it is other ground; take another --name"
        )
    return Area(known, known=True)


def _of_box(
    text: str, now: datetime, name: str | None, sources: tuple[str, ...]
) -> WatchedRegion:  # fmt: skip
    west, south, east, north = (float(part) for part in text.split(","))
    if not (west < east and south < north):
        raise InvalidRegion(
            f"{text}: write west,south,east,north; at the 180th meridian draw two polygons"
        )
    own = f"area-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return _made(box(west, south, east, north), name or own, name or text.strip(), now, sources)


def _of_file(
    path: Path, now: datetime, name: str | None, sources: tuple[str, ...]
) -> WatchedRegion:  # fmt: skip
    if path.suffix.lower() in {".geojson", ".json"}:
        region = read_region(path, now, sources or SOURCES)
        region = replace(region, watch_from=now, sources=sources or region.sources)
        return replace(region, id=slug(name), name=name) if name else region
    parts = [part for area in read_areas(path) for part in area.geoms]
    whole = shapely.union_all(parts)
    return _made(whole, name or path.stem, name or path.stem, now, sources)


def _made(
    geometry: Any, stem: str, name: str, now: datetime, sources: tuple[str, ...]
) -> WatchedRegion:  # fmt: skip
    """Make a region with the checks that a file goes through."""
    whole = MultiPolygon([p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon"])
    feature = {"type": "Feature", "geometry": mapping(whole), "properties": {"name": name}}
    return region_of(feature, stem, now, sources or SOURCES)
