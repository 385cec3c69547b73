"""Input nobody should hand in: honest documents and files, spoilt at random; a seed repeats each.

A door is what reads them for us; whatever it takes is stored in a database too, in a transaction
that is rolled back, since what passes the door and cannot be stored is a fault as well.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
from affine import Affine
from shapely.geometry import MultiPolygon, Polygon, box

ROOT = Path(__file__).resolve().parents[2]
#: What stands where something else should.
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, -1e-308, 2**63, 2**200, -(2**70), float("nan"), float("inf"),
    "", " ", "\0", "a\0b", "\ud800", "\u202e", "x" * 5000, "NaN", "-0", "1e999", "None", "../..",
    "/vsicurl/http://127.0.0.1:1/", "file:///etc/passwd", "http://[", "s3://", "'; --", "%s%n",
    "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "2023-01-01T00:00:00", "2023-13-45",
    "2023-01-01T00:00:00+99:99", "0001-01-01T00:00:00Z", "1e5", [], {}, [[]], [None], [0] * 2000,
    {"": None}, {"type": "Polygon"}, [{}, []], "EPSG:4326", "EPSG:999999", "urn:x", "PT-1S", "P9Y",
    {"type": "Polygon", "coordinates": [[[0, 0], [0, 0], [0, 0], [0, 0]]]},
    {"type": "Polygon", "coordinates": [[[181, 91], [-181, 91], [0, -91], [181, 91]]]},
    {"type": "Polygon", "coordinates": [[["a", "b"], ["c", "d"], ["e", "f"], ["a", "b"]]]},
    {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]},
    {"type": "MultiPolygon", "coordinates": []}, {"type": "Point", "coordinates": [1e400, 0]},
    {"type": "GeometryCollection", "geometries": []},
)  # fmt: skip


def spoil_json(document: Any, chance: random.Random, least: int = 1) -> Any:
    """Return a document with some values replaced, taken away, repeated or swapped."""
    spoilt = copy.deepcopy(document)
    for _ in range(chance.randint(least, 5)):
        places = list(_places(spoilt))
        if not places:
            return chance.choice(STRANGE)
        holder, key = chance.choice(places)
        how = chance.random()
        if how < 0.6:
            holder[key] = copy.deepcopy(chance.choice(STRANGE))
        elif how < 0.8:
            del holder[key]
        elif how < 0.9:
            other, its = chance.choice(places)
            try:
                holder[key] = copy.deepcopy(other[its])
            except (KeyError, IndexError, TypeError):
                holder[key] = None
        elif isinstance(holder, list):
            holder += copy.deepcopy(holder[:3])
        else:
            holder[chance.choice(("id", "type", "\0", "x" * 300))] = holder[key]
    return spoilt


def _places(document: Any, depth: int = 0) -> Any:
    if depth > 12:
        return
    inside = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(inside):
        yield document, key
        if isinstance(value, dict | list):
            yield from _places(value, depth + 1)


def spoil_bytes(content: bytes, chance: random.Random) -> bytes:
    """Return a file with bytes flipped, cut out, put in, or its end missing."""
    spoilt = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        if not spoilt:
            break
        # Headers decide more than what follows.
        top = len(spoilt) if chance.random() < 0.5 else min(len(spoilt), 512)
        at, how = chance.randrange(top), chance.random()
        if how < 0.5:
            spoilt[at] = chance.randrange(256)
        elif how < 0.65:
            spoilt[at : at + 4] = chance.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")
            )
        elif how < 0.8:
            del spoilt[at : at + chance.randint(1, 64)]
        elif how < 0.9:
            spoilt[at:at] = chance.randbytes(chance.randint(1, 64))
        elif how < 0.97:
            spoilt[at : at + 64] = spoilt[: chance.randint(1, 64)]
        else:
            del spoilt[at:]
    return bytes(spoilt)


def as_bytes(document: Any, chance: random.Random) -> bytes:
    """Write JSON, and now and then spoil what was written."""
    content = json.dumps(document).encode("utf-8", "surrogatepass")
    return spoil_bytes(content, chance) if chance.random() < 0.3 else content


@cache
def items() -> list[dict[str, Any]]:
    """Return honest STAC items: of the archive that ships, and recorded ones."""
    found = [
        json.loads(p.read_bytes())
        for p in sorted((ROOT / "infra/demo/archive/items").glob("*.json"))[:5]
    ]
    for path in sorted((ROOT / "tests/flows/recorded").glob("*.json")):
        document = json.loads(path.read_bytes())
        if isinstance(document, dict) and document.get("type") == "Feature":
            found.append(document)
        for inside in (
            document,
            document.get("response", {}) if isinstance(document, dict) else {},
        ):
            if isinstance(inside, dict) and isinstance(inside.get("features"), list):
                found += inside["features"][:2]
    for number, one in enumerate(found):
        # Where it was recorded: relative addresses begin there.
        one.setdefault("links", []).append({"rel": "self", "href": f"https://h.example/{number}"})
    return found


REGION: Mapping[str, Any] = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [[[7, 46], [8, 46], [8, 47], [7, 46]]]},
    "properties": {
        "id": "valley", "name": "Valley", "sources": ["local/slide"], "min_area_m2": 2000,
        "priority": 3, "poll_every_minutes": 60, "tags": ["a"], "detectors": ["sar_log_ratio"],
        "watch_from": "2023-01-01T00:00:00Z", "windows": ["05/10"], "sensors": ["sar"],
        "alert_from": "likely", "requests_a_month": 1000, "simulated": True,
    },
}  # fmt: skip

EARTHQUAKES: Mapping[str, Any] = {
    "type": "FeatureCollection", "metadata": {"count": 2}, "features": [
        {"type": "Feature", "id": f"us{n}", "geometry": {
            "type": "Point", "coordinates": [7.5, 46.5, 10.0]},
         "properties": {"mag": 6.1, "time": 1_700_000_000_000, "updated": 1_700_000_100_000,
                        "title": "M 6.1", "status": "reviewed", "type": "earthquake"}}
        for n in range(2)
    ],
}  # fmt: skip

CAP = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>a-1</identifier>
<sender>met@example.org</sender><sent>2024-05-01T10:00:00+00:00</sent><status>Actual</status>
<msgType>Alert</msgType><scope>Public</scope><references>s,b,2024-05-01T09:00:00+00:00</references>
<info><language>en</language><category>Geo</category><event>Landslide</event>
<urgency>Immediate</urgency><severity>Severe</severity><certainty>Likely</certainty>
<onset>2024-05-01T12:00:00+00:00</onset><expires>2024-05-03T12:00:00+00:00</expires>
<headline>Rain</headline><area><areaDesc>Valley</areaDesc>
<polygon>46,7 46,8 47,8 46,7</polygon><circle>46.5,7.5 20</circle></area></info></alert>"""
ATOM = f"""<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom">
<id>f</id><entry><id>e1</id><content type="text/xml">{CAP.partition("?>")[2]}</content></entry>
<entry><id>e2</id><link type="application/cap+xml" href="/one.cap"/></entry></feed>"""

