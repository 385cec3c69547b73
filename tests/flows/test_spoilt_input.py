"""What the fuzzer of ``bench.chaos`` has found, in its shortest form: each has a name now."""

from __future__ import annotations

import json
import os
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box

from bench.chaos.inputs import REGION
from detectors.errors import (
    HostileFile,
    InvalidElevation,
    InvalidMap,
    InvalidRegion,
    UnreadableRaster,
    UnusableItem,
)
from flows.catalogs.footprints import read_footprint
from flows.catalogs.patience import TryAgain
from flows.catalogs.stac_io import _insist_on_stac
from flows.elevation import read_elevation
from flows.files import sweep_parts
from flows.inventory_files import Layout, read_inventory
from flows.maps import read_areas
from flows.places import Source, open_place
from flows.regions import read_region
from tests.series import END


def test_a_type_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(TryAgain, match="not STAC"):
        _insist_on_stac({"type": {}})
    path = tmp_path / "r.geojson"
    path.write_text(json.dumps({"type": {}}))
    with pytest.raises(InvalidRegion, match="not a GeoJSON Feature"):
        read_region(path, END, ("local/x",))


def test_a_refusal_holds_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "r.geojson"
    properties = {**REGION["properties"], "detectors": ["a\0b"]}
    path.write_text(json.dumps({**REGION, "properties": properties}))
    with pytest.raises(InvalidRegion, match=r"no detector a\?b") as refused:
        read_region(path, END, ("local/x",))
    assert "\0" not in str(refused.value)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of shapely
def test_a_footprint_with_what_is_no_number() -> None:
    ring = [[0, 0], [1, 0], [float("nan"), 1], [0, 0]]
    with pytest.raises(UnusableItem, match="no number"):
        read_footprint({"type": "Polygon", "coordinates": [ring]})


def test_a_file_without_layers(tmp_path: Path) -> None:
    path = tmp_path / "empty.kml"
    path.write_text('<kml xmlns="http://www.opengis.net/kml/2.2"><Document></Document></kml>')
    with pytest.raises(InvalidMap):
        read_inventory(path, "x", Layout())


@pytest.mark.parametrize(
    ("transform", "error"),
    [
        (Affine(np.nan, 0, 0, 0, -30, 3_850_000), HostileFile),
        (Affine(1e12, 0, 0, 0, -1e13, 0), InvalidElevation),
    ],
    ids=["no numbers", "nowhere"],
)
def test_a_raster_whose_place_is_none(tmp_path: Path, transform: Affine, error: type) -> None:
    path = tmp_path / "r.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=8, width=8, count=1, dtype="float32", crs="EPSG:4326",
        transform=transform,
    ) as out:  # fmt: skip
        out.write(np.ones((8, 8), np.float32), 1)
    with pytest.raises(error):
        read_elevation(path)


def test_what_a_killed_writer_left_goes_and_a_living_one_stays(tmp_path: Path) -> None:
    dead, alive = tmp_path / ".a.xml.99999999.part", tmp_path / f".b.xml.{os.getpid()}.part"
    for path in (dead, alive):
        path.touch()
    assert sweep_parts(tmp_path) == 1
    assert (dead.exists(), alive.exists()) == (False, True)


@pytest.mark.parametrize("encoding", ["utf-n", "shift_jis", "hex"])
def test_xml_in_an_encoding_that_we_cannot_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.kml"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><kml></kml>')
    with pytest.raises(HostileFile, match="encoding that cannot be read"):
        read_inventory(path, "x", Layout())


def test_geoparquet_that_says_what_is_not_so(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = geopandas.GeoDataFrame({"a": [1]}, geometry=[box(7, 46, 8, 47)], crs=4326)
    frame.to_parquet(path)
    table = pyarrow.parquet.read_table(path)
    for word, other in ((b'"primary_column": "geometry"', b'"primary_column": "g"'),
                        (b'"direction": "east"', b'"direction": "eapt"')):  # fmt: skip
        told = table.schema.metadata[b"geo"]
        assert word in told
        pyarrow.parquet.write_table(
            table.replace_schema_metadata({b"geo": told.replace(word, other)}), path
        )
        with pytest.raises(InvalidMap, match="broken"):
            read_inventory(path, "x", Layout())
        with pytest.raises(InvalidMap, match="broken"):
            read_areas(path)


@pytest.mark.parametrize("field", ["name", "tags", "sources"])
def test_a_region_with_characters_that_are_none(tmp_path: Path, field: str) -> None:
    word = "local/\ud800"
    path = tmp_path / "r.geojson"
    properties = {**REGION["properties"], field: word if field == "name" else [word]}
    path.write_text(json.dumps({**REGION, "properties": properties}))
    with pytest.raises(InvalidRegion, match=field) as refused:
        read_region(path, END, ("local/x",))
    str(refused.value).encode()


def test_a_raster_on_a_geocentric_system(tmp_path: Path) -> None:
    path = tmp_path / "odd.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=64, width=64, count=1, dtype="uint8", crs="EPSG:4978",
        transform=Affine(30, 0, 240_000, 0, -30, 3_850_000),
    ) as out:  # fmt: skip
        out.write(np.ones((1, 64, 64), "uint8"))
    with pytest.raises(UnreadableRaster, match="grid in metres"), open_place("x", [Source(path)]):
        pass
