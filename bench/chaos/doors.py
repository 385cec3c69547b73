"""Where foreign input comes in: what is handed in at each door, and who reads it."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from affine import Affine
from shapely.geometry import MultiPolygon, box
from sqlalchemy.orm import Session

from alerts import cap_rules
from bench.chaos import inputs
from db import store
from db.inventories import store_inventory
from db.triggers import store_events
from detectors.events import Severity
from detectors.inventories import Inventory
from detectors.types import Acquisition, Grid, OrbitState, Sensor, WatchedRegion
from flows import settings, trigger_feeds
from flows.archive.cogs import read_raster
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.footprints import raster_footprint
from flows.catalogs.searching import records
from flows.catalogs.stac import StacCatalogue
from flows.elevation import read_elevation
from flows.imagery import plan_blocks, read_pass
from flows.inventory_files import Layout, read_inventory
from flows.maps import Reading, read_areas, read_maps
from flows.places import Source, open_place
from flows.regions import read_region
from flows.stacks import read_stack
from flows.subscribing import subscriber_records
from tests.watching import landing_page

AT = datetime(2024, 6, 1, tzinfo=UTC)
#: The page after the last item.
LAST = b'{"type": "FeatureCollection", "features": [], "links": []}'
EVERYWHERE = MultiPolygon([box(-180, -90, 180, 90)])


@dataclass
class Desk:
    """What the doors of one process share."""

    folder: Path
    """Empty before each case."""
    honest: Path
    """Honest files that are spoilt."""
    session: Session
    """A transaction that is rolled back after each case."""
    vectors: dict[str, Path] = field(default_factory=dict)
    answers: dict[str, bytes] = field(default_factory=dict)
    """What the catalogue answers, by path."""
    url: str = ""

    def open(self) -> None:
        """Write the honest files, and listen."""
        self.vectors = inputs.honest_vectors(self.honest)
        region = {**inputs.REGION, "id": "watched"}
        path = self.honest / "watched.geojson"
        path.write_text(json.dumps(region))
        desk = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, page = self.path.partition("?")
                body = LAST if page.endswith("page=2") else desk.answers.get(path, b"{}")
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    @property
    def region(self) -> WatchedRegion:
        """The region that looks are stored for."""
        return read_region(self.honest / "watched.geojson", AT, ("local/slide",))

    def put(self, name: str, content: bytes) -> Path:
        """Write the file of a case."""
        path = self.folder / name
        path.write_bytes(content)
        return path


def item(desk: Desk, chance: random.Random) -> None:
    """A STAC item as a search lists it."""
    spoilt = inputs.spoil_json(chance.choice(inputs.items()), chance)
    _store_looks(desk, [found.record for found in records([spoilt], "local/x", EVERYWHERE, AT)])


def _store_looks(desk: Desk, found: list[Any]) -> None:
    region = desk.region
    store.save_region(desk.session, region)
    store.record_acquisitions(
        desk.session, region, [one for one in found if isinstance(one, Acquisition)]
    )
    refused = [(one.item_id, one.reason) for one in found if not isinstance(one, Acquisition)]
    store.record_refusals(desk.session, region.id, "local/x", refused)


def search(desk: Desk, chance: random.Random) -> None:
    """What a catalogue answers, over HTTP: landing page, collection, pages of items."""
    some = [chance.choice(inputs.items()) for _ in range(3)]
    page: Any = {"type": "FeatureCollection", "features": some, "links": [
        {"rel": "next", "href": f"{desk.url}/search?page=2", "method": "GET"}]}  # fmt: skip
    documents = {
        "/": landing_page(desk.url), "/search": page,
        "/collections/x": {"type": "Collection", "id": "x", "stac_version": "1.0.0", "links": [],
                           "description": "x", "license": "x", "extent": {}},
    }  # fmt: skip
    victim = chance.choices(sorted(documents), [1, 1, 4])[0]
    desk.answers = {name: json.dumps(one).encode() for name, one in documents.items()}
    desk.answers[victim] = inputs.as_bytes(inputs.spoil_json(documents[victim], chance), chance)
    own = CatalogueSettings(kind="stac", url=desk.url, attempts=1, window=timedelta(days=9000))
    found = StacCatalogue("local", own).search(
        "x", EVERYWHERE, sensed_after=AT - timedelta(days=4000), until=AT
    )
    _store_looks(desk, list(found))


def raster(desk: Desk, chance: random.Random) -> None:
    """A raster: of a catalogue, of an archive, heights, a stack, the bands of a recipe."""
    path = inputs.honest_raster(desk.folder / "case.tif", chance, odd=chance.random() < 0.5)
    if chance.random() < 0.6:
        path.write_bytes(inputs.spoil_bytes(path.read_bytes(), chance))
    readers: tuple[Callable[[Path], object], ...] = (
        lambda p: _read_look(desk, p), read_raster, read_elevation, read_stack,
        lambda p: open_place("p", [Source(p)]).__enter__(),
    )  # fmt: skip
    chance.choice(readers)(path)


def _read_look(desk: Desk, path: Path) -> None:
    honest = Grid(32611, Affine(30, 0, 240_000, 0, -30, 3_850_000), 64, 64)
    ground = raster_footprint(honest.epsg, honest.transform, honest.shape)
    look = Acquisition(
        source="local/x", item_id="case", platform="sentinel-1a", sensor=Sensor.SAR, sensed_at=AT,
        published_at=AT, footprint=ground, orbit_state=OrbitState.ASCENDING, relative_orbit=1,
        polarisations=("VV",), assets={"VV": str(path)},
    )  # fmt: skip
    area = WatchedRegion("x", "X", MultiPolygon([ground]), ("local/x",))
    catalogue = StacCatalogue("local", CatalogueSettings(kind="stac", url=desk.url))
    for block in plan_blocks(look, area, catalogue):
        read_pass([look], ("VV",), block.grid, catalogue)


def region(desk: Desk, chance: random.Random) -> None:
    """A region file."""
    document = inputs.spoil_json(inputs.REGION, chance)
    path = desk.put("case.geojson", inputs.as_bytes(document, chance))
    store.save_region(desk.session, read_region(path, AT, ("local/slide",)))


def inventory(desk: Desk, chance: random.Random) -> None:
    """An inventory, in any format."""
    path = inputs.spoilt_vector(desk.vectors, desk.folder, chance)
    found = read_inventory(path, "case", Layout(crs="EPSG:4326", dates="month-first"))
    told = Inventory(
        id="case", file=found.file, sha256=found.sha256, source="made", licence="CC0",
        author="nobody",
    )  # fmt: skip
    store_inventory(desk.session, told, found.mapped)


def areas(desk: Desk, chance: random.Random) -> None:
    """A map of exposure, or an area."""
    path = inputs.spoilt_vector(desk.vectors, desk.folder, chance)
    if chance.random() < 0.5:
        read_areas(path)
    else:
        list(read_maps(path, Reading()))


def cap(_: Desk, chance: random.Random) -> None:
    """A CAP message that is checked."""
    cap_rules.faults(inputs.spoil_xml(inputs.CAP, chance))


@dataclass
class Told:
    """Stands for ``trigger_feeds.Fetcher`` with what a server would have sent."""

    feed: bytes
    message: bytes

    def get(self, link: str | None = None) -> bytes:
        """Return the feed, or what it links to."""
        return self.feed if link is None else self.message


def feed(desk: Desk, chance: random.Random) -> None:
    """A feed of earthquakes, or of warnings."""
    if chance.random() < 0.5:
        document = inputs.as_bytes(inputs.spoil_json(inputs.EARTHQUAKES, chance), chance)
        found = trigger_feeds.earthquakes(Told(document, b""), 5.0, 3.0)  # type: ignore[arg-type]
    else:
        told = Told(
            inputs.spoil_xml(chance.choice((inputs.CAP, inputs.ATOM)), chance),
            inputs.spoil_xml(inputs.CAP, chance),
        )
        found = trigger_feeds.warnings(told, Severity.SEVERE)  # type: ignore[arg-type]
    store_events(desk.session, "case", found.events, timedelta(hours=1), timedelta(days=12))


def configuration(desk: Desk, chance: random.Random) -> None:
    """A settings file."""
    path = desk.put("case.toml", inputs.spoil_text(inputs.SETTINGS, chance, inputs.WORDS))
    os.environ["SCARPWATCH_CONFIG"] = str(path)
    own = settings.load()
    own.channel_records()
    subscriber_records(own)


DOORS: dict[str, Callable[[Desk, random.Random], None]] = {
    "STAC item": item, "search answer": search, "raster": raster, "region": region,
    "inventory": inventory, "map": areas, "CAP": cap, "trigger feed": feed,
    "settings": configuration,
}  # fmt: skip
