"""Files made to do harm are refused by name before anything reads them, fast and in little memory.

Every file here is a real one: written byte for byte, and handed to the readers that people use.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import sqlite3
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet
import pytest
import rasterio
from shapely.geometry import Point, box
from typer.testing import CliRunner

from detectors.errors import (
    ConfigurationError,
    HostileFile,
    InvalidMap,
    InvalidWeights,
    PermanentError,
    UnreadableRaster,
)  # fmt: skip
from detectors.weights import describe
from flows import hostile
from flows.archive.cogs import read_raster
from flows.catalogs.recorded import examine
from flows.checkpoints import resume
from flows.cli import app
from flows.elevation import read_elevation
from flows.inventory_files import Layout, read_inventory, read_mapping
from flows.maps import Reading, read_areas, read_maps
from flows.places import Source, open_place
from flows.raster_lines import compare
from flows.regions import read_region
from flows.stacks import read_stack, read_vectors

#: Above what a refusal may take; reading the same files takes minutes, or gigabytes.
SECONDS, BYTES = 5.0, 250 * 2**20
KML = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{}</Document></kml>'
PLACEMARK = "<Placemark><name>{}</name><Point><coordinates>7,46</coordinates></Point></Placemark>"
CRS = rasterio.crs.CRS.from_epsg(32632)

VECTOR_DOORS: dict[str, Callable[[Path], Any]] = {
    "exposure, exclusions": lambda path: list(read_maps(path, Reading())),
    "areas": read_areas,
    "import": lambda path: read_inventory(path, "mapped", Layout()),
    "labels": lambda path: read_vectors(path, CRS),
    "lines": lambda path: compare(path, path),
}
RASTER_DOORS: dict[str, Callable[[Path], Any]] = {
    "archive build": read_raster,
    "recipes": lambda path: open_place("p", [Source(path)]).__enter__(),
    "stacks": read_stack,
    "elevation": read_elevation,
}


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Every test of this file stays below its memory, that of C libraries included."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak()
    yield
    assert peak() - before < BYTES


def peak() -> int:
    """Most memory of this process, bytes."""
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found) * 1024


def refused(door: Callable[[Path], Any], path: Path, why: str) -> None:
    began = time.process_time()
    with pytest.raises(HostileFile, match=why) as caught:
        door(path)
    assert time.process_time() - began < SECONDS
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


# --- vectors


def laughing(start: str = "kml") -> str:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE {start} [<!ENTITY l0 "lol">{entities}]>'


def archive(path: Path, *members: tuple[str, bytes], kind: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members:
            one = zipfile.ZipInfo(name)
            one.external_attr = kind << 16
            one.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(one, content)
    return path


def bomb(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made, made.open("a.shp", "w") as file:
        for _ in range(60):
            file.write(bytes(2**20))
    return path


def overlapping(path: Path) -> Path:
    """Two entries of the directory that share one member's bytes, as in bombs that do not nest."""
    archive(path, ("a.geojson", os.urandom(20_000)))
    raw = path.read_bytes()
    begins = raw.index(b"PK\x01\x02")
    ends = raw.index(b"PK\x05\x06")
    entry = raw[begins:ends]
    end = bytearray(raw[ends:])
    struct.pack_into("<HH", end, 8, 3, 3)
    struct.pack_into("<L", end, 12, 3 * len(entry))
    path.write_bytes(raw[:begins] + 3 * entry + bytes(end))
    return path


def secret_table(folder: Path) -> Path:
    path = folder / "secret.geojson"
    geopandas.GeoDataFrame({"s": ["secret"]}, geometry=[Point(7, 46)], crs=4326).to_file(path)
    return path


