"""Files that were made to do harm, refused before anything reads them.

Whatever a person or a catalogue hands in passes here first: names, archives, XML, JSON, TOML,
vector files and rasters. A refusal is a ``HostileFile`` that names the file and the bound. The
bounds lie far above what honest data need, and keep memory and time below what a machine has.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
import stat
import tomllib
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from xml.parsers import expat

from detectors.errors import HostileFile

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

#: Raster formats that hold pixels. Left out is whatever points elsewhere or computes: VRT and its
#: functions, tile indices, web services, archives of other files.
RASTER_DRIVERS = (
    "GTiff", "COG", "PNG", "JPEG", "JP2OpenJPEG", "HFA", "AAIGrid", "ENVI", "EHdr", "SRTMHGT",
    "USGSDEM", "DTED", "GPKG", "XYZ",
)  # fmt: skip
#: Of remote looks: what the catalogues deliver.
REMOTE_DRIVERS = ("GTiff", "COG", "JP2OpenJPEG")
#: Vector formats, by the name OGR gives them.
VECTOR_DRIVERS = frozenset(
    {
        "GPKG", "SQLite", "GeoJSON", "GeoJSONSeq", "TopoJSON", "ESRIJSON", "JSONFG", "FlatGeobuf",
        "ESRI Shapefile", "KML", "LIBKML", "GML", "GPX", "GeoRSS", "CSV", "OSM", "MapInfo File",
        "DXF", "ODS", "XLSX",
    }
)  # fmt: skip
#: Pixels of one band, read window by window: 100,000 x 100,000.
MOST_PIXELS = 10**10
#: Bytes of all bands where a file is read at once.
MOST_BYTES = 2 * 10**9
#: Bytes of the piece a file can be read by: whoever wants one pixel gets all of it.
MOST_BLOCK_BYTES = 256 * 2**20
#: Members of an archive, their bytes unpacked, and how often larger they may be than packed once
#: they are more than ``_SMALL``.
MOST_MEMBERS = 2_000
MOST_UNPACKED = 4 * 10**9
MOST_RATIO = 100
_SMALL = 50 * 10**6
#: Rows of a table that may be empty cells from end to end.
MOST_ROWS = 50_000_000
#: Bytes of a document that is read as a whole: JSON, TOML.
MOST_JSON = 200 * 10**6
MOST_TOML = 10**6
#: By these GDAL knows a document that names others, a service, or an algorithm to run, wherever
#: they stand in the beginning of a file.
_POINTERS = (
    b"<OGRVRTDataSource", b"<VRTDataset", b"<GDALTileIndexDataset", b"<GDAL_WMS", b"<WMT_MS_",
    b"<OGRWFSDataSource", b"<WCS_GDAL", b"<GDAL_WMTS", b"<OGCAPI", b"<Ogr2ogr", b"<OWSContext",
    b"gdal_streamed_alg", b"<TileMapService",
)  # fmt: skip
_POINTERS_LOW = tuple(one.lower() for one in _POINTERS)
_HEAD = 64 * 1024
_XML_SUFFIXES = frozenset({".kml", ".gml", ".gpx", ".xml", ".osm", ".rss", ".atom"})
_ARCHIVES = frozenset({".zip", ".kmz", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".zst", ".rar"})
_BEGINS_XML = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\x00]*<")


def plain_file(path: Path) -> Path:
    """Return a path that names one file on this machine's disks and nothing else, absolute.

    Raises:
        HostileFile: the name reads as an instruction to GDAL or a terminal, or there lies no plain
            file.
    """
    text = str(path)
    if any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for letter in text):
        raise HostileFile(f"{_shown(path)}: a name with control characters; rename the file")
    if text.startswith(("/vsi", "//vsi", "<")) or "://" in text:
        raise HostileFile(f"{text}: no file on this machine; fetch it first, and name the copy")
    # What is not there harms nobody: whoever reads it says so.
    if path.exists() and not path.is_file():
        raise HostileFile(f"{text} cannot be read: no plain file")
    return path.absolute()


def vector_file(path: Path) -> Path:
    """Return the absolute path of a vector file that OGR may open.

    Raises:
        HostileFile: it is none, points elsewhere, is an archive bomb or defines XML entities.
    """
    found = plain_file(path)
    if not found.exists():
        return found
    with found.open("rb") as file:
        _check_content(file, found.name)
        file.seek(0)
        packed = file.read(4) in {b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"}
        file.seek(0)
        database = file.read(16) == b"SQLite format 3\x00"
    if packed:
        check_archive(found)
    if database:
        _check_database(found)
    return found


def parquet_file(path: Path) -> Path:
    """Return the absolute path of a Parquet file whose columns fit into memory.

    Raises:
        HostileFile: its footer claims more.
        ValueError, OSError: it is none.
    """
    import pyarrow.parquet

    found = plain_file(path)
    told = pyarrow.parquet.read_metadata(found)
    unpacked = sum(told.row_group(n).total_byte_size for n in range(told.num_row_groups))
    if unpacked > MOST_UNPACKED or told.num_rows > MOST_ROWS:
        raise HostileFile(f"{path.name}: {told.num_rows:,} rows, {unpacked / 1e6:,.0f} MB unpacked")
    return found


def read_geoparquet(path: Path) -> Any:
    """Return the rows of a GeoParquet file as geopandas reads them.

    Raises:
        HostileFile: see ``parquet_file``.
        ValueError, OSError: it is none, or what it says of its geometry is broken.
    """
    import geopandas
    from pyproj.exceptions import ProjError
    from shapely.errors import ShapelyError

    try:
        return geopandas.read_parquet(parquet_file(path))
    except (
        LookupError, TypeError, AttributeError, NotImplementedError, ProjError, ShapelyError
    ) as error:  # fmt: skip
        raise ValueError(f"what it says of its geometry is broken: {error!r:.300}") from None


def read_vector(path: Path, layer: str | None = None) -> Any:
    """Return a layer of a vector file as geopandas reads it, a table where it has no places.

    Raises:
        HostileFile: see ``vector_file``; or OGR takes it for a format that is not read here.
        DataSourceError, DataLayerError, ValueError: it is damaged, or no vector file.
    """
    import pyogrio
    from shapely.errors import ShapelyError

    source = vector_file(path)
    # Else the document could name a schema on any server, and OGR would fetch it.
    pyogrio.set_gdal_config_options({"GML_DOWNLOAD_SCHEMA": "NO"})
    try:
        driver = pyogrio.read_info(source, layer=layer)["driver"]
    except UnboundLocalError as error:  # pyogrio's own, after a CRS whose name is no text
        raise ValueError("its coordinate reference system is no text") from error
    if driver not in VECTOR_DRIVERS:
        raise HostileFile(f"{path.name}: the format {driver} is not read here; convert it first")
    try:
        return pyogrio.read_dataframe(source, layer=layer)
    except ShapelyError as error:  # a shape that OGR lets pass and GEOS does not
        raise ValueError(f"a shape is none: {error}") from None


def _check_database(path: Path) -> None:
    """Refuse what makes reading a table of GeoPackage or SQLite run a program without end."""
    asked = (
        "SELECT name FROM sqlite_master WHERE (type = 'view' AND sql LIKE '%recursive%') "
        "OR (sql LIKE 'create virtual table%' AND sql NOT LIKE '%using%rtree%')"
    )
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
            found = opened.execute(asked).fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise HostileFile(f"{path.name}: no database that can be read ({error})") from None
    if found:
        raise HostileFile(f"{path.name}: {found[0]!r} is a program, not a table; export the table")


def check_archive(path: Path) -> None:
    """Refuse a zip archive that is a bomb, or whose members want to lie elsewhere.

    Raises:
        HostileFile: what is wrong with which member.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise HostileFile(f"{path.name}: {len(members)} members, at most {MOST_MEMBERS}")
            unpacked = sum(one.file_size for one in members)
            most = max(_SMALL, MOST_RATIO * size)
            if unpacked > min(most, MOST_UNPACKED):
                raise HostileFile(
                    f"{path.name}: unpacks to {unpacked / 1e6:,.0f} MB out of {size / 1e6:,.1f} MB"
                )
            if sum(one.compress_size for one in members) > size:
                raise HostileFile(f"{path.name}: its members overlap")
            for one in members:
                _check_member(archive, one, path.name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise HostileFile(f"{path.name}: no archive that can be read ({error})") from None


def _check_member(archive: zipfile.ZipFile, one: zipfile.ZipInfo, where: str) -> None:
    name = one.orig_filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if (
        not parts or ".." in parts or parts[0] == "/" or ":" in parts[0]
        or any(unicodedata.category(letter) in {"Cc", "Cf"} for letter in name)
    ):  # fmt: skip
        raise HostileFile(f"{where}: a member wants to lie outside, {name!r}")
    kind = one.external_attr >> 16
    if kind and stat.S_IFMT(kind) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise HostileFile(f"{where}: {name!r} is a link or a device")
    if one.is_dir():
        return
    if one.flag_bits & 1:
        raise HostileFile(f"{where}: {name!r} has a password")
    if PurePosixPath(name).suffix.lower() in _ARCHIVES:
        raise HostileFile(f"{where}: an archive in the archive, {name!r}")
    with archive.open(one) as file:
        _check_content(file, f"{where}/{name}")


def _check_content(file: IO[bytes], where: str) -> None:
    """Refuse what points elsewhere, and XML that defines something of its own."""
    head = file.read(_HEAD)
    plain = head.replace(b"\x00", b"").lower()
    for mark in _POINTERS_LOW:
        if mark in plain:
            raise HostileFile(
                f"{where}: names other files, services or algorithms instead of holding data "
                f"({mark.decode().lstrip('<')})"
            )
    if PurePosixPath(where).suffix.lower() in _XML_SUFFIXES or _BEGINS_XML.match(head):
        _check_xml(head, file, where)


def _check_xml(head: bytes, file: IO[bytes], where: str) -> None:
    """Refuse a document type: it may define entities that grow, or that read other files."""
    begun = False

    def refuse(*_: Any) -> None:
        raise HostileFile(f"{where}: XML with a document type; remove <!DOCTYPE ...> and entities")

    def begin(*_: Any) -> None:
        nonlocal begun
        begun = True

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler = begin
    chunk, read = head, 0
    try:
        # A document type stands before the first element.
        while chunk and not begun and read < MOST_TOML:
            parser.Parse(chunk, False)
            read += len(chunk)
            chunk = file.read(_HEAD)
    except expat.ExpatError:
        return  # no XML at all: whoever reads it says so
    except (LookupError, ValueError) as error:
        # Another reader may know it, and see a document type where we see none.
        raise HostileFile(f"{where}: XML in an encoding that cannot be read: {error}") from None
    if not begun and read >= MOST_TOML:
        raise HostileFile(f"{where}: no element in its first {MOST_TOML:,} bytes")


def read_json(path: Path, most: int = MOST_JSON) -> Any:
    """Read a JSON document.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON.
        HostileFile: it is larger than ``most`` bytes, or nested without end.
    """
    return parse_json(_bounded(path, most), path.name)


def parse_json(content: bytes, where: str) -> Any:
    """Return what a JSON text says; for the errors see ``read_json``."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise HostileFile(f"{where}: nested too deep") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML document; for the errors see ``read_json``."""
    try:
        return tomllib.loads(_bounded(path, MOST_TOML).decode("utf-8-sig"))
    except RecursionError:
        raise HostileFile(f"{path.name}: nested too deep") from None


def _bounded(path: Path, most: int) -> bytes:
    with plain_file(path).open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise HostileFile(f"{path.name}: larger than {most / 1e6:,.0f} MB")
    return content


@contextmanager
def open_raster(path: Path, *, whole: bool = False) -> Iterator[DatasetReader]:
    """Open a raster that a person named.

    Args:
        path: the file.
        whole: it is going to be read at once, not window by window.

    Raises:
        HostileFile: no plain file, a format that points elsewhere, or beyond all bounds.
        RasterioError: it is damaged, or no raster.
    """
    # GDAL takes a second to load, which a list of regions need not wait for.
    import rasterio

    found = plain_file(path)
    if found.exists():
        with found.open("rb") as file:
            _check_content(file, found.name)
    with rasterio.Env(), open_dataset(found, RASTER_DRIVERS) as dataset:
        check_raster_size(dataset, path.name, whole=whole)
        yield dataset


def open_dataset(place: str | Path, drivers: Iterable[str]) -> DatasetReader:
    """Return a raster as rasterio opens it, by these drivers alone.

    Raises:
        RasterioIOError: it is damaged, or none of them takes it.
    """
    from rasterio.errors import RasterioIOError
    from rasterio.io import DatasetReader

    try:
        # Unlike ``rasterio.open``, the reader itself takes more than one driver.
        return DatasetReader(place, driver=list(drivers))
    except UnicodeDecodeError as error:
        raise RasterioIOError("its header is no text") from error


def check_raster_size(dataset: DatasetReader, where: str, *, whole: bool = False) -> None:
    """Refuse a raster whose header claims more than can be read, or a place that is none.

    Raises:
        HostileFile: too many pixels, too much to read at once, too large a piece, or a transform
            that holds what is no number, or leaves pixels without area.
    """
    if not all(map(math.isfinite, dataset.transform[:6])):
        raise HostileFile(f"{where}: its place is not given by numbers; georeference it")
    if dataset.transform.is_degenerate:
        raise HostileFile(f"{where}: its pixels have no area; georeference it")
    height, width = dataset.shape
    if height * width > MOST_PIXELS:
        raise HostileFile(
            f"{where}: claims {width:,} x {height:,} pixels; at most {math.isqrt(MOST_PIXELS):,} "
            "a side are read, so cut it"
        )
    sizes = [_item_bytes(kind) for kind in dataset.dtypes]
    if whole and (bytes_ := height * width * sum(sizes)) > MOST_BYTES:
        raise HostileFile(
            f"{where}: {bytes_ / 1e9:,.1f} GB to be read at once; at most {MOST_BYTES / 1e9:g}, "
            "so cut it"
        )
    for (rows, columns), size in zip(dataset.block_shapes, sizes, strict=True):
        if rows * columns * size > MOST_BLOCK_BYTES:
            raise HostileFile(
                f"{where}: its pieces are {columns:,} x {rows:,} pixels each; rewrite it with tiles"
            )


def _item_bytes(kind: str) -> int:
    """Return the bytes of one number, as rasterio names its type."""
    bits = re.search(r"(\d+)$", kind)
    return max(1, int(bits[1]) // 8) if bits else 8


def _shown(path: Path) -> str:
    """Return a name as Python writes it where it would do something to a terminal."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
