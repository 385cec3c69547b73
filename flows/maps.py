"""Maps of what could be hit: any vector file in, features of our five kinds out.

Columns of OpenStreetMap (``highway``, ``railway``, ``building``, ``waterway``, ``place``, and those
in ``other_tags``) are recognised by themselves; of other files ``kind`` says what they hold.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely
from shapely.geometry import MultiPolygon, box
from shapely.geometry.base import BaseGeometry

from db.exposure import MapFeature
from detectors.errors import InvalidMap
from detectors.exposure import Thing
from flows.hostile import read_geoparquet, read_vector, vector_file

if TYPE_CHECKING:
    import geopandas

#: Columns of OpenStreetMap, in the order they are asked: a bridge may carry a road and a rail.
OSM_COLUMNS: Mapping[str, Thing] = {
    "building": Thing.BUILDING,
    "railway": Thing.RAIL,
    "highway": Thing.ROAD,
    "waterway": Thing.RIVER,
    "place": Thing.PLACE,
}
OSM_CREDIT = "© OpenStreetMap contributors, ODbL 1.0"
#: Values that are no such thing, or that nobody is hit on.
_NOT: Mapping[Thing, frozenset[str]] = {
    Thing.BUILDING: frozenset({"no", "ruins", "construction", "proposed", "demolished"}),
    Thing.ROAD: frozenset(
        {
            "footway", "path", "steps", "bridleway", "corridor", "proposed", "construction",
            "platform", "elevator", "rest_area", "services", "abandoned", "razed", "no",
        }
    ),
    Thing.RAIL: frozenset({"abandoned", "disused", "razed", "proposed", "construction", "no"}),
}  # fmt: skip
#: Values that count; of the others there are too many.
_ONLY: Mapping[Thing, frozenset[str]] = {
    Thing.RIVER: frozenset({"river", "stream", "canal", "tidal_channel", "wadi", "flowline"}),
    Thing.PLACE: frozenset(
        {
            "city", "town", "village", "hamlet", "suburb", "borough", "quarter", "neighbourhood",
            "isolated_dwelling", "farm", "locality",
        }
    ),
}  # fmt: skip
#: What a kind is drawn as; a point of ``highway`` is a crossing, an area of ``railway`` a station.
_SHAPES: Mapping[Thing, frozenset[str]] = {
    Thing.ROAD: frozenset({"LineString", "MultiLineString"}),
    Thing.RAIL: frozenset({"LineString", "MultiLineString"}),
    Thing.RIVER: frozenset({"LineString", "MultiLineString"}),
    Thing.BUILDING: frozenset({"Polygon", "MultiPolygon", "Point", "MultiPoint"}),
    Thing.PLACE: frozenset({"Point", "MultiPoint", "Polygon", "MultiPolygon"}),
}
_NAMES = ("ref", "name")
_TAG = re.compile(r'"((?:[^"\\]|\\.)*)"=>"((?:[^"\\]|\\.)*)"')
_PARQUET = {".parquet", ".geoparquet"}
#: A map of one point is not without extent, degrees.
_MARGIN = 0.001


@dataclass(frozen=True, slots=True)
class LoadedMap:
    """What was read of one layer."""

    id: str
    """Name of the map."""
    file: str
    """File and layer."""
    sha256: str
    """Checksum of the file and of how it was read."""
    credit: str
    """Whose data they are."""
    extent: BaseGeometry
    """Box, EPSG:4326."""
    features: tuple[MapFeature, ...]
    """What counts."""
    left_out: int
    """Features that are none of ours: footpaths, platforms, empty or broken shapes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read."""

    layer: str | None = None
    """Only this layer; None for all that hold something of ours."""
    kind: Thing | None = None
    """All features are of this kind; None: as the columns of OpenStreetMap say."""
    name_field: str | None = None
    """Column with names; None: ``ref`` (roads), else ``name``."""
    flows: bool | None = None
    """River lines run the way the water does; None: as OpenStreetMap draws them, others unknown."""
    credit: str | None = None
    """Whose data they are; None for OpenStreetMap's, or none."""
    within: tuple[float, float, float, float] | None = None
    """Only what meets this box, degrees west, south, east, north."""


