"""A stand-in for Sentinel Hub on loopback: OAuth, Catalog API 1.0.0, Process API.

It refuses what the service's documentation says the service refuses, renders scenes made of a
formula into real TIFFs (or a tar of them), evaluating the evalscript it was sent, and misbehaves on
command. Nothing here shares code with what it tests.
"""

from __future__ import annotations

import io
import json
import math
import re
import socket
import struct
import tarfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from affine import Affine
from rasterio.features import geometry_mask
from rasterio.io import MemoryFile
from rasterio.warp import transform_geom
from shapely.geometry import box, shape

CATALOG = "/api/v1/catalog/1.0.0"
PROCESS, TOKEN = "/api/v1/process", "/auth/token"
CLIENT_ID, CLIENT_SECRET = "sh-0f5e-client", "s3cr3t/of+the=client"
LARGEST, COARSEST_M = 2500, 1500.0
QUOTA = {
    "error": {
        "status": 403, "reason": "Forbidden",
        "message": "Insufficient processing units or requests available in your account.",
        "code": "ACCESS_INSUFFICIENT_PROCESSING_UNITS",
    }
}  # fmt: skip
#: What bands there are, and in which units they may be asked for.
BANDS = {
    "sentinel-1-grd": {band: {"LINEAR_POWER"} for band in ("VV", "VH")}
    | {band: {"DN"} for band in ("localIncidenceAngle", "shadowMask", "dataMask")},
    "sentinel-2-l2a": {band: {"REFLECTANCE", "DN"} for band in ("B02", "B03", "B04", "B08")}
    | {"SCL": {"DN"}, "CLD": {"PERCENT"}, "dataMask": {"DN"}},
}
PROCESSING = {
    "sentinel-1-grd": {"backCoeff", "orthorectify", "demInstance", "upsampling", "speckleFilter",
                       "radiometricTerrainOversampling"},
    "sentinel-2-l2a": {"harmonizeValues", "upsampling", "downsampling"},
}  # fmt: skip
FILTERS = {
    "sentinel-1-grd": {"timeRange", "mosaickingOrder", "acquisitionMode", "polarization",
                       "resolution", "orbitDirection", "timeliness"},
    "sentinel-2-l2a": {"timeRange", "mosaickingOrder", "maxCloudCoverage"},
}  # fmt: skip


@dataclass
class Fault:
    """Something that goes wrong once."""

    status: int = 0
    """Answer this instead; 0 = as it should be."""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drip_s: float = 0.0
    """Seconds between one byte and the next."""
    cut: bool = False
    content_type: str | None = None
    replace: bytes | None = None
    """Answer these bytes with status 200."""


@dataclass
class Call:
    """What was asked."""

    path: str
    headers: dict[str, str]
    body: Any


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def pattern(x: Any, y: Any) -> Any:
    """The ground: a number between 0 and 1 for every place, so that a shift of a pixel shows."""
    return (np.floor(x / 10) * 7 + np.floor(y / 10) * 13) % 100 / 100


