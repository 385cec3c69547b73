"""Rows into files: GeoPackage, GeoParquet, GeoJSON, Shapefile, KML and NASA's COOLR columns.

Rows come in batches and go out as they come: memory does not grow with their number. A file is
made beside its place and moved there once it is whole.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import shapely

from detectors.errors import ConfigurationError, PermanentError
from flows.export_rows import ACTUAL, TEXT, TIME, YES_NO, Column, Terms

#: What can be written, and the ending that goes without saying.
FORMATS: Mapping[str, str] = {
    "geopackage": ".gpkg",
    "geoparquet": ".parquet",
    "geojson": ".geojson",
    "shapefile": ".shp",
    "coolr-csv": ".csv",
    "kml": ".kml",
}
#: Longest text in a Shapefile, bytes.
SHAPEFILE_TEXT = 254
_DRIVERS = {
    "geopackage": "GPKG", "geojson": "GeoJSON", "shapefile": "ESRI Shapefile", "kml": "KML",
}  # fmt: skip
#: The columns of COOLR in their order; "gazeteer" is their spelling.
COOLR = (
    "source_name", "source_link", "event_id", "event_date", "event_time", "event_title",
    "event_description", "location_description", "location_accuracy", "landslide_category",
    "landslide_trigger", "landslide_size", "landslide_setting", "fatality_count", "injury_count",
    "storm_name", "photo_link", "notes", "event_import_source", "event_import_id", "country_name",
    "country_code", "admin_division_name", "admin_division_population", "gazeteer_closest_point",
    "gazeteer_distance", "submitted_date", "created_date", "last_edited_date", "longitude",
    "latitude",
)  # fmt: skip

Batches = Iterable[Sequence[Mapping[str, Any]]]


@dataclass(slots=True)
class Written:
    """What was written."""

    files: list[Path] = field(default_factory=list)
    """The files, the named one first."""
    rows: int = 0
    """Landslides."""
    cut: dict[str, int] = field(default_factory=dict)
    """Rows whose text was cut, by column (Shapefile)."""


def write(
    form: str, out: Path, columns: Sequence[Column], batches: Batches, terms: Terms, *,
    geometry: str, overwrite: bool,
) -> Written:  # fmt: skip
    """Write rows as one of ``FORMATS``.

    Args:
        form: Key of ``FORMATS``.
        out: File to write.
        columns: Of the rows.
        batches: Rows by column name, with ``geometry``, EPSG:4326.
        terms: What has to be said of all of them.
        geometry: ``MultiPolygon``, ``Point`` or ``Unknown``.
        overwrite: Replace what is there.

    Raises:
        ConfigurationError: the file is there, its ending is another, or its folder is missing.
    """
    _check(form, out, overwrite=overwrite)
    done = Written()
    with _beside(out, overwrite=overwrite) as (folder, finished):
        path = folder / out.name
        if form == "geoparquet":
            _parquet(path, columns, _counted(batches, done), terms, geometry)
        elif form == "coolr-csv":
            _coolr(path, _counted(batches, done))
        else:
            _ogr(form, path, columns, _counted(batches, done), terms, geometry, done)
        done.files = finished(form)
    return done


def _check(form: str, out: Path, *, overwrite: bool) -> None:
    endings = (FORMATS[form], *((".geoparquet",) if form == "geoparquet" else ()))
    if out.suffix.lower() not in endings:
        raise ConfigurationError(f"a {form} ends in {' or '.join(endings)}: {out.name} does not")
    for path in _siblings(out) if form == "shapefile" else [out]:
        if path.exists() and not overwrite:
            raise ConfigurationError(f"{path} is there already; to replace it say --overwrite")
    if out.is_dir():
        raise ConfigurationError(f"{out} is a folder")


def _siblings(out: Path) -> list[Path]:
    """Return the files of a Shapefile, its .shp last: with it the others count."""
    names = (".dbf", ".shx", ".prj", ".cpg", ".lineage.csv", ".readme.txt", ".shp")
    return [out.with_name(out.stem + name) for name in names]


@contextmanager
def _beside(out: Path, *, overwrite: bool) -> Iterator[Any]:
    """Give a folder to write into; what is in it is moved to its place when all went well."""
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))

    def finished(form: str) -> list[Path]:
        paths = [out]
        if form == "shapefile":
            paths = [path for path in _siblings(out) if (folder / path.name).exists()]
        for path in paths:
            with (folder / path.name).open("rb") as file:
                os.fsync(file.fileno())
        # The last one last: a Shapefile without its .shp is none.
        for path in paths:
            if path.exists() and not overwrite:
                raise ConfigurationError(f"{path} came to be in the meantime; nothing was replaced")
            (folder / path.name).replace(path)
        return paths[::-1]

    try:
        yield folder, finished
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _counted(batches: Batches, done: Written) -> Iterator[Sequence[Mapping[str, Any]]]:
    for batch in batches:
        if batch:
            done.rows += len(batch)
            yield batch


def _schema(columns: Sequence[Column], form: str) -> pa.Schema:
    """Return the columns; where a format has no times, they are text, ISO 8601."""
    fields = []
    for column in columns:
        kind = column.kind
        if form in {"shapefile", "kml", "geojson"} and kind == TIME:
            kind = TEXT
        if form == "shapefile" and kind == YES_NO:
            kind = pa.int32()
        name = column.in_shapefile if form == "shapefile" else column.name
        fields.append(pa.field(name, kind))
    if form == "kml":
        fields += [pa.field("label", TEXT), pa.field("about", TEXT)]
    return pa.schema([*fields, pa.field("geometry", pa.binary())])


def _batch(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], schema: pa.Schema,
    cut: dict[str, int] | None = None,
) -> pa.RecordBatch:  # fmt: skip
    arrays = []
    for column, into in zip(columns, schema, strict=False):
        values = [row[column.name] for row in rows]
        if column.kind == YES_NO and into.type != YES_NO:
            values = [None if value is None else int(value) for value in values]
        if column.kind == TIME and into.type == TEXT:
            values = [iso(value) for value in values]
        if cut is not None and into.type == TEXT:
            values = [_shortened(value, column.in_shapefile, cut) for value in values]
        arrays.append(pa.array(values, into.type))
    if "about" in schema.names:
        arrays.append(pa.array([_label(row) for row in rows], TEXT))
        arrays.append(pa.array([_about(row) for row in rows], TEXT))
    shapes = [row["geometry"] for row in rows]
    arrays.append(pa.array(shapely.to_wkb(shapes, flavor="iso"), pa.binary()))
    return pa.record_batch(arrays, schema=schema)


def _label(row: Mapping[str, Any]) -> str:
    """Return what stands beside the shape on a globe."""
    mark = "" if row["status"] == ACTUAL else f"{row['status']} "
    return f"{mark}{row.get('name') or row['id'][:8]}"


def _about(row: Mapping[str, Any]) -> str:
    return (
        f"{row['status']}; {row.get('state') or row.get('inventory')}; "
        f"licence: {row['licence']}; {row['credits']}"
    )


def iso(moment: datetime | None) -> str | None:
    """Return a time as text, UTC to the second or finer, ending in Z."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _shortened(text: str | None, name: str, cut: dict[str, int]) -> str | None:
    if text is None or len(raw := text.encode()) <= SHAPEFILE_TEXT:
        return text
    cut[name] = cut.get(name, 0) + 1
    return raw[:SHAPEFILE_TEXT].decode(errors="ignore")


