"""Composites for STAC clients: pystac-client and GDAL over HTTP, from a real monitoring run."""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pystac
import pytest
import rasterio
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.eo import EOExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.extensions.sar import SarExtension
from pystac.extensions.sat import SatExtension
from pystac.extensions.version import VersionExtension
from pystac_client import Client
from shapely.geometry import box, shape

from db import composites
from db.records import CompositeRecord, Layer
from detectors.types import OrbitState, Sensor, Unseen
from flows.kept import prune
from flows.rasters import HTTP_OPTIONS
from flows.stac import load
from flows.stac_items import COLLECTIONS, Places, make_collection, make_item
from tests.begun import Begun
from tests.records import Make
from tests.series import DAYS, END, day
from tests.stac_schemas import stac_faults

SAR, OPTICAL = COLLECTIONS[Sensor.SAR], COLLECTIONS[Sensor.OPTICAL]
LAST = "2023-12-03"


@pytest.fixture
def kept(watch):
    """A watched region whose looks were judged."""
    w = watch(settings={"keep_composites_days": 30, "licence": "CC BY 4.0"}, simulated=True)
    w.run(END)
    return w


@pytest.fixture
def url(kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where ``scarpwatch stac serve`` listens."""
    address = kept.services.engine.url.set(drivername="postgresql")
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", address.render_as_string(hide_password=False))
    monkeypatch.setenv("SCARPWATCH_LICENCE", "CC BY 4.0")
    monkeypatch.setenv("SCARPWATCH_CATALOGUES__LOCAL__KIND", "stac")
    monkeypatch.setenv("SCARPWATCH_CATALOGUES__LOCAL__URL", kept.catalogue_url)
    command = [sys.executable, "-m", "flows.cli", "stac", "serve", "--port", "0"]
    server = Begun(command, tmp_path / "said")
    try:
        found = re.search(r"(http://127\.0\.0\.1:\d+)  STAC API", server.until("Ctrl-C ends"))
        assert found
        assert "4 items written, 0 removed" in server.said()
        yield found[1]
        assert server.end() == 0, server.said()
    finally:
        server.kill()


def valid(document: dict) -> pystac.Item:
    """Return an item that the schemas of STAC and of all its extensions take."""
    pystac.Item.from_dict({**document, "stac_extensions": []}).validate()
    assert stac_faults(document) == []
    return pystac.Item.from_dict(document)


def test_a_client_finds_and_opens_what_the_detector_saw(kept, url) -> None:
    w, client = kept, Client.open(url)
    assert {one.id for one in client.get_collections()} == {SAR, OPTICAL}
    collection = client.get_collection(SAR)
    pystac.Collection.from_dict(collection.to_dict()).validate()
    items = list(client.search(collections=[SAR]).items())
    assert [day(item.datetime) for item in items] == [*DAYS[:5:-1]]
    west, south, east, north = w.region.geometry.bounds
    elsewhere = [west + 1, south, east + 1, north]
    assert not list(client.search(collections=[SAR], bbox=elsewhere).items())
    assert not list(client.search(collections=[OPTICAL]).items())
    (item,) = client.search(
        collections=[SAR], bbox=[west, south, east, north], datetime=f"{LAST}/.."
    ).items()
    valid(item.to_dict())
    _says_what_it_is(w, item)
    with w.open() as s:
        stored = [o for o in composites.list_composites(s) if day(o.sensed_at) == LAST]
    assert [*item.assets] == [one.kind.value for one in stored] == list(Layer)
    for one in stored:
        asset = item.assets[one.kind.value]
        with rasterio.open(w.services.settings.composites / one.path) as dataset:
            here = dataset.read()
        with rasterio.Env(**HTTP_OPTIONS), rasterio.open(f"/vsicurl/{asset.href}") as dataset:
            assert np.array_equal(dataset.read(), here)
            assert dataset.scales[0] == one.scale
    _files_are_served_by_rows_alone(w, url, item)
    # What is kept no longer is shown no longer; elsewhere all addresses are others.
    gone = [item.id for item in items if day(item.datetime) in DAYS[6:8]]
    w.sql("UPDATE composites SET recorded_at = now() - interval '31 days'")
    assert sorted(prune(w.services).items) == sorted(gone)
    again = load(w.services, url)
    assert (again.written, again.removed) == (2, 2)
    assert load(w.services, url).written == 0
    assert len(list(client.search(collections=[SAR]).items())) == 2
    assert load(w.services, "https://example.org/stac").written == 2
    (moved,) = client.search(collections=[SAR], datetime=f"{LAST}/..").items()
    assert moved.assets["pre"].href.startswith("https://example.org/stac/files/slope/2023/")


def _says_what_it_is(w, item: pystac.Item) -> None:
    told = item.properties
    assert told["title"] == f"EXERCISE SIMULATED: Slope, {LAST} 01:59 UTC"
    assert (told["scarpwatch:simulated"], told["scarpwatch:exercise"]) == (True, True)
    assert told["scarpwatch:licence"] == "CC BY 4.0"
    assert "processed from NASA/JPL OPERA RTC-S1" in told["scarpwatch:credits"]
    assert told["processing:software"]["scarpwatch"]
    assert told["platform"] == "sentinel-1a"
    links = {one.title: one.target for one in item.get_links("derived_from")}
    assert set(links) == {w.item(date) for date in DAYS}
    with httpx.Client(trust_env=False) as client:
        source = client.get(links[w.item(LAST)])
    assert source.json()["id"] == w.item(LAST), "the link leads to the look"
    assert SatExtension.ext(item).orbit_state.value == OrbitState.ASCENDING
    assert SatExtension.ext(item).relative_orbit == 137
    assert [one.value for one in SarExtension.ext(item).polarizations] == ["VV", "VH"]
    projection = ProjectionExtension.ext(item)
    assert (projection.epsg, projection.shape) == (32611, [64, 64])
    assert shape(item.geometry).buffer(1e-6).covers(box(*w.region.geometry.bounds).centroid)
    assert VersionExtension.ext(item).version == "1"
    (band,) = RasterExtension.ext(item.assets["score"]).bands
    assert (band.scale, band.unit, band.nodata, band.data_type) == (0.02, "sigma", -32768, "int16")
    assert FileExtension.ext(item.assets["post"]).size > 1_000
    classes = ClassificationExtension.ext(item.assets["unseen"]).classes
    assert {one.value for one in classes} == set(Unseen)


def _files_are_served_by_rows_alone(w, url: str, item: pystac.Item) -> None:
    root = w.services.settings.composites
    (root / "slope" / "2023" / "other.tif").write_bytes(b"not ours to show")
    (root.parent / "secret.tif").write_bytes(b"secret")
    with httpx.Client(trust_env=False) as client:
        up = "%2e%2e/"
        for path in ("slope/2023/other.tif", "../secret.tif", f"{up}secret.tif",
                     f"slope/2023/{3 * up}secret.tif", "", "/etc/passwd"):  # fmt: skip
            answer = client.get(httpx.URL(f"{url}/files/{path}"))
            assert answer.status_code == 404, path
        assert client.get(httpx.URL(f"{url}/files/%00")).status_code == 400
        href = item.assets["pre"].href
        part = client.get(href, headers={"Range": "bytes=0-15"})
        assert (part.status_code, len(part.content)) == (206, 16)
        assert client.head(href).headers["content-length"] == str(
            FileExtension.ext(item.assets["pre"]).size
        )


def layer(kind: Layer, bands: tuple[str, ...], **other) -> CompositeRecord:
    at = datetime(2024, 6, 19, 2, tzinfo=UTC)
    values = {
        "stac_id": "x", "kind": kind, "sensor": Sensor.OPTICAL, "region_id": "san-rafael",
        "acquisition_id": uuid.uuid4(), "landslide_id": uuid.uuid4(), "sensed_at": at,
        "begins_at": at, "ends_at": at, "looks": 1, "item_ids": ("S2-1",), "bands": bands,
        "unit": "1", "scale": 0.0001, "nodata": -32768.0, "data_type": "int16", "epsg": 32660,
        "transform": (10.0, 0.0, 834_000.0, 0.0, -10.0, 8_100_000.0), "height": 128, "width": 128,
        "detector": None, "weights_version": None, "config_hash": None, "software": "scarpwatch 1",
        "path": f"san-rafael/2024/x_{kind}_0.tif", "bytes": 9, "sha256": "0" * 64,
        "simulated": False, "geometry": box(179.9, -17.1, 180, -17), "recorded_at": at,
    }  # fmt: skip
    return CompositeRecord(**(values | other))


def test_an_optical_item_is_valid_and_tells_its_bands() -> None:
    region = Make().region()
    names = ("blue", "green", "red", "nir")
    layers = [layer(Layer.PRE, names), layer(Layer.POST, names),
              layer(Layer.SCORE, ("d_ndvi", "ensemble")),
              layer(Layer.UNSEEN, ("unseen",), nodata=255.0, data_type="uint8")]  # fmt: skip
    places = Places(lambda path: f"https://example.org/{path}", lambda look: look.item_id)
    made = make_item(layers, region, {}, "none", places)
    served = {"rel": "collection", "href": f"https://example.org/collections/{OPTICAL}"}
    item = valid({**made, "links": [*made["links"], served]})
    assert item.collection_id == OPTICAL
    assert item.properties["scarpwatch:landslide"] == str(layers[0].landslide_id)
    assert item.properties["scarpwatch:status"] == "actual"
    bands = EOExtension.ext(item.assets["post"]).bands
    assert [one.common_name for one in bands] == list(names)
    drill = make_item(layers, replace(region, simulated=True), {}, "none", places)
    assert drill["properties"]["title"].startswith("EXERCISE: ")
    for sensor in COLLECTIONS:
        empty = make_collection(sensor, None, (None, None), "none")
        pystac.Collection.from_dict(empty).validate()