SETTINGS = """
exercise = true
history = "P500D"
lease = "PT15M"
deliver_every = "PT1M"
keep_composites_days = 30
operators = ["hook"]
[catalogues.local]
kind = "stac"
url = "http://127.0.0.1:1"
published_property = "published"
window = "P30D"
attempts = 2
[channels.hook]
url = "http://127.0.0.1:1/alerts"
exercise = true
languages = ["en"]
[subscribers.team]
channels = ["hook"]
areas = ["region:slope", "tag:a"]
budget = 3
zone = "Europe/Oslo"
quiet = { start = "22:00", end = "06:00" }
[cap]
sender = "x.example.org"
languages = ["en", "nb"]
[quota]
requests_a_month = 100
[triggers.quakes]
kind = "earthquakes"
url = "http://127.0.0.1:1/feed"
[feed]
keep = "P90D"
"""
WORDS = (
    "-1", "0", "1e400", "nan", "inf", "true", '""', '"\\u0000"', "[]", "{}", '"x"', '["", 1]',
    '"P-1D"', '"PT0S"', '"P99999999999D"', '"ftp://"', '"http://["', "99999999999999999999",
    "1979-05-27T07:32:00Z", '"Mars/Olympus"', '{ a = { b = 1 } }', '"../../x"', '"file:x"',
)  # fmt: skip


