"""Our GeoParquet against the published JSON schema of GeoParquet 1.1, which is not shipped.

It lies in ``standards`` beside the folder of data sets; the one of PROJ that it refers to is
fetched by ``infra/stac_schemas.py``.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from jsonschema import Draft7Validator
from shapely.geometry import MultiPolygon, Point, box
from sqlalchemy import Engine

from detectors.inventories import Inventory, Sameness
from flows.export_files import write
from flows.export_rows import LANDSLIDE, MAPPED, Terms
from flows.exporting import export_inventory
from flows.inventories import import_inventory
from flows.inventory_files import Layout
from tests import geoparquet
from tests.data.conftest import Record
from tests.stac_schemas import FOLDER, registry

pytestmark = pytest.mark.data

TERMS = Terms("A test", "none", "nobody", "actual")


@pytest.fixture(scope="module")
def standards(data_folder: Path) -> Path:
    folder = data_folder.parent / "standards"
    if not (folder / "geoparquet-1.1.0-schema.json").exists():
        pytest.skip("no copy of the GeoParquet schema beside the data sets")
    if not (FOLDER / "proj.org").is_dir():
        pytest.skip("no schema of PROJ: python infra/stac_schemas.py build/schemas")
    return folder


@pytest.fixture(scope="module")
def schema(standards: Path) -> Draft7Validator:
    held = json.loads((standards / "geoparquet-1.1.0-schema.json").read_bytes())
    Draft7Validator.check_schema(held)
    return Draft7Validator(held, registry=registry())


def test_what_we_export_fits_the_schema(
    schema: Draft7Validator, data_folder: Path, engine: Engine, tmp_path: Path, record: Record
) -> None:
    kashmir = tmp_path / "kashmir.parquet"
    import_inventory(
        engine, data_folder / "inventory-kashmir-2005-dem" / "landslides.shp",
        Inventory("kashmir", "", "", "", "none stated", "unknown", simulated=True),
        Layout({"not_after": "Year_obs"}), Sameness(), dry=False,
    )  # fmt: skip
    export_inventory(
        engine, "geoparquet", kashmir, "kashmir", exercise=False, overwrite=False,
        begin=lambda _: lambda: None,
    )  # fmt: skip
    files = {"Kashmir, outlines": kashmir}
    square = box(0, 0, 1, 1)
    for name, columns, geometry, shapes in (
        ("landslides", LANDSLIDE, "MultiPolygon", [MultiPolygon([square])]),
        ("points", MAPPED, "Point", [Point(0, 0)]),
        ("outlines and points", MAPPED, "Unknown", [MultiPolygon([square]), Point(0, 0)]),
        ("nothing", LANDSLIDE, "MultiPolygon", []),
    ):
        path = files[name] = tmp_path / f"{len(files)}.parquet"
        rows = [{one.name: None for one in columns} | {"geometry": shape} for shape in shapes]
        write("geoparquet", path, columns, [rows], TERMS, geometry=geometry, overwrite=False)
    told = []
    for name, path in files.items():
        geo = geoparquet.check(path)
        faults = [f"{one.json_path}: {one.message[:200]}" for one in schema.iter_errors(geo)]
        assert faults == [], name
        types = ", ".join(geo["columns"]["geometry"]["geometry_types"])
        told.append((name, pq.read_metadata(path).num_rows, types, len(faults)))
    record(
        "GeoParquet 1.1, published schema",
        "The metadata of our files against `geoparquet-1.1.0-schema.json` (tag v1.1.0) and PROJ's\n"
        "schema of coordinate systems (v0.7), which it refers to; and what its text asks beyond\n"
        "that (`tests/geoparquet.py`).",
        ("file", "rows", "geometry types", "faults"), told, "",
    )  # fmt: skip


def wrong(geo: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    made = deepcopy(geo)
    made["columns"]["geometry"][name] = value
    return made


def test_the_schema_finds_faults(schema: Draft7Validator, standards: Path) -> None:
    known = json.loads((standards / "geoparquet-1.1.0-example-metadata.json").read_bytes())
    known = known.get("geo", known)
    assert list(schema.iter_errors(known)) == []
    for name, value in (
        ("encoding", "text"), ("geometry_types", ["Circle"]), ("crs", "EPSG:4326"),
        ("crs", {"type": "GeographicCRS"}), ("covering", {"bbox": {"xmin": ["bbox", "xmin"]}}),
    ):  # fmt: skip
        assert list(schema.iter_errors(wrong(known, name, value))), name