def _ogr(
    form: str, path: Path, columns: Sequence[Column], batches: Batches, terms: Terms,
    geometry: str, done: Written,
) -> None:  # fmt: skip
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

    schema = _schema(columns, form)
    shapefile = form == "shapefile"
    lineage = _SideCar(path, columns) if shapefile else None

    failed: list[Exception] = []

    def made() -> Iterator[pa.RecordBatch]:
        try:
            for rows in batches:
                if lineage is not None:
                    lineage.add(rows)
                yield _batch(rows, columns, schema, done.cut if shapefile else None)
        except Exception as error:
            # GDAL, which asks for the batches, tells nobody what it was.
            failed.append(error)
            raise

    about = terms.document()
    options: dict[str, Any] = {
        "geopackage": {
            "dataset_metadata": about,
            "layer_metadata": {**about, "DESCRIPTION": _sentence(terms)},
            "layer_options": {"DESCRIPTION": _sentence(terms), "IDENTIFIER": terms.title},
        },
        "geojson": {
            "layer_options": {
                "RFC7946": "NO", "COORDINATE_PRECISION": "9", "DESCRIPTION": _sentence(terms),
                "WRITE_NON_FINITE_VALUES": "NO",
            },
        },
        "shapefile": {"layer_options": {"ENCODING": "UTF-8"}},
        "kml": {"dataset_options": {"NameField": "label", "DescriptionField": "about"}},
    }[form]  # fmt: skip
    try:
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(schema, made()), path, driver=_DRIVERS[form],
            layer=path.stem if shapefile else "landslides", geometry_name="geometry",
            geometry_type=geometry, crs="EPSG:4326", **options,
        )  # fmt: skip
    except (RuntimeError, DataSourceError, DataLayerError, FeatureError) as error:
        raise (failed[0] if failed else PermanentError(f"{path.name}: {error}")) from error
    finally:
        if lineage is not None:
            lineage.close()
    if lineage is not None:
        path.with_name(f"{path.stem}.readme.txt").write_text(
            _readme(terms, columns, done.cut), encoding="utf-8"
        )


def _sentence(terms: Terms) -> str:
    return (
        f"{terms.title}. Status: {terms.status}. Licence: {terms.licence}. Credits: {terms.credits}"
    )