def spoil_text(text: str, chance: random.Random, words: tuple[str, ...] = ()) -> bytes:
    """Return lines taken away, repeated, given other values; now and then bytes are spoilt too."""
    lines = text.splitlines()
    for _ in range(chance.randint(1, 3)):
        at, how = chance.randrange(len(lines)), chance.random()
        name, equals, _ = lines[at].partition("=")
        if how < 0.6 and equals and words:
            lines[at] = f"{name}= {chance.choice(words)}"
        elif how < 0.75:
            lines[at] = chance.choice(lines)
        elif how < 0.85:
            lines[at] = ""
        else:
            lines.insert(at, f"{chance.choice(('url', 'x', 'home'))} = {chance.choice(words)}"
                         if words else chance.choice(lines))  # fmt: skip
    content = "\n".join(lines).encode()
    return spoil_bytes(content, chance) if chance.random() < 0.3 else content


def spoil_xml(text: str, chance: random.Random) -> bytes:
    """Return a message with other words in its elements, or spoilt bytes."""
    spoilt = text
    for _ in range(chance.randint(1, 4)):
        ends = [i for i, letter in enumerate(spoilt) if letter == ">"][:-1]
        at = chance.choice(ends) + 1
        until = spoilt.find("<", at)
        how = chance.random()
        if how < 0.6 and until >= 0:
            word = str(chance.choice(STRANGE))[:400]
            spoilt = spoilt[:at] + word.replace("&", "").replace("<", "") + spoilt[until:]
        elif how < 0.8:
            other = chance.choice(ends) + 1
            spoilt = spoilt[: min(at, other)] + spoilt[max(at, other) :]
        else:
            other = chance.choice(ends) + 1
            spoilt = spoilt[:at] + spoilt[min(at, other) : max(at, other)] + spoilt[at:]
    content = spoilt.encode("utf-8", "surrogatepass")
    return spoil_bytes(content, chance) if chance.random() < 0.25 else content


#: Formats of vector files, by the end of their name.
VECTORS = {
    "geojson": "GeoJSON", "gpkg": "GPKG", "kml": "KML", "gml": "GML", "fgb": "FlatGeobuf",
    "csv": "CSV", "shp": "ESRI Shapefile", "tab": "MapInfo File", "parquet": "",
}  # fmt: skip


def honest_vectors(folder: Path) -> dict[str, Path]:
    """Write one honest inventory in every format."""
    shapes = [box(7 + n / 10, 46, 7.01 + n / 10, 46.01) for n in range(4)]
    shapes[2] = MultiPolygon([shapes[2], box(7.5, 46.5, 7.51, 46.51)])
    frame = geopandas.GeoDataFrame(
        {
            "event_date": ["2008-10-08", "2008", "8/1/2008", "2008-10-08T10:00:00Z"],
            "event_id": ["1", "2", "3", "4"], "accuracy_m": [5.0, 10.0, 1e3, 2.5],
        },
        geometry=shapes, crs=4326,
    )  # fmt: skip
    made = {}
    for end, driver in VECTORS.items():
        path = folder / f"honest.{end}"
        if end == "parquet":
            frame.to_parquet(path)
        elif end == "csv":
            frame.assign(lon=7.1, lat=46.2).drop(columns="geometry").to_csv(path)
        else:
            frame.to_file(path, driver=driver)
        made[end] = path
    return made