class HubServer:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.faults: dict[str, list[Fault]] = {}
        self.features: dict[str, list[dict[str, Any]]] = {
            "sentinel-1-grd": [],
            "sentinel-2-l2a": [],
        }
        self.lifetime_s = 600.0
        self.tokens: dict[str, float] = {}
        self.charged = 0.0
        self.most_at_once = 0
        self.georeferenced = True
        #: What went wrong here and should not have.
        self.broken: list[Exception] = []
        self._at_once = 0
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                owner.handle(self)

            do_GET = do_POST = handle_any  # noqa: N815 - named by http.server

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.token_url = self.url + TOKEN
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def on(self, path: str, *faults: Fault) -> None:
        self.faults[path] = list(faults)

    def at(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def expire_tokens(self) -> None:
        self.tokens = dict.fromkeys(self.tokens, 0.0)

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        path = handler.path.partition("?")[0]
        kind = handler.headers.get("Content-Type", "")
        body: Any = raw.decode()
        if "json" in kind:
            body = json.loads(raw)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            self.calls.append(Call(path, headers, body))
            queue = self.faults.get(path, [])
            fault = queue.pop(0) if queue else Fault()
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            time.sleep(fault.delay_s)
            status, told, answer = self._answer(path, headers, body, fault)
            self._send(handler, status, told, answer, fault)
        except (ConnectionError, BrokenPipeError):
            pass  # the client has given up
        except Exception as error:
            self.broken.append(error)
            raise
        finally:
            with self._lock:
                self._at_once -= 1

    def _answer(
        self, path: str, headers: dict[str, str], body: Any, fault: Fault
    ) -> tuple[int, dict[str, str], bytes]:
        if fault.status:
            answer = (
                fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
            )
            return fault.status, {"Content-Type": "application/json", **fault.headers}, answer
        try:
            if path == TOKEN:
                told, answer = {}, json.dumps(self._token(headers, body)).encode()
            else:
                self._authorise(headers)
                told, answer = self._route(path, headers, body)
        except Refusal as refusal:
            error = {"status": refusal.status, "reason": "refused", "message": str(refusal)}
            found = {"error": str(refusal)} if path == TOKEN else {"error": error}
            return refusal.status, {"Content-Type": "application/json"}, json.dumps(found).encode()
        told.setdefault("Content-Type", "application/json")
        if fault.content_type:
            told["Content-Type"] = fault.content_type
        return (
            200,
            {**told, **fault.headers},
            fault.replace if fault.replace is not None else answer,
        )

    def _send(
        self, handler: Any, status: int, told: dict[str, str], answer: bytes, fault: Fault
    ) -> None:
        handler.send_response(status)
        for name, value in told.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        if fault.cut:
            handler.wfile.write(answer[: len(answer) // 2])
            handler.wfile.flush()
            # RST instead of FIN: the connection breaks, it does not end.
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            handler.close_connection = True
            return
        if fault.drip_s:
            for byte in answer:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(fault.drip_s)
            return
        handler.wfile.write(answer)

    def _token(self, headers: dict[str, str], body: str) -> dict[str, Any]:
        if headers.get("content-type") != "application/x-www-form-urlencoded":
            raise Refusal(400, "invalid_request")
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        if asked.get("grant_type") != "client_credentials":
            raise Refusal(400, "unsupported_grant_type")
        if (asked.get("client_id"), asked.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise Refusal(401, "invalid_client")
        token = f"token-{len(self.tokens)}-{'x' * 40}"
        self.tokens[token] = time.monotonic() + self.lifetime_s
        return {"access_token": token, "expires_in": self.lifetime_s, "token_type": "Bearer"}

    def _authorise(self, headers: dict[str, str]) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or self.tokens.get(token, 0.0) < time.monotonic():
            raise Refusal(401, "the token is missing or has expired")

    def _route(self, path: str, headers: dict[str, str], body: Any) -> tuple[dict[str, str], bytes]:
        if path == f"{CATALOG}/collections":
            collections = [{"id": name, "type": "Collection"} for name in self.features]
            return {}, json.dumps({"collections": collections, "links": []}).encode()
        if path == f"{CATALOG}/search":
            return {"Content-Type": "application/geo+json"}, json.dumps(self._search(body)).encode()
        if path == PROCESS:
            return self._process(headers, body)
        raise Refusal(404, "nothing here")

    def _search(self, body: Any) -> dict[str, Any]:
        allowed = {"collections", "datetime", "bbox", "intersects", "ids", "filter", "filter-lang",
                   "filter-crs", "fields", "distinct", "limit", "next"}  # fmt: skip
        if unknown := set(body) - allowed:
            raise Refusal(400, f"unknown fields {sorted(unknown)}")
        if len(body.get("collections", [])) != 1 or body["collections"][0] not in self.features:
            raise Refusal(400, "exactly one known collection")
        if not 1 <= body.get("limit", 10) <= 100:
            raise Refusal(400, "limit must be 1 to 100")
        if ("bbox" in body) == ("intersects" in body):
            raise Refusal(400, "either bbox or intersects")
        first, last = (moment(text) for text in body["datetime"].split("/"))
        area = shape(body["intersects"]) if "intersects" in body else box(*body["bbox"])
        wanted = re.fullmatch(r"([\w:]+)='(\w+)'", body["filter"]) if "filter" in body else None
        if "filter" in body and (wanted is None or body.get("filter-lang") != "cql2-text"):
            raise Refusal(400, "filter not understood")
        found = [
            feature
            for feature in self.features[body["collections"][0]]
            if first <= moment(feature["properties"]["datetime"]) <= last
            and area.intersects(shape(feature["geometry"]))
            and (wanted is None or feature["properties"].get(wanted[1]) == wanted[2])
        ]
        start, limit = body.get("next", 0), body.get("limit", 10)
        page = found[start : start + limit]
        context: dict[str, Any] = {"limit": limit, "returned": len(page)}
        if start + limit < len(found):
            context["next"] = start + limit
        return {"type": "FeatureCollection", "features": page, "links": [], "context": context}

    def _process(self, headers: dict[str, str], body: Any) -> tuple[dict[str, str], bytes]:
        request = Request.of(body, headers.get("accept", ""))
        rasters = {
            name: self._tiff(request, kind, layers)
            for name, (kind, layers) in self._evaluate(request).items()
        }
        units = request.units()
        with self._lock:
            self.charged += units
        told = {"X-ProcessingUnits-Spent": f"{units:.6f}"}
        if len(rasters) == 1:
            return {**told, "Content-Type": "image/tiff"}, next(iter(rasters.values()))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in rasters.items():
                entry = tarfile.TarInfo(f"{name}.tif")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return {**told, "Content-Type": "application/tar"}, packed.getvalue()

    def _evaluate(self, request: Request) -> dict[str, tuple[str, list[Any]]]:
        bands = self._bands(request)
        names = {"np": np, "s": _Sample(bands), "floor_half": lambda v: np.floor(v + 0.5)}
        found = {}
        for name, (kind, count, expressions) in request.outputs.items():
            layers = []
            for expression in expressions:
                python = expression.replace("Math.min", "np.minimum")
                python = python.replace("Math.max", "np.maximum")
                python = python.replace("Math.round", "floor_half")
                layers.append(eval(python, {"__builtins__": {}}, names))
            if len(layers) != count:
                raise Refusal(400, f"output {name} has {count} bands, {len(layers)} returned")
            found[name] = (kind, layers)
        return found

    def _bands(self, request: Request) -> dict[str, Any]:
        """Mosaic the scenes of the time range, the most recent on top."""
        x, y = request.centres()
        ground = pattern(x, y)
        bands = {name: np.zeros(x.shape) for name in request.bands}
        seen = np.zeros(x.shape, dtype=bool)
        first, last = (moment(request.data_filter["timeRange"][k]) for k in ("from", "to"))
        direction = request.data_filter.get("orbitDirection")
        scenes = [
            feature
            for feature in self.features[request.collection]
            if first <= moment(feature["properties"]["datetime"]) <= last
            and direction in (None, feature["properties"].get("sat:orbit_state", "").upper())
        ]
        for scene in sorted(scenes, key=lambda f: f["properties"]["datetime"]):
            outline = transform_geom("EPSG:4326", f"EPSG:{request.epsg}", scene["geometry"])
            inside = geometry_mask([outline], x.shape, request.transform, invert=True)
            level = scene.get("level", 0.0)
            shadow = ground > 0.9
            values = {
                "VV": 0.2 + level + ground / 10,
                "VH": 0.05 + level + ground / 100,
                "localIncidenceAngle": 30 + 10 * ground,
                "shadowMask": shadow,
                "dataMask": np.ones(x.shape),
                "SCL": 4 + np.floor(ground * 5),
                "CLD": np.floor(100 * ground),
            }
            if scene.get("clear"):
                values |= {"SCL": 0 * x + 4, "CLD": 0 * x}
            for number, band in enumerate(("B02", "B03", "B04", "B08")):
                # Some ground is darker than black, as after a correction that overdid it.
                values[band] = np.round(number / 10 + level + 0.3 * (ground - 0.2), 4)
            for name in bands:
                value = values[name]
                if request.units_of[name] == "DN" and name.startswith("B"):
                    value = value * 10000 + scene.get("added", 1000)
                elif request.processing.get("harmonizeValues", True) and name.startswith("B"):
                    value = np.maximum(value, 0)
                bands[name][inside] = np.asarray(value, dtype=float)[inside]
            seen |= inside
        return bands

    def _tiff(self, request: Request, kind: str, layers: list[Any]) -> bytes:
        dtype = {"UINT8": "uint8", "UINT16": "uint16", "FLOAT32": "float32"}[kind]
        place = {"crs": f"EPSG:{request.epsg}", "transform": request.transform}
        height, width = request.shape
        with MemoryFile() as file:
            with file.open(
                driver="GTiff", count=len(layers), dtype=dtype, height=height, width=width,
                compress="deflate", **(place if self.georeferenced else {}),
            ) as dataset:  # fmt: skip
                for number, layer in enumerate(layers, 1):
                    full = np.broadcast_to(np.asarray(layer), request.shape)
                    if kind != "FLOAT32":
                        full = np.clip(np.floor(full + 0.5), 0, np.iinfo(dtype).max)
                    dataset.write(full.astype(dtype), number)
            return file.read()


class _Sample:
    def __init__(self, bands: dict[str, Any]) -> None:
        self.__dict__.update(bands)


@dataclass
class Request:
    """A process request that was looked over as strictly as the documentation reads."""

    collection: str
    bands: list[str]
    units_of: dict[str, str]
    outputs: dict[str, tuple[str, int, list[str]]]
    data_filter: dict[str, Any]
    processing: dict[str, Any]
    epsg: int
    bbox: list[float]
    shape: tuple[int, int]

    @classmethod
    def of(cls, body: Any, accept: str) -> Request:
        if not isinstance(body, dict) or set(body) != {"input", "output", "evalscript"}:
            raise Refusal(400, "input, output and evalscript are required")
        bounds, data = body["input"]["bounds"], body["input"]["data"]
        if len(data) != 1 or data[0].get("type") not in BANDS:
            raise Refusal(400, "one known collection")
        collection = data[0]["type"]
        crs = re.fullmatch(
            r"http://www\.opengis\.net/def/crs/EPSG/0/(\d+)", bounds["properties"]["crs"]
        )
        west, south, east, north = bounds["bbox"]
        width, height = body["output"]["width"], body["output"]["height"]
        if crs is None or not (west < east and south < north):
            raise Refusal(400, "bounds are wrong")
        if not (isinstance(width, int) and isinstance(height, int)):
            raise Refusal(400, "width and height are whole numbers")
        if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
            raise Refusal(400, f"width and height must be between 1 and {LARGEST}")
        if max((east - west) / width, (north - south) / height) > COARSEST_M:
            raise Refusal(400, f"the limit of {COARSEST_M:g} meters per pixel is exceeded")
        bands, units_of, outputs = cls._script(body["evalscript"], collection)
        responses = body["output"]["responses"]
        if {r["identifier"] for r in responses} != set(outputs):
            raise Refusal(400, "responses and outputs of the evalscript differ")
        if any(r["format"] != {"type": "image/tiff"} for r in responses):
            raise Refusal(400, "format")
        tar = accept in ("application/tar", "application/x-tar")
        if tar != (len(responses) > 1) or (not tar and accept != "image/tiff"):
            raise Refusal(400, f"Accept is {accept} for {len(responses)} responses")
        request = cls(
            collection, bands, units_of, outputs, data[0].get("dataFilter", {}),
            data[0].get("processing", {}), int(crs[1]), bounds["bbox"], (height, width),
        )  # fmt: skip
        request.check()
        return request

    @staticmethod
    def _script(script: str, collection: str) -> tuple[list[str], dict[str, str], dict[str, Any]]:
        if not script.startswith("//VERSION=3") or "function evaluatePixel(" not in script:
            raise Refusal(400, "no evalscript of version 3")
        asked = re.search(r"input: \[\{bands: \[(.*?)\], units: \[(.*?)\]\}\]", script)
        if asked is None:
            raise Refusal(400, "setup has no input")
        bands, units = ([w.strip(' "') for w in part.split(",")] for part in asked.groups())
        if len(bands) != len(units) or len(set(bands)) != len(bands):
            raise Refusal(400, "bands and units do not fit together")
        for band, unit in zip(bands, units, strict=True):
            if unit not in BANDS[collection].get(band, ()):
                raise Refusal(400, f"{collection} has no {band} in {unit}")
        outputs = {}
        for name, count, kind in re.findall(
            r'\{id: "(\w+)", bands: (\d+), sampleType: "(UINT8|UINT16|FLOAT32)"\}', script
        ):
            returned = re.search(rf"\b{name}: \[(.*?)\](?:, \w+: \[|\}};)", script)
            if returned is None:
                raise Refusal(400, f"{name} is not returned")
            expressions = re.split(r",\s*(?![^()]*\))", returned[1])
            outputs[name] = (kind, int(count), _joined(expressions))
        return bands, dict(zip(bands, units, strict=True)), outputs

    def check(self) -> None:
        if unknown := set(self.processing) - PROCESSING[self.collection]:
            raise Refusal(400, f"processing knows no {sorted(unknown)}")
        if unknown := set(self.data_filter) - FILTERS[self.collection]:
            raise Refusal(400, f"dataFilter knows no {sorted(unknown)}")
        if set(self.data_filter["timeRange"]) != {"from", "to"}:
            raise Refusal(400, "timeRange")
        for key in ("upsampling", "downsampling"):
            if self.processing.get(key, "NEAREST") not in ("NEAREST", "BILINEAR", "BICUBIC"):
                raise Refusal(400, key)
        if self.collection == "sentinel-1-grd":
            terrain = self.processing.get("backCoeff", "GAMMA0_ELLIPSOID") == "GAMMA0_TERRAIN"
            ortho = self.processing.get("orthorectify", False) in (True, "TRUE", "true")
            if terrain and not ortho:
                raise Refusal(400, "GAMMA0_TERRAIN needs orthorectify")
            if "localIncidenceAngle" in self.bands and not ortho:
                raise Refusal(400, "localIncidenceAngle needs orthorectify")
            if "shadowMask" in self.bands and not terrain:
                raise Refusal(400, "shadowMask needs radiometric terrain correction")

    def units(self) -> float:
        counted = [band for band in self.bands if band != "dataMask"] or ["dataMask"]
        found = max(0.01, math.prod(self.shape) / 512**2) * len(counted) / 3
        if any(kind == "FLOAT32" for kind, _, _ in self.outputs.values()):
            found *= 2
        if self.processing.get("backCoeff") == "GAMMA0_TERRAIN":
            found *= 2.5
        return max(0.005, found)

    @property
    def transform(self) -> Affine:
        west, south, east, north = self.bbox
        height, width = self.shape
        return Affine((east - west) / width, 0, west, 0, (south - north) / height, north)

    def centres(self) -> tuple[Any, Any]:
        height, width = self.shape
        columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        place = self.transform
        return place.c + columns * place.a, place.f + rows * place.e


def _joined(pieces: list[str]) -> list[str]:
    """Put expressions together again that a comma inside brackets has torn apart."""
    found: list[str] = []
    for piece in pieces:
        if found and found[-1].count("(") > found[-1].count(")"):
            found[-1] += f", {piece}"
        else:
            found.append(piece)
    return found


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise Refusal(400, f"{text} has no zone")
    return found.astimezone(UTC)


def s1_feature(
    sensed: datetime,
    *,
    level: float = 0.0,
    satellite: str = "A",
    orbit: int = 46584,
    footprint: Any = None,
    **properties: Any,
) -> dict[str, Any]:
    """A Sentinel-1 feature as the catalogue lists it; there is no relative orbit in it."""
    stamp = f"{sensed:%Y%m%dT%H%M%S}"
    return {
        "type": "Feature", "stac_version": "1.0.0",
        "id": f"S1{satellite}_IW_GRDH_1SDV_{stamp}_{stamp}_{orbit:06d}_05951B_7E5E",
        "geometry": (footprint or box(-120, 34, -117, 36)).__geo_interface__,
        "properties": {
            "datetime": f"{sensed:%Y-%m-%dT%H:%M:%S}Z", "platform": "sentinel-1",
            "instruments": ["c-sar"], "constellation": "sentinel-1",
            "sat:orbit_state": "descending", "sar:instrument_mode": "IW",
            "sar:frequency_band": "C", "s1:polarization": "DV", "s1:resolution": "HIGH",
            "s1:timeliness": "Fast24h", **properties,
        },
        "assets": {"data": {"href": "s3://EODATA/Sentinel-1/SAR/IW_GRDH_1S/x.SAFE"}},
        "links": [], "level": level,
    }  # fmt: skip


def s2_feature(
    sensed: datetime,
    *,
    level: float = 0.0,
    tile: str = "11SKD",
    baseline: str = "0509",
    footprint: Any = None,
    **properties: Any,
) -> dict[str, Any]:
    """A Sentinel-2 feature as the catalogue lists it."""
    stamp = f"{sensed:%Y%m%dT%H%M%S}"
    return {
        "type": "Feature", "stac_version": "1.0.0",
        "id": f"S2B_MSIL2A_{stamp}_N{baseline}_R013_T{tile}_{stamp}.SAFE",
        "geometry": (footprint or box(-120, 34, -118.8, 35)).__geo_interface__,
        "properties": {
            "datetime": f"{sensed:%Y-%m-%dT%H:%M:%S}Z", "platform": "sentinel-2b",
            "instruments": ["msi"], "constellation": "sentinel-2", "gsd": 10,
            "eo:cloud_cover": 12.5, **properties,
        },
        "assets": {"data": {"href": "s3://EODATA/Sentinel-2/MSI/L2A/x.SAFE"}},
        "links": [], "level": level, "added": 1000 if baseline >= "0400" else 0,
    }  # fmt: skip
