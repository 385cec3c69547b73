"""Records to rows and back, and alerts to JSON and back. Nothing is rounded on the way.

Columns carry the names of the record's fields, so a new field needs a column and nothing here.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args, get_origin, get_type_hints

import shapely
from geoalchemy2 import WKBElement
from geoalchemy2.shape import from_shape, to_shape
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from db import tables
from db.records import (
    CompositeRecord,
    LookRecord,
    PollRecord,
    RegionVersion,
    TrackCoverage,
    TransitionRecord,
)
from detectors.bulletins import Bulletin, Sort
from detectors.exposure import Exposed, Exposure, NearPlace, OnRiver
from detectors.observability import Coverage
from detectors.types import (
    Acquisition,
    Alert,
    Detection,
    Landslide,
    OpticalCheck,
    OutlineEdit,
    RadarCheck,
    Review,
    WatchedRegion,
    derive_id,
)

#: Version of the JSON an alert is stored as.
ALERT_FORMAT = 1
#: And a bulletin.
BULLETIN_FORMAT = 1

_RECORDS = (
    WatchedRegion,
    Acquisition,
    Detection,
    Landslide,
    OpticalCheck,
    RadarCheck,
    Review,
    OutlineEdit,
    Alert,
    Exposure,
    Exposed,
    NearPlace,
    OnRiver,
    PollRecord,
    LookRecord,
    TransitionRecord,
    Coverage,
    CompositeRecord,
)
_HINTS: dict[Any, dict[str, Any]] = {kind: get_type_hints(kind) for kind in _RECORDS}
#: What columns hold as records do.
_AS_IT_IS = frozenset({type(None), bool, int, float, datetime, uuid.UUID})


def geometry_value(geometry: BaseGeometry) -> WKBElement:
    """Return a shapely geometry (EPSG:4326, lon/lat) as a bound value, bit for bit."""
    # The extended form goes over as binary; the plain form would pass through text.
    return from_shape(geometry, srid=4326, extended=True)


def to_shape_of(value: WKBElement) -> Any:
    """Return a stored geometry as shapely's."""
    return _from_column(BaseGeometry, value)


def region_values(region: WatchedRegion) -> dict[str, Any]:
    """Return the columns of ``tables.Region``."""
    return _columns(region)


def to_region(row: tables.Region) -> WatchedRegion:
    """Return the record of a row."""
    return _record(WatchedRegion, row)


def to_region_version(row: tables.RegionVersion) -> RegionVersion:
    """Return the record of a version of a region."""
    return RegionVersion(
        _record(WatchedRegion, row, id=row.region_id), row.revision, row.removed_at is not None,
        row.changed_by, row.recorded_at,
    )  # fmt: skip


def acquisition_values(acquisition: Acquisition) -> dict[str, Any]:
    """Return the columns of ``tables.Acquisition``."""
    return _columns(acquisition) | {"id": acquisition.id, "track": acquisition.track}


def to_acquisition(row: tables.Acquisition) -> Acquisition:
    """Return the record of a row."""
    return _record(Acquisition, row)


def detection_values(detection: Detection) -> dict[str, Any]:
    """Return the columns of ``tables.Detection``."""
    return _columns(detection) | {"id": detection.id}


def to_detection(row: tables.Detection) -> Detection:
    """Return the record of a row."""
    return _record(Detection, row)


def version_values(landslide: Landslide) -> dict[str, Any]:
    """Return the columns of ``tables.LandslideVersion``; the region is on ``tables.Landslide``."""
    values = _columns(landslide)
    del values["region_id"]
    return values | {"landslide_id": values.pop("id")}


def to_landslide(row: tables.LandslideVersion, region_id: str) -> Landslide:
    """Return the record of a version row and the region of its landslide."""
    return _record(Landslide, row, id=row.landslide_id, region_id=region_id)


def check_values(check: OpticalCheck) -> dict[str, Any]:
    """Return the columns of ``tables.OpticalCheck``."""
    return _columns(check) | {"id": check.id}


def to_check(row: tables.OpticalCheck) -> OpticalCheck:
    """Return the record of a row."""
    return _record(OpticalCheck, row)


def review_values(review: Review) -> dict[str, Any]:
    """Return the columns of ``tables.Review``."""
    return _columns(review) | {"id": review.id}


def to_review(row: tables.Review) -> Review:
    """Return the record of a row."""
    return _record(Review, row)


def to_outline_edit(row: tables.OutlineEdit) -> OutlineEdit:
    """Return the record of a row."""
    return _record(OutlineEdit, row)


def radar_check_values(check: RadarCheck) -> dict[str, Any]:
    """Return the columns of ``tables.RadarCheck``."""
    return _columns(check)


def to_radar_check(row: tables.RadarCheck) -> RadarCheck:
    """Return the record of a row."""
    return _record(RadarCheck, row)