def hostile_vectors(folder: Path) -> dict[str, tuple[Path, str]]:
    made: dict[str, tuple[Path, str]] = {}

    def text(name: str, content: str, why: str, encoding: str = "utf-8") -> None:
        path = folder / name
        path.write_text(content, encoding=encoding)
        made[name] = path, why

    secret = secret_table(folder)
    xxe = f'<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    kind = "document type"
    text("laugh.kml", laughing() + KML.format(PLACEMARK.format("&l9;")), kind)
    text("outside.kml", xxe + KML.format(PLACEMARK.format("&x;")), kind)
    wide = xxe.replace("1.0", '1.0" encoding="utf-16', 1)
    text("wide.kml", wide + KML.format(PLACEMARK.format("&x;")), kind, "utf-16")
    text("track.gpx", laughing("gpx") + "<gpx><wpt lat='46' lon='7'/></gpx>", kind)
    text("features.gml", laughing("x") + "<x/>", kind)
    text("feed.geojson", laughing("rss") + "<rss/>", kind)
    vrt = (
        f'<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{secret}</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    text("mapped.geojson", vrt, "instead of holding data")
    text("mapped.shp", f"<!-- a remark -->\n{vrt}", "instead of holding data")
    run = f"gdal vector pipeline ! read {secret} ! write streamed_dataset --of stream"
    document = {"type": "gdal_streamed_alg", "command_line": run}
    text("run.json", json.dumps(document), "algorithms")
    made["bomb.zip"] = bomb(folder / "bomb.zip"), "unpacks to"
    made["shared.zip"] = overlapping(folder / "shared.zip"), "overlap|no archive"
    inner = secret.read_bytes()
    for name, member, why in (
        ("up.zip", "../../a.geojson", "lie outside"), ("root.zip", "/etc/a.geojson", "lie outside"),
        ("drive.zip", "C:\\a.geojson", "lie outside"), ("colour.zip", "\x1b[2Ja.kml", "outside"),
        ("nested.zip", "inner.zip", "archive in the archive"),
        ("nested.kmz", "inner.kmz", "archive in the archive"),
    ):  # fmt: skip
        made[name] = archive(folder / name, (member, inner)), why
    made["link.zip"] = (
        archive(folder / "link.zip", ("a.geojson", b"/etc/passwd"), kind=stat.S_IFLNK | 0o777),
        "a link or a device",
    )
    made["vrt.zip"] = archive(folder / "vrt.zip", ("a.vrt", vrt.encode())), "instead of holding"
    laugh = (laughing() + KML.format(PLACEMARK.format("&l9;"))).encode()
    made["doc.kmz"] = archive(folder / "doc.kmz", ("doc.kml", laugh)), kind
    many = [(f"{n}.txt", b"") for n in range(hostile.MOST_MEMBERS + 1)]
    made["many.zip"] = archive(folder / "many.zip", *many), "members"
    endless = folder / "endless.gpkg"
    with sqlite3.connect(endless) as opened:
        opened.execute(
            "CREATE VIEW v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
            "SELECT x FROM c"
        )
    opened.close()
    made["endless.gpkg"] = endless, "a program, not a table"
    named = folder / "new\nline\x1b[31m.geojson"
    named.write_bytes(inner)
    made["name"] = named, "control characters"
    backwards = folder / "gnp.\u202egeojson"
    backwards.write_bytes(inner)
    made["backwards"] = backwards, "control characters"
    pipe = folder / "pipe.geojson"
    os.mkfifo(pipe)
    made["pipe"] = pipe, "no plain file"
    return made


def test_hostile_vector_files_are_refused(tmp_path: Path) -> None:
    for name, (path, why) in hostile_vectors(tmp_path).items():
        refused(hostile.vector_file, path, why)
        if name != "pipe":
            for door in VECTOR_DOORS.values():
                refused(door, path, why)


@pytest.mark.parametrize(
    "name", ["/vsicurl/http://127.0.0.1:1/a.tif", "/vsizip/a.zip/b.shp", "<OGRVRTDataSource/>"]
)
def test_names_that_are_instructions_to_gdal_are_no_files(name: str) -> None:
    for door in (*VECTOR_DOORS.values(), *RASTER_DOORS.values()):
        with pytest.raises(PermanentError):
            door(Path(name))
    with pytest.raises(HostileFile, match="no file on this machine"):
        hostile.plain_file(Path(name))


def test_a_device_that_never_ends_is_no_file() -> None:
    for door in (hostile.vector_file, hostile.read_json, hostile.read_toml):
        refused(door, Path("/dev/zero"), "no plain file")


def test_an_xml_schema_is_not_fetched(tmp_path: Path, rude: Any) -> None:
    rude.status("404 Not Found")
    path = tmp_path / "features.gml"
    path.write_text(
        '<ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="http://ogr.maptools.org/ http://127.0.0.1:{rude.port}/x.xsd" '
        'xmlns:gml="http://www.opengis.net/gml"><gml:featureMember><ogr:a fid="a">'
        "<ogr:geometryProperty>"
        '<gml:Point srsName="EPSG:4326"><gml:coordinates>7,46</gml:coordinates></gml:Point>'
        "</ogr:geometryProperty></ogr:a></gml:featureMember></ogr:FeatureCollection>",
        encoding="utf-8",
    )
    assert len(hostile.read_vector(path)) == 1
    assert rude.requests == []


def test_a_table_of_empty_cells_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "empty.parquet"
    monkeypatch.setattr(hostile, "MOST_ROWS", 1_000_000)
    pyarrow.parquet.write_table(pa.table({"a": pa.nulls(1_000_001, pa.int8())}), path)
    assert path.stat().st_size < 10_000
    refused(lambda one: list(read_maps(one, Reading())), path, "1,000,001 rows")
    refused(lambda one: read_inventory(one, "mapped", Layout()), path, "1,000,001 rows")


def test_honest_files_pass(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame({"name": ["a"]}, geometry=[box(7, 46, 7.1, 46.1)], crs=4326)
    for name in ("a.geojson", "a.gpkg", "a.shp", "a.fgb", "a.gml"):
        frame.to_file(tmp_path / name)
        (area,) = read_areas(tmp_path / name)
        assert area.equals(frame.geometry[0]), name
    frame.to_parquet(tmp_path / "a.parquet")
    assert hostile.parquet_file(tmp_path / "a.parquet")
    ring = " ".join(f"{x},{y}" for x, y in frame.geometry[0].exterior.coords)
    polygon = (
        "<Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>"
        f"{ring}</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>"
    )
    (tmp_path / "a.kml").write_text(f'<?xml version="1.0"?>\n{KML.format(polygon)}')
    (area,) = read_areas(tmp_path / "a.kml")
    assert area.equals(frame.geometry[0])
    parts = [(one.name, one.read_bytes()) for one in tmp_path.glob("a.sh*")]
    parts += [(f"a.{end}", (tmp_path / f"a.{end}").read_bytes()) for end in ("dbf", "prj")]
    (area,) = read_areas(archive(tmp_path / "a.zip", *parts))
    assert area.equals(frame.geometry[0])


# --- rasters


def tiff(path: Path, side: int, tile: int) -> Path:
    """Write a GeoTIFF byte for byte: its header claims what its few bytes do not hold."""
    piece = zlib.compress(b"")
    tags: list[tuple[int, int, int]] = [
        (256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1),
        (322, 4, tile), (323, 4, tile), (324, 4, 8), (325, 4, len(piece)),
    ]  # fmt: skip
    body = b"".join(
        struct.pack("<HHL", tag, kind, 1)
        + (struct.pack("<L", value) if kind == 4 else struct.pack("<HH", value, 0))
        for tag, kind, value in tags
    )
    directory = struct.pack("<H", len(tags)) + body + bytes(4)
    path.write_bytes(b"II*\x00" + struct.pack("<L", 8 + len(piece)) + piece + directory)
    return path


def png(path: Path, side: int) -> Path:
    """Write a PNG of zeros that unpacks to side x side bytes."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">L", zlib.crc32(name + content))
        return struct.pack(">L", len(content)) + name + content + check

    header = struct.pack(">LLBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    return path


def pointing_raster(folder: Path) -> Path:
    path = folder / "elevation.tif"
    path.write_text(
        '<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1" '
        'subClass="VRTDerivedRasterBand"><PixelFunctionType>f</PixelFunctionType>'
        "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionCode>"
        "import os; os.system('true')</PixelFunctionCode></VRTRasterBand></VRTDataset>",
        encoding="utf-8",
    )
    return path


def test_hostile_rasters_are_refused(tmp_path: Path) -> None:
    wms = tmp_path / "service.tif"
    wms.write_text("<GDAL_WMS><Service name='TMS'/></GDAL_WMS>", encoding="utf-8")
    index = tmp_path / "index.tif"
    index.write_text("<GDALTileIndexDataset/>", encoding="utf-8")
    for path, why in (
        (tiff(tmp_path / "giant.tif", 10**6, 512), "claims 1,000,000 x 1,000,000 pixels"),
        (tiff(tmp_path / "piece.tif", 32_768, 32_768), "pieces are"),
        (pointing_raster(tmp_path), "instead of holding data"),
        (wms, "instead of holding data"),
        (index, "instead of holding data"),
    ):
        for door in RASTER_DOORS.values():
            refused(door, path, why)


def test_pictures_that_unpack_without_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile, "MOST_BYTES", 20_000_000)
    path = png(tmp_path / "picture.png", 5_000)
    assert path.stat().st_size < 30_000
    with (
        pytest.raises(HostileFile, match="to be read at once"),
        hostile.open_raster(path, whole=True),
    ):
        pass


def test_gdal_reads_the_rasters_it_is_given_in_known_formats_only(tmp_path: Path) -> None:
    """The content check aside: GDAL itself knows no driver that points elsewhere."""
    path = pointing_raster(tmp_path)
    with pytest.raises(rasterio.errors.RasterioIOError):
        rasterio.io.DatasetReader(path, driver=list(hostile.RASTER_DRIVERS))
    pointing = {"VRT", "DERIVED", "WMS", "WMTS", "WCS", "STACTA", "STACIT", "GTI", "GDALG", "HTTP"}
    assert not pointing & {*hostile.RASTER_DRIVERS, *hostile.REMOTE_DRIVERS}
    assert not {"OGR_VRT", "GDALG", "WFS", "OAPIF", "CSW", "HTTP"} & hostile.VECTOR_DRIVERS


# --- documents and weights


def test_documents_nested_without_end_are_refused(tmp_path: Path) -> None:
    deep = tmp_path / "deep.geojson"
    deep.write_text('{"type":"Feature","geometry":' + "[" * 200_000 + "]" * 200_000 + "}")
    import datetime

    refused(lambda p: read_region(p, datetime.datetime.now(datetime.UTC)), deep, "nested too deep")
    with pytest.raises(ConfigurationError, match="nested too deep"):
        examine(deep)
    with pytest.raises(InvalidMap, match="nest"):
        read_areas(deep)
    table = tmp_path / "deep.toml"
    table.write_text("a = " + "[" * 100_000 + "]" * 100_000)
    refused(read_mapping, table, "nested too deep")


def test_documents_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.toml"
    path.write_text("a = 1\n" + "# \n" * 500_000)
    refused(read_mapping, path, "larger than 1 MB")
    monkeypatch.setattr(hostile, "MOST_JSON", 10)
    path = tmp_path / "long.json"
    path.write_text(" " * 20)
    refused(lambda one: hostile.read_json(one, 10), path, "larger than")


class Trigger:
    """What a pickle runs when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_weights_are_numbers_and_never_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "epoch.pt").write_bytes(pickle.dumps(Trigger(ran), protocol=2))
    with pytest.raises(PermanentError):
        resume(tmp_path / "epoch.pt", "key", training=None)  # type: ignore[arg-type]
    assert not ran.exists()


def test_weights_lie_beside_their_description(tmp_path: Path) -> None:
    import detectors.weights

    source = detectors.weights.MODELS / "landslide-rgb" / "model.json"
    document = json.loads(source.read_text(encoding="utf-8"))
    first = next(iter(document["assets"].values()))
    for href in ("../../other.safetensors", "/etc/passwd", "a/b.safetensors"):
        first["href"] = href
        (tmp_path / "m").mkdir(exist_ok=True)
        (tmp_path / "m" / "model.json").write_text(json.dumps(document), encoding="utf-8")
        with pytest.raises(InvalidWeights, match="no file beside it"):
            describe("m", tmp_path)


def test_a_name_with_colours_reaches_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2J\n.csv"
    path.write_text("{}")
    said = CliRunner().invoke(app, ["metrics", "--confusion", str(path)])
    assert said.exit_code == 1, said.output
    assert "control characters" in " ".join(said.output.split())
    assert "\x1b[2J" not in said.output


def test_every_reader_of_foreign_files_goes_through_one_door() -> None:
    """A new call of GDAL on a name that somebody typed has to be one of these."""
    own = {
        # What the product wrote itself a moment ago, or writes.
        "archive/cogs.py", "export_files.py", "inventory_masks.py", "own_example.py", "own_map.py",
        "composites.py", "hillshades.py", "raster_maps.py", "simulated_truth.py", "stacks.py",
        "terrain_maps.py",
        # Bounded and with drivers named, remotely or in memory.
        "rasters.py", "catalogs/sentinel_hub/pixels.py", "hostile.py",
        # By paths that ``vector_file`` gave.
        "maps.py", "inventory_files.py", "raster_lines.py",
    }  # fmt: skip
    flows = Path(hostile.__file__).parent
    opening = (
        "rasterio.open(",
        "DatasetReader(",
        "pyogrio.read_",
        "pyogrio.list_layers(",
        "read_file(",
    )
    found = {
        str(path.relative_to(flows))
        for path in flows.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in opening)
    }
    assert found <= own, found - own


def test_bounds_name_both_kinds_of_error() -> None:
    assert issubclass(HostileFile, UnreadableRaster)
    assert issubclass(HostileFile, InvalidMap)
