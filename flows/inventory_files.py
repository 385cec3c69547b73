"""Inventories in files: any format OGR reads, and GeoParquet, to mapped landslides.

Columns are told by a mapping; those named like our fields, and those of NASA's COOLR, are known.
Nothing is guessed: dates that read two ways and files without coordinate system are refused.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import shapely
from shapely.geometry import MultiPolygon, Point
from shapely.geometry.base import BaseGeometry

from detectors.errors import ConfigurationError, InvalidMap
from detectors.inventories import MappedLandslide
from flows.hostile import read_geoparquet, read_toml, read_vector, vector_file

#: What a column can be told to hold.
FIELDS: Mapping[str, str] = {
    "date": "when it happened: a year, month, day or time",
    "not_before": "it had not happened yet",
    "not_after": "it had happened: the image it was seen in",
    "key": "what the inventory calls it",
    "name": "what people call it",
    "category": "kind of movement",
    "trigger": "rain, earthquake, ...",
    "mapped_by": "image or person it was mapped by",
    "accuracy_m": "how far off it may be: metres, or 5km, exact, unknown",
}
#: Columns of NASA's Cooperative Open Online Landslide Repository.
COOLR: Mapping[str, str] = {
    "date": "event_date", "key": "event_id", "name": "event_title",
    "category": "landslide_category", "trigger": "landslide_trigger",
    "mapped_by": "source_name", "accuracy_m": "location_accuracy",
}  # fmt: skip
_COOLR_MARKS = {"event_id", "event_date", "landslide_category", "landslide_trigger"}
#: Which of day and month comes first where both are numbers under 13.
DATE_ORDERS = ("month-first", "day-first")
_X, _Y = ("longitude", "lon", "lng", "x"), ("latitude", "lat", "y")
_SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?:[ T].*)?$")
_ZONED = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$")
_LENGTH = re.compile(r"([\d.]+) *(m|km)?$")
_PARQUET = {".parquet", ".geoparquet"}
#: Rings that were mended may not have grown or shrunk by more than this, as a share.
_MENDED = 0.5
#: A ring around less is none: what was flat has some once it is brought to another system, m2.
LEAST_M2 = 1.0
_DEGREE_M = 111_195.0


@dataclass(frozen=True, slots=True)
class Layout:
    """How the columns of a file are to be read."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Column by field."""
    crs: str | None = None
    """System of the coordinates, where the file does not tell."""
    dates: str | None = None
    """``month-first`` or ``day-first``, where dates are written 8/1/2008."""
    layer: str | None = None
    """Layer of the file; None: its only one."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What was done to a row, or why it was not taken."""

    row: int
    """Its row in the file, the first is 1."""
    reason: str
    """In words."""