def layers_of(path: Path, reading: Reading) -> tuple[str | None, ...]:
    """Return the layers of a file that are to be read.

    Raises:
        InvalidMap: the file cannot be read, or has no such layer.
    """
    if not path.is_file():
        raise InvalidMap(f"there is no file {path}")
    if path.suffix.lower() in _PARQUET:
        return (None,)
    import pyogrio
    from pyogrio.errors import DataSourceError

    source = vector_file(path)
    try:
        known = [str(name) for name, _ in pyogrio.list_layers(source)]
    except DataSourceError as error:
        raise InvalidMap(f"{path.name} is no vector file that can be read ({error})") from None
    if reading.layer is None:
        return tuple(known)
    if reading.layer not in known:
        raise InvalidMap(f"{path.name} has no layer {reading.layer!r}; it has {', '.join(known)}")
    return (reading.layer,)


def read_maps(path: Path, reading: Reading) -> Iterator[LoadedMap]:
    """Yield what each layer of a file holds of ours; layers that hold nothing are passed over.

    Raises:
        InvalidMap: nothing of ours is in it, it has no coordinate system, or a column is missing.
    """
    layers = layers_of(path, reading)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(repr(reading).encode())
    some = False
    for layer in layers:
        frame = _frame(path, layer, reading)
        found = _features(frame, path, reading) if len(frame) else None
        if found is None or not found[0]:
            continue
        some = True
        features, used, osm = found
        stem = path.name.removesuffix(".pbf").partition(".")[0]
        named = stem if layer is None or len(layers) == 1 else f"{stem}-{layer}"
        extent = reading.within or tuple(frame.total_bounds)
        west, south, east, north = (float(edge) for edge in extent)
        yield LoadedMap(
            id=re.sub(r"[^a-z0-9]+", "-", named.lower()).strip("-") or "map",
            file=path.name if layer is None else f"{path.name}, layer {layer}",
            sha256=digest.hexdigest(),
            credit=reading.credit or (OSM_CREDIT if osm else ""),
            extent=box(west - _MARGIN, south - _MARGIN, east + _MARGIN, north + _MARGIN),
            features=features,
            left_out=len(frame) - used,
        )
    if not some:
        raise InvalidMap(
            f"{path.name} holds no road, rail, building, river or place that can be recognised "
            "by OpenStreetMap's columns; say what it holds with --kind"
        )


def read_areas(path: Path, only: str | None = None) -> list[MultiPolygon]:
    """Return the polygons of a vector file, EPSG:4326, mended.

    Args:
        path: any format OGR reads.
        only: those alone whose column ``class`` says so; None = all.

    Raises:
        InvalidMap: it cannot be read, holds no polygon, or none of that class.
    """
    known: set[str] = set()
    areas: list[MultiPolygon] = []
    for layer in layers_of(path, Reading()):
        frame = _frame(path, layer, Reading())
        if only is not None:
            frame = _of_class(frame, only, known)
        for shape in frame.geometry:
            if shape is None or shape.is_empty:
                continue
            mended = shapely.force_2d(shape if shape.is_valid else shapely.make_valid(shape))
            flat = [p for p in shapely.get_parts(mended) if p.geom_type == "Polygon"]
            if flat:
                areas.append(MultiPolygon(flat))
    if not areas and only is not None:
        raise InvalidMap(
            f"{path.name} holds no polygon of class {only!r}; its column 'class' says "
            + (", ".join(sorted(known)) or "nothing")
        )
    if not areas:
        raise InvalidMap(f"{path.name} holds no polygon")
    return areas


def _of_class(frame: geopandas.GeoDataFrame, only: str, known: set[str]) -> geopandas.GeoDataFrame:
    """Return the rows of one class; what classes there are goes into ``known``."""
    if "class" not in frame.columns:
        return frame.iloc[:0]
    words = frame["class"].astype(str)
    known.update(words)
    return frame[words == only]


