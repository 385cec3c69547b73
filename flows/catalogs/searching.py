"""What all catalogues share: time windows, duplicates, and turning features into records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from shapely.geometry.base import BaseGeometry
from shapely.prepared import prep

from detectors.errors import UnusableItem
from detectors.types import Acquisition, require_utc
from flows.catalogs.base import Refused
from flows.catalogs.items import to_acquisition


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
    features: Iterable[object], source: str, geometry: BaseGeometry, seen_at: datetime
) -> Iterator[Acquisition | Refused]:
    """Turn raw features into records: each id once, one bad feature never stops the rest.

    Args:
        features: whatever the catalogue listed as items.
        source: ``catalogue/collection``.
        geometry: looks that do not touch it are dropped; some servers search by bounding box.
        seen_at: clock of the poll, UTC.
    """
    area = prep(geometry)
    seen: set[str] = set()
    for feature in features:
        name = _name(feature)
        if name in seen:
            continue
        seen.add(name)
        if not isinstance(feature, Mapping):
            yield Refused(name, "not a STAC item")
            continue
        try:
            acquisition = to_acquisition(feature, source, seen_at)
        except UnusableItem as error:
            yield Refused(name, str(error))
            continue
        if area.intersects(acquisition.footprint):
            yield acquisition


def _name(feature: object) -> str:
    told = feature.get("id") if isinstance(feature, Mapping) else None
    if isinstance(told, str) and told:
        return told
    content = json.dumps(feature, sort_keys=True, default=str).encode()
    return f"unnamed-{hashlib.sha256(content).hexdigest()[:12]}"