@dataclass(frozen=True, slots=True)
class ReadInventory:
    """What was read of a file."""

    file: str
    """File and layer."""
    sha256: str
    """Checksum of the file."""
    columns: Mapping[str, str]
    """Column that was read, by field."""
    crs: str
    """System of its coordinates."""
    mapped: tuple[MappedLandslide, ...]
    """What can be stored."""
    mended: tuple[Remark, ...]
    """Rows whose rings were mended."""
    refused: tuple[Remark, ...]
    """Rows that cannot be stored."""


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a TOML file: ``[columns]``, and ``crs``, ``dates``, ``layer``, ``licence``, ``author``,
    ``source``, ``name``.

    Raises:
        ConfigurationError: no TOML, or a key that nobody reads.
    """  # noqa: D205
    try:
        told = read_toml(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path.name} cannot be read as TOML: {error}") from None
    known = {"columns", "crs", "dates", "layer", "licence", "author", "source", "name"}
    if strange := sorted(set(told) - known):
        raise ConfigurationError(
            f"{path.name}: nobody reads {strange[0]!r}; known: {', '.join(sorted(known))}"
        )
    check_columns(told.get("columns", {}))
    return told


def check_columns(columns: Mapping[str, str]) -> None:
    """Refuse fields that there are not.

    Raises:
        ConfigurationError: the message names those there are.
    """
    for name in columns:
        if name not in FIELDS:
            raise ConfigurationError(
                f"a landslide has no field {name!r}; --map FIELD=COLUMN takes {', '.join(FIELDS)}"
            )


def read_inventory(path: Path, inventory_id: str, how: Layout) -> ReadInventory:
    """Read a file.

    Args:
        path: Any format OGR reads, or GeoParquet.
        inventory_id: Name the landslides are stored under.
        how: Its columns.

    Raises:
        InvalidMap: it cannot be read, has no coordinate system, or no row can be stored.
        ConfigurationError: the mapping names a column that there is not.
    """
    frame, named = _frame(path, how)
    columns, how = _columns(frame, how, path)
    frame, crs = _placed(frame, how, path)
    mapped: list[MappedLandslide] = []
    mended: list[Remark] = []
    refused: list[Remark] = []
    for number, shape, row in _rows(frame):
        try:
            place, mending = _place(shape)
            made = MappedLandslide(
                inventory_id, number, place, attributes=_attributes(row),
                **_fields(row, columns, how),
            )  # fmt: skip
        except ValueError as error:
            refused.append(Remark(number, str(error)))
            continue
        if mending:
            mended.append(Remark(number, mending))
        mapped.append(made)
    if not mapped:
        why = f"; row {refused[0].row}: {refused[0].reason}" if refused else ""
        raise InvalidMap(f"{path.name} holds no landslide that can be stored{why}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ReadInventory(
        named, digest, columns, crs, tuple(mapped), tuple(mended), tuple(refused)
    )  # fmt: skip


def _frame(path: Path, how: Layout) -> tuple[Any, str]:
    """Return the one layer that is to be read, as it is."""
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    if not path.is_file():
        raise InvalidMap(f"there is no file {path}")
    # GDAL would leave metadata beside the file it reads.
    pyogrio.set_gdal_config_options({"GDAL_PAM_ENABLED": "NO"})
    try:
        if path.suffix.lower() in _PARQUET:
            return read_geoparquet(path), path.name
        layers = [str(name) for name, _ in pyogrio.list_layers(vector_file(path))]
        if not layers:
            raise InvalidMap(f"{path.name} holds no layer")
        if how.layer is None and len(layers) > 1:
            raise InvalidMap(f"{path.name} has several layers: say --layer, {', '.join(layers)}")
        if how.layer is not None and how.layer not in layers:
            raise InvalidMap(f"{path.name} has no layer {how.layer!r}; it has {', '.join(layers)}")
        frame = read_vector(path, how.layer or layers[0])
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        raise InvalidMap(f"{path.name} cannot be read: {error}") from None
    finally:
        pyogrio.set_gdal_config_options({"GDAL_PAM_ENABLED": None})
    return frame, path.name if len(layers) == 1 else f"{path.name}, layer {how.layer}"


def _columns(frame: Any, how: Layout, path: Path) -> tuple[dict[str, str], Layout]:
    """Return the column of each field, and how dates are written."""
    present = {str(name) for name in frame.columns}
    known: dict[str, str] = {name: name for name in FIELDS if name in present}
    if path.suffix.lower() == ".kml" and "Name" in present:  # OGR reads no other column of it
        known = {"name": "Name"}
    if present >= _COOLR_MARKS:
        known = {name: column for name, column in COOLR.items() if column in present}
        how = replace(how, dates=how.dates or "month-first", crs=how.crs or "EPSG:4326")
    for column in how.columns.values():
        if column not in present:
            shown = ", ".join(sorted(present - {"geometry"})) or "none"
            raise ConfigurationError(f"{path.name} has no column {column!r}; it has {shown}")
    columns = known | dict(how.columns)
    if "date" in how.columns:
        columns = {n: c for n, c in columns.items() if n not in {"not_before", "not_after"}}
    elif {"not_before", "not_after"} & set(columns):
        columns.pop("date", None)
    return columns, how


def _placed(frame: Any, how: Layout, path: Path) -> tuple[geopandas.GeoDataFrame, str]:
    """Return the frame in EPSG:4326, and what it was in."""
    from pyproj.exceptions import CRSError

    if not isinstance(frame, geopandas.GeoDataFrame):
        frame = _from_numbers(frame, path)
    if frame.crs is None and how.crs is None:
        raise InvalidMap(
            f"{path.name} has no coordinate system: say which with --crs, such as --crs EPSG:32643"
        )
    try:
        if frame.crs is None:
            frame = frame.set_crs(how.crs)
        elif how.crs is not None and not frame.crs.equals(how.crs, ignore_axis_order=True):
            raise ConfigurationError(
                f"{path.name} says {frame.crs.to_string()}, --crs says {how.crs}: leave --crs out, "
                "or mend the file"
            )
        said = frame.crs.to_string()
        return frame.to_crs(4326), said if len(said) < 40 else str(frame.crs.name)
    except CRSError as error:
        raise ConfigurationError(f"--crs {how.crs}: {error}") from None


def _from_numbers(frame: pandas.DataFrame, path: Path) -> geopandas.GeoDataFrame:
    """Return points out of two columns of a table."""
    by_name = {str(name).lower(): name for name in frame.columns}
    x = next((by_name[name] for name in _X if name in by_name), None)
    y = next((by_name[name] for name in _Y if name in by_name), None)
    if x is None or y is None:
        raise InvalidMap(f"{path.name} has neither geometry nor columns longitude and latitude")
    numbers = frame[[x, y]].apply(pandas.to_numeric, errors="coerce").to_numpy(dtype=float)
    points = [Point(*pair) if np.isfinite(pair).all() else None for pair in numbers]
    return geopandas.GeoDataFrame(frame, geometry=points)


def _rows(
    frame: geopandas.GeoDataFrame,
) -> Iterator[tuple[int, BaseGeometry | None, Mapping[str, Any]]]:
    shapes = frame.geometry.to_numpy()
    rows = frame.drop(columns=frame.geometry.name).to_dict("records")
    yield from zip(range(1, len(shapes) + 1), shapes, rows, strict=True)


def _place(shape: BaseGeometry | None) -> tuple[MultiPolygon | Point, str]:
    """Return outline or point, and how it was mended."""
    if shape is None or shape.is_empty:
        raise ValueError("no geometry")
    flat = shapely.force_2d(shape)
    if not np.isfinite(shapely.get_coordinates(flat)).all():
        raise ValueError("its coordinates cannot be brought to longitude and latitude")
    west, south, east, north = flat.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise ValueError(f"lies beyond the world ({west:.6g}, {south:.6g})")
    if flat.geom_type == "MultiPoint" and len(flat.geoms) == 1:
        flat = flat.geoms[0]
    if flat.geom_type == "Point":
        return flat, ""
    if flat.geom_type not in {"Polygon", "MultiPolygon"}:
        raise ValueError(f"a {flat.geom_type} is neither outline nor point")
    mending = ""
    if not flat.is_valid:
        mending = str(shapely.is_valid_reason(flat))
        before = abs(flat.area)
        flat = shapely.make_valid(flat, method="structure", keep_collapsed=False)
        if before and abs(flat.area - before) > _MENDED * before:
            mending += f"; its area changed by {100 * (flat.area / before - 1):+.0f} %"
    if flat.is_empty:
        raise ValueError(f"encloses no ground ({mending})")
    least = LEAST_M2 / (_DEGREE_M**2 * max(math.cos(math.radians(flat.centroid.y)), 0.01))
    parts = [
        one for one in shapely.get_parts(flat) if one.geom_type == "Polygon" and one.area >= least
    ]
    if not parts:
        raise ValueError(f"encloses no ground{f' ({mending})' if mending else ''}")
    return MultiPolygon(parts), mending


def _fields(row: Mapping[str, Any], columns: Mapping[str, str], how: Layout) -> dict[str, Any]:
    """Return what a row says of the fields.

    Raises:
        ValueError: a date or an accuracy that cannot be read.
    """
    said: dict[str, Any] = {}
    for name in ("key", "name", "category", "trigger", "mapped_by"):
        if name in columns:
            said[name] = _text(row[columns[name]])
    if "accuracy_m" in columns:
        said["accuracy_m"] = _metres(row[columns["accuracy_m"]])
    if "date" in columns:
        said["not_before"], said["not_after"] = moment_of(row[columns["date"]], how.dates)
    if "not_before" in columns:
        said["not_before"] = moment_of(row[columns["not_before"]], how.dates)[0]
    if "not_after" in columns:
        said["not_after"] = _end(row[columns["not_after"]], how.dates)
    first, last = said.get("not_before"), said.get("not_after")
    if first is not None and last is not None and first >= last:
        raise ValueError(f"happened after {first:%Y-%m-%d} and before {last:%Y-%m-%d}")
    return said


def _missing(value: Any) -> bool:
    return value is None or value is pandas.NaT or value != value or str(value).strip() == ""


def _text(value: Any) -> str:
    if _missing(value):
        return ""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()


def _metres(value: Any) -> float | None:
    """Return an accuracy: metres, COOLR's words, or lengths with their unit."""
    text = _text(value).lower()
    if text in {"", "unknown"}:
        return None
    if text == "exact":
        return 0.0
    match = _LENGTH.match(text)
    if match is None or not math.isfinite(float(match[1])):
        raise ValueError(f"accuracy {text!r} is no length")
    return float(match[1]) * (1000.0 if match[2] == "km" else 1.0)


