"""What all catalogues share: time windows, duplicates, and turning features into records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from shapely.geometry.base import BaseGeometry
from shapely.prepared import prep

from detectors.errors import UnusableItem
from detectors.types import require_utc
from flows.catalogs.base import Found, Refused
from flows.catalogs.footprints import read_footprint
from flows.catalogs.items import scene_name, to_acquisition
from flows.catalogs.properties import is_text, printable


def windows(
    start: datetime, end: datetime, longest: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """Cut a span into windows; neighbours share their border, so that nothing falls between."""
    start, end = require_utc(start, "start"), require_utc(end, "end")
    while start < end:
        stop = min(start + longest, end)
        yield start, stop
        start = stop


def iso(moment: datetime) -> str:
    """Return a UTC time with microseconds and a Z; catalogues disagree about offsets."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def records(
    features: Iterable[object],
    source: str,
    geometry: BaseGeometry,
    seen_at: datetime,
    *,
    from_storage: bool = False,
) -> Iterator[Found]:
    """Turn raw features into records: each id once, one bad feature never stops the rest.

    Args:
        features: whatever the catalogue listed as items.
        source: ``catalogue/collection``.
        geometry: looks that do not touch it are dropped; some servers search by bounding box.
        seen_at: clock of the poll, UTC.
        from_storage: the catalogue reads object storage (``s3:``) where an item offers it.
    """
    area = prep(geometry)
    seen: set[str] = set()
    for feature in features:
        name = name_of(feature)
        if name in seen:
            continue
        seen.add(name)
        if not isinstance(feature, Mapping):
            yield Found(name, Refused(name, "not a STAC item"))
            continue
        try:
            acquisition = to_acquisition(feature, source, seen_at, from_storage=from_storage)
        except UnusableItem as error:
            place = place_of(feature)
            if place is None or area.intersects(place):
                yield Found(name, Refused(name, printable(str(error)), place))
            continue
        if area.intersects(acquisition.footprint):
            yield Found(scene_name(feature, acquisition), acquisition)


def name_of(feature: object) -> str:
    """Return the id of a feature, or a made-up one that the same feature always gets."""
    told = feature.get("id") if isinstance(feature, Mapping) else None
    if isinstance(told, str) and told and is_text(told):
        return told
    content = json.dumps(feature, sort_keys=True, default=str).encode()
    return f"unnamed-{hashlib.sha256(content).hexdigest()[:12]}"


def place_of(feature: Mapping[str, object]) -> BaseGeometry | None:
    """Return where an item is that cannot be used, None where that cannot be read."""
    try:
        return read_footprint(feature.get("geometry"))
    except UnusableItem:
        return None