def spoilt_vector(made: Mapping[str, Path], folder: Path, chance: random.Random) -> Path:
    """Write a spoilt copy of one of them, with the files beside it."""
    end = chance.choice(sorted(made))
    honest, path = made[end], folder / f"case.{end}"
    siblings = sorted(honest.parent.glob("honest.*")) if end in {"shp", "tab"} else [honest]
    for one in siblings:
        if end == "shp" and one.suffix not in {".shp", ".shx", ".dbf", ".prj", ".cpg"}:
            continue
        if end == "tab" and one.suffix not in {".tab", ".dat", ".map", ".id"}:
            continue
        shutil.copyfile(one, folder / f"case{one.suffix}")
    victim = chance.choice(sorted(folder.glob("case.*")))
    content = victim.read_bytes()
    if end == "geojson" and chance.random() < 0.7:
        victim.write_bytes(as_bytes(spoil_json(json.loads(content), chance), chance))
    elif end in {"kml", "gml"} and chance.random() < 0.6:
        victim.write_bytes(spoil_xml(content.decode(), chance))
    elif end == "csv" and chance.random() < 0.7:
        cells = content.decode().split(",")
        for _ in range(3):
            cells[chance.randrange(len(cells))] = str(chance.choice(STRANGE))[:300]
        victim.write_bytes(",".join(cells).encode("utf-8", "surrogatepass"))
    else:
        victim.write_bytes(spoil_bytes(content, chance))
    return path


def honest_raster(path: Path, chance: random.Random, *, odd: bool) -> Path:
    """Write a small radar layer; an odd one has another type, system, grid, size or no-data."""
    height, width = (chance.choice((1, 2, 63, 64)) for _ in range(2)) if odd else (64, 64)
    profile: dict[str, Any] = {
        "driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": "float32",
        "crs": "EPSG:32611", "transform": Affine(30, 0, 240_000, 0, -30, 3_850_000),
        "nodata": np.nan, "tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate",
    }  # fmt: skip
    if odd:
        for name, values in {
            "dtype": ("uint8", "int16", "float64", "complex64", "int8", "uint16", "float32"),
            "crs": (None, "EPSG:4326", "EPSG:3857", "EPSG:32711", "EPSG:2056", "EPSG:32611",
                    "+proj=ortho +lat_0=90"),
            "transform": (
                Affine(30, 0, 240_000, 0, 30, 0), Affine(30, 5, 0, 5, -30, 0), Affine.identity(),
                Affine(1e-9, 0, 0, 0, -1e-9, 0), Affine(1e12, 0, 0, 0, -1e12, 0),
                Affine(30, 0, np.inf, 0, -30, 0), Affine(np.nan, 0, 0, 0, -30, 0),
                Affine(30, 0, 240_000, 0, -30, 3_850_000),
            ),
            "nodata": (None, 0, np.inf, 255, np.nan), "count": (1, 2, 9),
            "compress": ("lzw", "deflate", None, "packbits"),
        }.items():  # fmt: skip
            if chance.random() < 0.5:
                profile[name] = chance.choice(values)
    if np.dtype(profile["dtype"]).kind in "iu":
        profile["nodata"] = 0 if profile["nodata"] is not None else None
    if np.dtype(profile["dtype"]).kind == "c":
        profile["nodata"] = None
    values = np.random.default_rng(chance.randrange(2**32)).gamma(4, 0.05, (height, width))
    values = values * chance.choice((1, -1, 1e30, 0)) if odd else values
    with np.errstate(all="ignore"), rasterio.open(path, "w", **profile) as out:
        for band in range(1, profile["count"] + 1):
            out.write(values.astype(profile["dtype"]), band)
    return path


def outline() -> Polygon:
    """Return the ground of the honest raster, roughly, EPSG:4326."""
    return box(-119.9, 34.7, -119.8, 34.8)


type Reader = Callable[[Any], object]