def moment_of(value: Any, dates: str | None) -> tuple[datetime | None, datetime | None]:
    """Return the span that a date stands for: a year, a month, a day, or a second.

    A time at midnight stands for its day: that is what tables write where no time is known. A time
    without zone is taken for UTC.

    Args:
        value: As it came; missing gives None twice.
        dates: ``month-first`` or ``day-first``; None refuses what can be read both ways.

    Raises:
        ValueError: no date, or one that can be read two ways.
    """
    if _missing(value):
        return None, None
    if isinstance(value, datetime):
        return _span(value)
    if isinstance(value, date):
        return _span(datetime(value.year, value.month, value.day, tzinfo=UTC))
    if isinstance(value, np.datetime64):
        return _span(pandas.Timestamp(value).to_pydatetime())
    text = _text(value)
    try:
        if re.fullmatch(r"\d{4}", text):
            return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
        if re.fullmatch(r"\d{4}-\d{2}", text):
            first = datetime.fromisoformat(f"{text}-01").replace(tzinfo=UTC)
            return first, (first + timedelta(days=32)).replace(day=1)
        if slashed := _SLASHED.match(text):
            return _span(_slashed(slashed, dates))
        return _span(datetime.fromisoformat(text.replace("/", "-")))
    except ValueError as error:
        if "--dates" in str(error):
            raise
        raise ValueError(f"{text!r} is no date") from None


