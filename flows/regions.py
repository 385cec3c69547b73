"""Region files: GeoJSON in, a validated ``WatchedRegion`` out."""

from __future__ import annotations

import difflib
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from detectors import registry
from detectors.errors import InvalidRegion
from detectors.types import Level, Sensor, WatchedRegion
from detectors.windows import bounds
from flows.catalogs.properties import is_text, printable
from flows.catalogs.registry import split_source
from flows.hostile import read_json
from flows.schedules import parse_cron

_ID = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
#: Largest region we take in one piece, degrees of bounding box: a country, not a hemisphere.
LARGEST_SPAN_DEGREES = 30.0


class RegionProperties(BaseModel):
    """Properties of the feature in a region file; a drawing program's other columns are fine."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: Annotated[str, Field(min_length=1, max_length=63)]
    name: str | None = None
    sources: tuple[str, ...] = ()
    detectors: tuple[str, ...] | None = None
    watch_from: AwareDatetime | None = None
    min_area_m2: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    poll_every_minutes: Annotated[float, Field(gt=0, le=7 * 24 * 60)] | None = None
    poll_cron: str | None = None
    windows: tuple[str, ...] = ()
    sensors: Annotated[tuple[Sensor, ...], Field(min_length=1)] | None = None
    alert_from: Level | None = None
    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    simulated: bool = False
    tags: tuple[str, ...] = ()
    requests_a_month: Annotated[int, Field(gt=0)] | None = None
    bytes_a_month: Annotated[int, Field(gt=0)] | None = None
    units_a_month: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @field_validator("poll_cron")
    @classmethod
    def _is_cron(cls, line: str | None) -> str | None:
        if line is not None:
            fields, zone = parse_cron(line)
            return fields if zone == "UTC" else f"{fields} {zone}"
        return None

    @field_validator("windows")
    @classmethod
    def _are_windows(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        for window in windows:
            bounds(window)
        return windows

    @field_validator("sensors")
    @classmethod
    def _once(cls, sensors: tuple[Sensor, ...] | None) -> tuple[Sensor, ...] | None:
        return sensors and tuple(one for one in Sensor if one in sensors)


def read_region(
    path: Path,
    watch_from: datetime,
    default_sources: tuple[str, ...] = (),
    *,
    strict: bool = True,
) -> WatchedRegion:
    """Read a region file: a GeoJSON Feature, or a FeatureCollection of one.

    Args:
        path: the file; its stem is the id where the properties name none.
        watch_from: used where the file says nothing: looks sensed before only feed stacks.
        default_sources: used where the file names none.
        strict: refuse keys that look like misspelt ones of ours.

    Raises:
        InvalidRegion: what is wrong and how to mend it.
    """
    try:
        document = read_json(path)
        return region_of(document, path.stem, watch_from, default_sources, strict=strict)
    except OSError as error:
        raise InvalidRegion(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidRegion(f"{path} is not JSON: {error}") from None
    except InvalidRegion as error:
        raise InvalidRegion(f"{path}: {error}", error.faults) from None


def region_of(
    document: Any,
    stem: str,
    watch_from: datetime,
    default_sources: tuple[str, ...] = (),
    *,
    strict: bool = True,
) -> WatchedRegion:
    """Make a region of a GeoJSON document, finding everything that is wrong with it at once.

    Args:
        document: a Feature, a FeatureCollection of one, or a bare geometry.
        stem: what the id is made of where the properties name none.
        watch_from: see ``read_region``.
        default_sources: see ``read_region``.
        strict: see ``read_region``.

    Raises:
        InvalidRegion: what is wrong, by field.
        ConfigurationError: a source that is not ``catalogue/collection``.
    """
    feature = feature_of(document)
    properties = {"id": slug(stem), **_properties(feature)}
    if strict:
        _refuse_misspelt(properties)
    faults: dict[str, str] = {}
    wanted = geometry = None
    try:
        wanted = RegionProperties.model_validate(properties)
        faults |= _strange(wanted, default_sources)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            why = problem["msg"].removeprefix("Value error, ")
            faults.setdefault(str(problem["loc"][0]), why)
    try:
        geometry = _geometry(feature.get("geometry"))
    except InvalidRegion as error:
        faults["geometry"] = str(error)
    if wanted is None or geometry is None or faults:
        # A message about the outline says so itself.
        said = (why if key == "geometry" else f"{key}: {why}" for key, why in faults.items())
        raise InvalidRegion("; ".join(said), faults)
    return _region(wanted, geometry, watch_from, default_sources)


def document_of(region: WatchedRegion) -> dict[str, Any]:
    """Return the document that a region file would hold: what ``region_of`` makes the region of.

    Whether it is paused is no part of it.
    """
    properties: dict[str, Any] = {
        name: getattr(region, name)
        for name in RegionProperties.model_fields
        if name != "poll_every_minutes"
    }
    if region.poll_cron is None:
        properties["poll_every_minutes"] = region.poll_every / timedelta(minutes=1)
    properties["watch_from"] = region.watch_from.isoformat()
    for name in ("sources", "detectors", "windows", "sensors", "tags"):
        properties[name] = list(properties[name])
    said = {name: value for name, value in properties.items() if value is not None}
    return {"type": "Feature", "properties": said, "geometry": mapping(region.geometry)}


def slug(stem: str) -> str:
    """Make an id of a name."""
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "region"


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    """Return the properties that say something; ``Name`` is our ``name``, null is nothing."""
    given = feature.get("properties") or {}
    if not isinstance(given, dict):
        raise InvalidRegion("the properties are no JSON object")
    ours = {name.lower(): name for name in RegionProperties.model_fields}
    said = {key: value for key, value in given.items() if value is not None}
    return {ours.get(key.lower(), key): value for key, value in said.items()}


def _refuse_misspelt(properties: dict[str, Any]) -> None:
    """Refuse a key that looks like one of ours: a threshold nobody reads must not go unnoticed.

    Raises:
        InvalidRegion: which key was probably meant.
    """
    known = list(RegionProperties.model_fields)
    for key in sorted(set(properties) - set(known)):
        if len(key) <= 3:  # fid, gid, uid: every drawing program has one
            continue
        meant = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.75)
        if meant:
            raise InvalidRegion(f"nobody reads {key!r}; did you mean {meant[0]!r}?")


def feature_of(document: Any) -> dict[str, Any]:
    """Return the one feature of a document; a bare geometry is taken as one.

    Raises:
        InvalidRegion: it is none, or holds several.
    """
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "FeatureCollection":
        features = document.get("features")
        if not isinstance(features, list) or len(features) != 1:
            raise InvalidRegion("a region file holds one feature; write one file a region")
        document = features[0]
        kind = document.get("type") if isinstance(document, dict) else None
    # What others wrote may stand where a name should: a list cannot be looked up in a set.
    if kind in ("Polygon", "MultiPolygon"):
        return {"geometry": document, "properties": {}}
    if kind != "Feature":
        raise InvalidRegion("not a GeoJSON Feature")
    feature: dict[str, Any] = document
    return feature


def _geometry(geojson: Any) -> MultiPolygon:
    """Return the area, refusing what would be watched wrongly."""
    try:
        geometry: BaseGeometry = shape(geojson)
    except (ShapelyError, ValueError, TypeError, AttributeError, KeyError, IndexError):
        raise InvalidRegion("the geometry cannot be read") from None
    if not isinstance(geometry, Polygon | MultiPolygon) or geometry.is_empty:
        raise InvalidRegion(f"draw a Polygon or MultiPolygon, not {geometry.geom_type}")
    west, south, east, north = geometry.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise InvalidRegion(
            "coordinates must be longitude, latitude in degrees (EPSG:4326); "
            "split a region at the 180th meridian into two polygons"
        )
    if not geometry.is_valid:
        raise InvalidRegion(f"{explain_validity(geometry)}; redraw the outline there")
    parts = [geometry] if isinstance(geometry, Polygon) else list(geometry.geoms)
    if max(p.bounds[2] - p.bounds[0] for p in parts) > LARGEST_SPAN_DEGREES:
        raise InvalidRegion(
            f"a part spans over {LARGEST_SPAN_DEGREES:g} degrees; "
            "does it cross the 180th meridian? Split it there"
        )
    return MultiPolygon(parts)


def _strange(wanted: RegionProperties, default_sources: tuple[str, ...]) -> dict[str, str]:
    """Return which names are none, by field."""
    found = {}
    for field, value in wanted:
        words = value if isinstance(value, tuple) else (value,)
        if not all(is_text(one) for one in words if isinstance(one, str)):
            found[field] = "holds characters that are no text"
    if not _ID.fullmatch(wanted.id):
        found["id"] = f"id {wanted.id!r}: lower-case letters, digits, hyphens"
    if not (wanted.sources or default_sources):
        found["sources"] = 'say where looks come from: "sources": ["opera-asf/OPERA_L2_RTC-S1_V1"]'
    if unknown := set(wanted.detectors or ()) - set(registry.names()):
        known = ", ".join(registry.names())
        found["detectors"] = (
            f"no detector {', '.join(map(printable, sorted(unknown)))}; there are: {known}"
        )
    if wanted.poll_cron and wanted.poll_every_minutes:
        found["poll_cron"] = "say poll_cron or poll_every_minutes, not both"
    return found


def _region(
    wanted: RegionProperties,
    geometry: MultiPolygon,
    watch_from: datetime,
    default_sources: tuple[str, ...],
) -> WatchedRegion:
    """Build the record."""
    sources = wanted.sources or default_sources
    for source in sources:
        split_source(source)
    optional: dict[str, Any] = {
        "min_area_m2": wanted.min_area_m2,
        "priority": wanted.priority,
        "poll_every": timedelta(minutes=wanted.poll_every_minutes)
        if wanted.poll_every_minutes
        else None,
        "sensors": wanted.sensors,
        "alert_from": wanted.alert_from,
    }
    return WatchedRegion(
        id=wanted.id,
        name=wanted.name or wanted.id,
        geometry=geometry,
        sources=sources,
        detectors=wanted.detectors or registry.names(),
        watch_from=wanted.watch_from or watch_from,
        simulated=wanted.simulated,
        tags=wanted.tags,
        requests_a_month=wanted.requests_a_month,
        bytes_a_month=wanted.bytes_a_month,
        units_a_month=wanted.units_a_month,
        poll_cron=wanted.poll_cron,
        windows=wanted.windows,
        **{key: value for key, value in optional.items() if value is not None},
    )