def _frame(path: Path, layer: str | None, reading: Reading) -> geopandas.GeoDataFrame:
    """Return a layer in EPSG:4326."""
    import geopandas
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        if path.suffix.lower() in _PARQUET:
            frame = read_geoparquet(path)
        else:
            frame = read_vector(path, layer)
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        raise InvalidMap(f"{path.name} cannot be read: {error}") from None
    if not isinstance(frame, geopandas.GeoDataFrame) or frame.geometry.isna().all():
        return geopandas.GeoDataFrame(geometry=[], crs=4326)
    if frame.crs is None:
        raise InvalidMap(f"{path.name} has no coordinate system; write one into the file")
    frame = frame.to_crs(4326)
    if reading.within is not None:
        frame = frame[frame.intersects(box(*reading.within))]
    return frame


def _features(
    frame: geopandas.GeoDataFrame, path: Path, reading: Reading
) -> tuple[tuple[MapFeature, ...], int, bool] | None:
    """Return the features of a layer, of how many rows, and whether it is OpenStreetMap's.

    None where no column tells what they are.
    """
    if reading.name_field is not None and reading.name_field not in frame.columns:
        columns = ", ".join(name for name in frame.columns if name != frame.geometry.name)
        raise InvalidMap(f"{path.name} has no column {reading.name_field!r}; it has {columns}")
    osm = any(column in frame.columns for column in (*OSM_COLUMNS, "other_tags"))
    classify: Callable[[Mapping[str, Any]], tuple[Thing, str] | None]
    if reading.kind is not None:
        fixed = reading.kind
        classify = lambda _row: (fixed, "")  # noqa: E731
    elif osm:
        classify = _osm_class
    else:
        return None
    flows = reading.flows if reading.flows is not None else osm and reading.kind is None
    shapes = frame.geometry.to_numpy()
    rows = frame.drop(columns=frame.geometry.name).to_dict("records")
    found: list[MapFeature] = []
    used = 0
    for row, geometry in zip(rows, shapes, strict=True):
        tags = _tags(row)
        told = classify(tags)
        if told is None or geometry is None or geometry.is_empty:
            continue
        kind, what = told
        name = _name(tags, kind, reading.name_field)
        parts = [
            MapFeature(kind, name, what, flows and kind is Thing.RIVER, part)
            for part in _shapes(geometry, kind)
        ]
        found += parts
        used += bool(parts)
    return tuple(found), used, osm


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a row as text, those that OGR packs into ``other_tags`` too."""
    said = {str(key): str(value) for key, value in row.items() if _said(value)}
    packed = dict(_TAG.findall(said.pop("other_tags", "")))
    return {**packed, **said}


def _said(value: Any) -> bool:
    """Whether a cell holds something: null and not-a-number do not."""
    return value is not None and value == value and str(value).strip() != ""


def _osm_class(tags: Mapping[str, str]) -> tuple[Thing, str] | None:
    for column, kind in OSM_COLUMNS.items():
        value = tags.get(column)
        if value is None or value in _NOT.get(kind, ()):
            continue
        if kind in _ONLY and value not in _ONLY[kind]:
            continue
        return kind, "" if value == "yes" else value
    return None


def _name(tags: Mapping[str, str], kind: Thing, field: str | None) -> str:
    """Return what people call it: a road by its number where it has one."""
    fields = (field,) if field else (_NAMES if kind is Thing.ROAD else _NAMES[1:])
    return next((tags[name].strip() for name in fields if name in tags), "")


def _shapes(geometry: BaseGeometry, kind: Thing) -> Iterator[BaseGeometry]:
    """Yield the usable parts of a shape, mended, lines in one piece each."""
    mended = geometry if geometry.is_valid else shapely.make_valid(geometry)
    flat = shapely.force_2d(mended)
    whole = flat.geom_type in {"Polygon", "MultiPolygon"}
    for part in (flat,) if whole else shapely.get_parts(flat):
        if part.geom_type in _SHAPES[kind] and not part.is_empty:
            yield part