def _end(value: Any, dates: str | None) -> datetime | None:
    """Return until when it had happened: a time with its zone as it is, a day to its end."""
    first, last = moment_of(value, dates)
    if isinstance(value, datetime):
        exact = value.tzinfo is not None
    else:
        exact = bool(_ZONED.search(_text(value)))
    return first if exact else last


def _slashed(match: re.Match[str], dates: str | None) -> datetime:
    one, two, year = (int(part) for part in match.groups())
    if dates is None:
        if one <= 12 and two <= 12 and one != two:
            raise ValueError(
                f"{match[0]!r}: is {one} the month or the day? Say --dates month-first or day-first"
            )
        dates = "day-first" if one > 12 else "month-first"
    month, day = (one, two) if dates == "month-first" else (two, one)
    return datetime(year, month, day, tzinfo=UTC)


def _span(moment: datetime) -> tuple[datetime, datetime]:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    utc = datetime.fromtimestamp(aware.timestamp(), UTC)
    if (utc.hour, utc.minute, utc.second, utc.microsecond) == (0, 0, 0, 0):
        return utc, utc + timedelta(days=1)
    return utc, utc + timedelta(seconds=1)


def _attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON-able values, empty cells left out."""
    return {str(key): _jsonable(value) for key, value in row.items() if not _missing(value)}


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.replace("\x00", "")  # PostgreSQL keeps none
    return value if isinstance(value, bool | int | float) else str(value)