def composite_values(record: CompositeRecord) -> dict[str, Any]:
    """Return the columns of ``tables.Composite``; when it is stored, the database knows."""
    values = _columns(record)
    del values["recorded_at"]
    return values | {"id": derive_id("composite", record.stac_id, record.kind)}


def to_composite(row: tables.Composite) -> CompositeRecord:
    """Return the record of a row."""
    return _record(CompositeRecord, row)


def to_track_coverage(row: Any) -> TrackCoverage:
    """Return the record of a row of the view ``region_observability``."""
    return TrackCoverage(
        region_id=row.region_id,
        track=row.track,
        relative_orbit=row.relative_orbit,
        orbit_state=row.orbit_state,
        item_id=row.item_id,
        sensed_at=row.sensed_at.astimezone(UTC),
        coverage=_record(Coverage, row),
        simulated=row.simulated,
    )


def to_transition(row: Any) -> TransitionRecord:
    """Return the record of a row of the view ``landslide_transitions``."""
    return _record(
        TransitionRecord,
        row,
        valid_from=row.valid_from.astimezone(UTC),
        recorded_at=row.recorded_at.astimezone(UTC),
    )


def to_poll(row: tables.PollState) -> PollRecord:
    """Return the record of a row."""
    return _record(PollRecord, row)


def to_look(
    row: tables.Look, seen: tables.Acquisition, observed: tables.Observability | None
) -> LookRecord:
    """Return the record of a look, of what it looks at and of what it could see."""
    coverage = None if observed is None else _record(Coverage, observed)
    return _record(LookRecord, row, acquisition=to_acquisition(seen), coverage=coverage)


def alert_json(alert: Alert) -> dict[str, Any]:
    """Return an alert as JSON-able values: times ISO 8601 UTC, geometry GeoJSON lon/lat."""
    return {"format": ALERT_FORMAT, **_plain(alert)}


def alert_from_json(content: Mapping[str, Any]) -> Alert:
    """Return the alert that :func:`alert_json` wrote, also after a trip through JSONB."""
    alert: Alert = _parsed(Alert, content)
    return alert


def bulletin_json(bulletin: Bulletin) -> dict[str, Any]:
    """Return a bulletin as JSON-able values."""
    return {"format": BULLETIN_FORMAT, **_plain(bulletin)}


def bulletin_from_json(content: Mapping[str, Any]) -> Bulletin:
    """Return the bulletin that :func:`bulletin_json` wrote."""
    return Bulletin(
        id=uuid.UUID(content["id"]),
        sort=Sort(content["sort"]),
        region_id=content["region_id"],
        exercise=content["exercise"],
        simulated=content["simulated"],
        issued_at=datetime.fromisoformat(content["issued_at"]).astimezone(UTC),
        content=content["content"],
    )


def _columns(record: Any) -> dict[str, Any]:
    return {f.name: _to_column(getattr(record, f.name)) for f in dataclasses.fields(record)}


def _to_column(value: Any) -> Any:
    match value:
        case BaseGeometry():
            return geometry_value(value)
        case enum.Enum():
            return value.value
        case tuple():
            return list(value)
        case Mapping():
            return dict(value)
        case _:
            return value


def _record[R](kind: type[R], row: Any, **known: Any) -> R:
    for name, hint in _HINTS[kind].items():
        if name not in known:
            value = getattr(row, name)
            # Most columns are as they should be; an export asks for millions.
            known[name] = value if type(value) in _AS_IT_IS else _from_column(hint, value)
    return kind(**known)


def _from_column(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    hint = _without_none(hint)
    match value:
        case WKBElement():
            # What stays of the SRID would make equal geometries hash differently.
            return shapely.set_srid(to_shape(value), 0)
        case list():
            return tuple(_from_column(get_args(hint)[0], one) for one in value)
        case str() if isinstance(hint, type):
            return hint(value)
        case dict() if get_args(hint) == (str, float):
            # JSONB writes a large float without exponent, which reads back as an integer.
            return {key: float(number) for key, number in value.items()}
        case _:
            return value


def _without_none(hint: Any) -> Any:
    return get_args(hint)[0] if isinstance(hint, types.UnionType) else hint


def _plain(value: Any) -> Any:
    match value:
        case BaseGeometry():
            return mapping(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case uuid.UUID():
            return str(value)
        case enum.Enum():
            return value.value
        case tuple():
            return [_plain(one) for one in value]
        case _ if dataclasses.is_dataclass(value):
            return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        case _:
            return value


def _parsed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    hint = _without_none(hint)
    if get_origin(hint) is tuple:
        return tuple(_parsed(get_args(hint)[0], one) for one in value)
    if dataclasses.is_dataclass(hint):
        # A field that came later than the stored message takes its default.
        hints = _HINTS[hint]
        return hint(**{n: _parsed(hints[n], value[n]) for n in hints if n in value})  # type: ignore[operator]
    if hint is datetime:
        return datetime.fromisoformat(value).astimezone(UTC)
    if issubclass(hint, BaseGeometry):
        return shape(value)
    # float(value): see _from_column.
    return hint(value)
