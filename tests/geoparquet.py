"""GeoParquet 1.1.0 as its specification states it (https://geoparquet.org/releases/v1.1.0/).

The published JSON schema says what the metadata may look like; the text says more: which columns
there have to be, and that the metadata tell the truth of the rows. Each line below is one "must".
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

_TYPE = re.compile(r"(GeometryCollection|(Multi)?(Point|LineString|Polygon))( Z)?")
_KEYS = {
    "encoding", "geometry_types", "crs", "edges", "orientation", "bbox", "epoch", "covering",
}  # fmt: skip
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def check(path: Path) -> dict[str, Any]:
    """Hold a file against the specification; return its metadata."""
    file = pq.ParquetFile(path)
    geo: dict[str, Any] = json.loads(file.metadata.metadata[b"geo"])
    assert {"version", "primary_column", "columns"} <= set(geo)
    assert geo["version"] == "1.1.0"
    assert geo["primary_column"] in geo["columns"]
    rows = file.read()
    for name, column in geo["columns"].items():
        _check_metadata(column)
        _check_column(file, rows, name, column)
    return geo


def _check_metadata(column: dict[str, Any]) -> None:
    assert {"encoding", "geometry_types"} <= set(column) <= _KEYS
    assert column["encoding"] == "WKB"  # what every reader can; single types have names of theirs
    types = column["geometry_types"]
    assert len(set(types)) == len(types)
    assert all(_TYPE.fullmatch(one) for one in types)
    crs = pyproj.CRS.from_json_dict(column["crs"])
    assert crs.to_authority() == ("OGC", "CRS84"), "lon/lat, which is the order of WKB"
    assert column.get("edges", "planar") in ("planar", "spherical")
    assert column.get("orientation", "counterclockwise") == "counterclockwise"
    assert set(column["covering"]["bbox"]) == set(_EDGES)
    for edge, parts in column["covering"]["bbox"].items():
        assert parts[1:] == [edge]


def _check_column(
    file: pq.ParquetFile, rows: pa.Table, name: str, column: dict[str, Any]
) -> None:  # fmt: skip
    """The geometry lies at the root, once per row, and its box beside it."""
    leaf = next(
        file.schema.column(i) for i in range(len(file.schema)) if file.schema.column(i).name == name
    )
    assert (leaf.path, leaf.physical_type) == (name, "BYTE_ARRAY")
    assert leaf.max_repetition_level == 0
    shapes = shapely.from_wkb(rows[name].to_numpy())
    told = {f"{one.geom_type}{' Z' if one.has_z else ''}" for one in shapes}
    assert told <= set(column["geometry_types"])
    (root,) = {parts[0] for parts in column["covering"]["bbox"].values()}
    boxes = rows.schema.field(root).type
    assert [one.name for one in boxes] == list(_EDGES)
    assert {one.type for one in boxes} <= {pa.float32(), pa.float64()}
    assert rows[root].null_count == rows[name].null_count == 0
    bounds = rows[root].combine_chunks().flatten()
    for edge, ours in zip(bounds, shapely.bounds(shapes).T, strict=True):
        assert (edge.to_numpy() == ours).all()
