"""Records as JSON documents: times ISO 8601 in UTC, numbers as numbers, geometry as GeoJSON."""

from __future__ import annotations

import dataclasses
import enum
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any

from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from alerts.wording import place
from db.records import AlertRecord, LookRecord, PollRecord, RegionSummary
from detectors.types import Detection, Landslide, OpticalCheck, WatchedRegion


def as_json(value: Any) -> Any:
    """Return a value, whatever records it holds, as what JSON knows."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case BaseGeometry():
            return mapping(value)
        case uuid.UUID() | PurePath():
            return str(value)
        case enum.Enum():
            return value.value
        case Mapping():
            return {str(key): as_json(one) for key, one in value.items()}
        case tuple() | list() | set() | frozenset():
            return [as_json(one) for one in value]
        case _ if dataclasses.is_dataclass(value):
            return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        case _:
            return value


def region_document(
    region: WatchedRegion, summary: RegionSummary | None, polls: Iterable[PollRecord], removed: bool
) -> dict[str, Any]:
    """Return a region with its polls and counts."""
    document: dict[str, Any] = as_json(region)
    document["poll_every_s"] = document.pop("poll_every")
    return document | {
        "removed": removed,
        "polls": [poll_document(poll) for poll in polls],
        **summary_document(summary),
    }


def summary_document(summary: RegionSummary | None) -> dict[str, Any]:
    """Return the counts of a region; everything zero where nothing is stored."""
    return {
        "looks": dict(summary.looks) if summary else {},
        "refused": summary.refused if summary else 0,
        "landslides": as_json(summary.landslides) if summary else {},
        "checks": dict(summary.checks) if summary else {},
        "alerts": summary.alerts if summary else 0,
        "deliveries": dict(summary.deliveries) if summary else {},
        "withheld": summary.withheld if summary else 0,
    }


def poll_document(poll: PollRecord) -> dict[str, Any]:
    """Return how far a source was read."""
    document: dict[str, Any] = as_json(poll)
    return document


def look_document(look: LookRecord) -> dict[str, Any]:
    """Return a look and what it looks at, without hrefs."""
    acquisition = look.acquisition
    document: dict[str, Any] = as_json(look)
    del document["acquisition"]
    seen = (
        "item_id",
        "source",
        "platform",
        "sensor",
        "track",
        "sensed_at",
        "published_at",
        "simulated",
    )
    return document | {name: as_json(getattr(acquisition, name)) for name in seen}


def landslide_document(landslide: Landslide) -> dict[str, Any]:
    """Return one version of a landslide with a point inside it, [lon, lat]."""
    document: dict[str, Any] = as_json(landslide)
    return document | {"point": as_json(place(landslide.geometry))}


def detection_document(detection: Detection) -> dict[str, Any]:
    """Return a detection and where it came from."""
    document: dict[str, Any] = as_json(detection)
    return {"id": str(detection.id)} | document


def check_document(check: OpticalCheck) -> dict[str, Any]:
    """Return what an optical look said of a landslide."""
    document: dict[str, Any] = as_json(check)
    return {"id": str(check.id)} | document


def alert_document(record: AlertRecord) -> dict[str, Any]:
    """Return an alert and what became of it; the landslide is named, not repeated."""
    alert = record.alert
    document: dict[str, Any] = as_json(
        {
            "id": alert.id,
            "kind": alert.kind,
            "exercise": alert.exercise,
            "simulated": alert.landslide.simulated,
            "region_id": alert.landslide.region_id,
            "region_name": alert.region_name,
            "landslide_id": alert.landslide.id,
            "revision": alert.landslide.revision,
            "item_id": alert.item_id,
            "sensed_at": alert.sensed_at,
            "published_at": alert.published_at,
            "references": alert.references,
            "recorded_at": record.recorded_at,
            "deliveries": record.deliveries,
            "notices": record.notices,
            "acknowledged": record.acknowledged,
            "exposure": alert.exposure,
        }
    )
    return document