class _SideCar:
    """Texts a Shapefile would cut, whole, by id."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self.names = ["id", *(c.name for c in columns if c.kind == TEXT and c.name != "id")]
        self.file = path.with_name(f"{path.stem}.lineage.csv").open(
            "w", encoding="utf-8", newline=""
        )
        self.table = csv.writer(self.file)
        self.table.writerow(self.names)

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.table.writerows([row[name] for name in self.names] for row in rows)

    def close(self) -> None:
        self.file.close()


def _readme(terms: Terms, columns: Sequence[Column], cut: Mapping[str, int]) -> str:
    lines = [f"{name.capitalize()}: {value}" for name, value in terms.document().items()]
    lines += ["", f"Times are text, ISO 8601, UTC. Text ends after {SHAPEFILE_TEXT} bytes;"]
    lines += ["it stands whole, by id, in the file that ends in .lineage.csv.", ""]
    for name, rows in cut.items():
        lines.append(f"Cut: {name} in {rows} rows")
    lines += ["", "Columns:"]
    for column in columns:
        long = f" (elsewhere {column.name})" if column.short else ""
        lines.append(f"  {column.in_shapefile:10}  {column.says}{long}")
    return "\n".join(lines) + "\n"


def _parquet(
    path: Path, columns: Sequence[Column], batches: Batches, terms: Terms, geometry: str
) -> None:
    """Write GeoParquet 1.1: WKB, and a column ``bbox`` that readers can skip by."""
    import pyarrow.parquet as pq
    from pyproj import CRS

    edges = ("xmin", "ymin", "xmax", "ymax")
    box = pa.field("bbox", pa.struct([(edge, pa.float64()) for edge in edges]))
    types = {"Unknown": ["MultiPolygon", "Point"]}.get(geometry, [geometry])
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "geometry_types": types,
                "crs": CRS.from_user_input("OGC:CRS84").to_json_dict(),
                "covering": {"bbox": {edge: ["bbox", edge] for edge in edges}},
            }
        },
    }
    plain = _schema(columns, "geoparquet")
    schema = plain.append(box).with_metadata(
        {"geo": json.dumps(geo), **{key.lower(): text for key, text in terms.document().items()}}
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in batches:
            part = _batch(rows, columns, plain)
            bounds = shapely.bounds([row["geometry"] for row in rows])
            boxes = pa.StructArray.from_arrays(
                [pa.array(bounds[:, i]) for i in range(4)], fields=list(box.type)
            )
            writer.write_batch(pa.record_batch([*part.columns, boxes], schema=schema))


def _coolr(path: Path, batches: Batches) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COOLR, restval="")
        table.writeheader()
        for rows in batches:
            table.writerows(_coolr_row(row) for row in rows)


def _coolr_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what COOLR can hold of a landslide; all else stands in ``notes``."""
    mark = "" if row["status"] == ACTUAL else f"{row['status']}: "
    mapped = "inventory" in row
    first, last = iso(row["not_before"]), iso(row["not_after"])
    # One date is all there is room for: the look that shows it; and midnight means unknown.
    day = row["not_after"] or row["not_before"]
    when = f"happened between {first or 'an unknown time'} and {last or 'an unknown time'}"
    about = (
        f"mapped landslide of {row['inventory']}"
        if mapped
        else f"{row['state']} {row['kind']}, tier {row['tier']}, {row['looks']} looks"
    )
    area = f", {row['area_m2']:.0f} m2" if row["area_m2"] is not None else ""
    keep = (
        ("file", "source", "attributes")
        if mapped
        else ("detectors", "weights", "config", "sources", "items")
    )
    said = "; ".join(f"{name}: {row[name]}" for name in (*keep, "licence", "credits") if row[name])
    return {
        "source_name": row["mapped_by"] if mapped else row["software"],
        "event_id": row["id"],
        "event_date": f"{day:%m/%d/%Y} 12:00:00 AM" if day else "",
        "event_title": f"{mark}{row['name'] or about if mapped else about}",
        "event_description": f"{mark}{about}{area}; {when}",
        "location_description": "" if mapped else row["region"],
        "location_accuracy": _coolr_accuracy(row["accuracy_m"]) if mapped else "exact",
        "landslide_category": (row["category"] if mapped else "") or "landslide",
        "landslide_trigger": row["trigger"] or "unknown",
        "landslide_size": "unknown",
        "landslide_setting": "unknown",
        "notes": f"{mark}{when}; {said}",
        "event_import_source": row["software"],
        "event_import_id": row["key"] if mapped else row["id"],
        "longitude": repr(row["lon"]),
        "latitude": repr(row["lat"]),
    }


def _coolr_accuracy(metres: float | None) -> str:
    """Return COOLR's word for an accuracy: the next one that promises no more."""
    if metres is None:
        return "unknown"
    if metres == 0:
        return "exact"
    return next((f"{km}km" for km in (1, 5, 10, 25, 50) if metres <= 1000 * km), "unknown")
