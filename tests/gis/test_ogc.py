"""OGC API Features and vector tiles, read by the clients people have: QGIS, GDAL, HTTP."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import morecantile
import pyogrio
import pytest
from shapely.geometry import shape
from sqlalchemy import Engine

from detectors.types import Landslide
from flows.ogc import COLLECTIONS, SCHEMA
from tests.begun import Begun

NAMES = [f"{SCHEMA}.{view}" for view in COLLECTIONS]


@pytest.fixture
def url(
    engine: Engine, inventory: Landslide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Where ``scarpwatch ogc serve`` listens, for a test's database."""
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", address)
    monkeypatch.setenv("SCARPWATCH_HOME", str(tmp_path / "state"))
    command = [sys.executable, "-m", "flows.cli", "ogc", "serve", "--port", "0"]
    server = Begun(command, tmp_path / "said")
    try:
        said = server.until("Ctrl-C ends")
        found = re.search(r"(http://127\.0\.0\.1:\d+)  OGC API", said)
        assert found, said
        yield found[1]
        assert server.end() == 0, server.said()
    finally:
        server.kill()


def test_every_client_reads_it(
    url: str, run_qgis: Callable[..., dict[str, Any]], inventory: Landslide
) -> None:
    with httpx.Client(base_url=url, trust_env=False) as client:
        _asked_over_http(client, inventory)
    for name in NAMES[:3]:
        table = pyogrio.read_dataframe(f"OAPIF:{url}", layer=name)
        assert table.crs == "EPSG:4326"
        assert {"simulated", "exercise"} <= set(table.columns)
        assert len(table) == {"landslides_confirmed": 1}.get(name.split(".")[1], 3)
    table = pyogrio.read_dataframe(f"OAPIF:{url}", layer=f"{SCHEMA}.inventory_landslides")
    (mapped,) = table.to_dict("records")
    assert (mapped["inventory"], mapped["licence"]) == ("survey", "CC BY 4.0")
    said = run_qgis("open_features.py", url, *NAMES)
    for name in NAMES:
        assert said[name]["valid"], said[name]["error"]
        assert all(said[name]["geometries"])
    assert len(said[f"{SCHEMA}.landslides_current"]["geometries"]) == 3


def test_ogr2ogr_copies_what_it_is_asked_for(
    url: str, ogr2ogr: str, inventory: Landslide, tmp_path: Path
) -> None:
    out = tmp_path / "copied.gpkg"
    name = f"{SCHEMA}.landslides_current"
    west, south, east, north = (str(edge) for edge in inventory.geometry.bounds)
    copied = [ogr2ogr, "-f", "GPKG", str(out), f"OAPIF:{url}", name]
    subprocess.run([*copied, "-nln", "all"], check=True, timeout=60)
    # A box and a filter go to the server with the request.
    here = ["-spat", west, south, east, north, "-where", "state = 'confirmed'"]
    subprocess.run([*copied, "-update", "-nln", "here", *here], check=True, timeout=60)
    everything = pyogrio.read_dataframe(out, layer="all")
    assert everything.crs == "EPSG:4326"
    assert set(everything.geom_type) == {"MultiPolygon"}
    assert sorted(everything.simulated) == [False, False, True]
    (row,) = pyogrio.read_dataframe(out, layer="here").to_dict("records")
    assert row["state"] == "confirmed"
    assert row["geometry"].equals(inventory.geometry)
    apart = abs(row["not_after"].to_pydatetime() - inventory.not_after)
    assert apart < timedelta(milliseconds=1), "a GeoPackage keeps milliseconds"


def _asked_over_http(client: httpx.Client, inventory: Landslide) -> None:
    listed = client.get("/collections").json()["collections"]
    assert {one["id"] for one in listed} == set(NAMES)
    items = f"/collections/{SCHEMA}.landslides_current/items"
    west, south, east, north = inventory.geometry.bounds
    (feature,) = client.get(items, params={"bbox": f"{west},{south},{east},{north}"}).json()[
        "features"
    ]
    assert feature["id"] == str(inventory.id)
    assert shape(feature["geometry"]).equals(inventory.geometry)
    when = inventory.not_after.isoformat().replace("+00:00", "Z")
    at_that_time = client.get(items, params={"datetime": f"{when}/.."}).json()
    assert at_that_time["numberMatched"] == 2, "the one before is left out"
    confirmed = client.get(items, params={"state": "confirmed"}).json()
    assert confirmed["numberMatched"] == 1
    assert client.get(f"{items}/{inventory.id}").json()["properties"]["state"] == "confirmed"
    # A browser gets what programs get: a page would fetch scripts from the internet.
    page = client.get("/", params={"f": "html"}, headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("application/json")
    assert client.get("/api.html", follow_redirects=True).json()["openapi"]
    for hidden in ("landslides_edit", "landslide_beliefs"):
        assert client.get(f"/collections/{SCHEMA}.{hidden}/items").status_code == 404
    assert client.get("/collections/scarpwatch.landslides/items").status_code == 404
    tiles = f"/collections/{SCHEMA}.landslides_current/tiles/WebMercatorQuad"
    here = morecantile.tms.get("WebMercatorQuad").tile(west, south, 13)
    tile = client.get(f"{tiles}/{here.z}/{here.x}/{here.y}")
    assert tile.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert str(inventory.id).encode() in tile.content
    assert b"simulated" in tile.content
    assert client.post(items, json={}).status_code == 405
