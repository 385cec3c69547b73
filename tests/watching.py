"""A small watched world: real looks, a real STAC API, real HTTP, a database of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from db import queries, store
from db.engine import transaction
from db.records import LookRecord
from detectors.types import WatchedRegion
from flows import delivering, polling, steps
from flows.archive.manifest import Archive, open_archive
from flows.archive.publish import connection_arguments, publish
from flows.archive.server import ArchiveServer
from flows.catalogs.base import CatalogueSettings
from flows.clock import FileClock
from flows.services import Services
from flows.settings import OTHER_VARIABLES, Settings
from tests.series import END, STEEP, WATCH_FROM, day, footprint

#: Columns that say when or by whom something was written, not what.
WHEN = {
    "recorded_at", "created_at", "finished_at", "polled_at", "succeeded_at", "received_at",
    "owner", "lease_until", "retry_at", "attempts", "attempt", "content", "system_time",
    "superseded_at", "sent", "document",  # of CAP messages
}  # fmt: skip


@dataclass
class Stac:
    """A running archive server, its database, and what it shows."""

    server: ArchiveServer
    database_url: str

    def show(self, archive: Archive, until: datetime, base_url: str | None = None) -> list[str]:
        return publish(self.database_url, archive, until, base_url or self.server.url)

    def forget(self) -> None:
        with psycopg.connect(**connection_arguments(self.database_url)) as connection:
            connection.execute("DELETE FROM pgstac.items")


@pytest.fixture(scope="session")
def running_stac(
    make_database: Callable[[str], str], template: str, url_of: Callable[[str], str],
    quiet_series: Path, slide_series: Path,
) -> Iterator[Stac]:  # fmt: skip
    url = url_of(make_database(template))
    with ArchiveServer(url, [quiet_series, slide_series]) as server:
        yield Stac(server, url)


@pytest.fixture
def stac(running_stac: Stac) -> Stac:
    """The STAC API, with nothing in it yet."""
    running_stac.forget()
    return running_stac


def landing_page(url: str) -> dict[str, Any]:
    """Return what a STAC API with nothing but item search says of itself."""
    core = "https://api.stacspec.org/v1.0.0"
    return {
        "type": "Catalog", "stac_version": "1.0.0", "id": "small", "description": "small",
        "conformsTo": [f"{core}/core", f"{core}/item-search", f"{core}/item-search#query"],
        "links": [
            {"rel": "self", "href": url},
            {"rel": "root", "href": url},
            {"rel": "search", "href": f"{url}/search", "method": "POST",
             "type": "application/geo+json"},
        ],
    }  # fmt: skip


@dataclass
class Files:
    """The HTTP server of ``tests/file_server.py``."""

    url: str
    root: Path

    def mount(self, archive: Archive) -> None:
        """Serve the COGs of an archive where ``Stac.show`` expects them."""
        (self.root / "cogs" / archive.id).mkdir(parents=True)
        for path in (archive.path / "cogs").iterdir():
            self.cog(archive, path.name).symlink_to(path)

    def cog(self, archive: Archive, name: str) -> Path:
        """Return where a COG is served from; ``name`` is that of the file."""
        return self.root / "cogs" / archive.id / name

    def rules(self, *rules: dict[str, Any]) -> None:
        httpx.post(f"{self.url}/-/rules", json=rules).raise_for_status()

    def release(self) -> None:
        httpx.post(f"{self.url}/-/release").raise_for_status()

    def seen(self) -> list[str]:
        return list(httpx.get(f"{self.url}/-/seen").json()["addresses"])

    def sent(self) -> int:
        return int(httpx.get(f"{self.url}/-/seen").json()["bytes"])


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    root = tmp_path / "served"
    root.mkdir()
    command = [sys.executable, str(Path(__file__).with_name("file_server.py")), str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Files(process.stdout.readline().decode().strip(), root)
        process.kill()


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty state folder, and none of the operator's settings."""
    for name in os.environ:
        if name.startswith(("SCARPWATCH_", "PREFECT_")) and name not in OTHER_VARIABLES:
            monkeypatch.delenv(name)
    home = tmp_path / "state"
    home.mkdir()
    monkeypatch.delenv("SCARPWATCH_CONFIG", raising=False)
    monkeypatch.setenv("SCARPWATCH_HOME", str(home))
    return home


@dataclass
class Watch:
    """One region over one archive, and everything it takes to watch it."""

    services: Services
    region: WatchedRegion
    archive: Archive
    stac: Stac
    base_url: str | None
    clock: FileClock

    @property
    def catalogue_url(self) -> str:
        """Where the region's looks are announced."""
        return self.stac.server.url

    def open(self) -> AbstractContextManager[Session]:
        return transaction(self.services.engine)

    def reach(self, moment: datetime = END, archive: Archive | None = None) -> list[str]:
        """Let time pass: the clock moves and the catalogue shows what is published by then."""
        shown = self.stac.show(archive or self.archive, moment, self.base_url)
        # Last: a poll in between would take what is not listed yet for what does not exist.
        self.clock.set(moment)
        return shown

    def poll(self) -> polling.PollOutcome:
        return polling.poll_region(self.services, self.region.id)

    def detect(self, limit: int | None = None) -> list[steps.LookOutcome]:
        return steps.detect_due(self.services, self.region.id, limit)

    def deliver(self) -> list[delivering.DeliveryOutcome]:
        return delivering.deliver_due(self.services)

    def run(self, moment: datetime = END) -> list[steps.LookOutcome]:
        """Reach a moment, poll and judge."""
        self.reach(moment)
        assert self.poll().errors == ()
        return self.detect()

    def item(self, date: str) -> str:
        """Return the item of a day."""
        (found,) = (i["id"] for i in self.archive.items() if _taken(i, date))
        return str(found)

    def looks(self) -> dict[str, LookRecord]:
        """Return the looks by day, oldest first."""
        with self.open() as s:
            found = queries.list_looks(s, region_id=self.region.id)
        return {day(look.acquisition.sensed_at): look for look in reversed(found)}

    def states(self) -> dict[str, str]:
        return {date: look.state for date, look in self.looks().items()}

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Do what no step would: let a wait end, look at a row's bones."""
        with self.open() as s:
            s.execute(text("SET LOCAL search_path TO scarpwatch, public"))
            result = s.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    def rows(self) -> dict[str, list[Any]]:
        """Return all that is stored, without who wrote it and when."""
        return stored_rows(self.services.engine)


def _taken(item: dict[str, Any], date: str) -> bool:
    properties = item["properties"]
    return properties["datetime"][:10] == date and properties["opera:burst_id"] == STEEP


def by_item(w: Watch, region_id: str) -> list[object]:
    """What is stored of a region, without what has its name or an id made of it."""
    found = w.sql(
        "SELECT item_id, score_max, score_mean, evidence, change_db, d.area_m2,"
        " encode(ST_AsEWKB(polygon), 'hex'), d.tier, d.kind FROM detections d"
        " JOIN acquisitions a ON a.id = d.acquisition_id WHERE region_id = :r"
        " ORDER BY item_id, 7", r=region_id,
    )  # fmt: skip
    seen = w.sql(
        "SELECT item_id, share_seen, advisory, reason, state FROM looks JOIN acquisitions a"
        " ON a.id = acquisition_id WHERE region_id = :r ORDER BY item_id", r=region_id,
    )  # fmt: skip
    return [tuple(row) for row in (*found, *seen)]


def stored_rows(engine: Engine) -> dict[str, list[Any]]:
    """Return every row of every table, sorted, without who wrote it and when."""
    rows: dict[str, list[Any]] = {}
    with transaction(engine) as s:
        tables = s.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'scarpwatch'")
        ).all()
        # What work cost differs from run to run, and the ledger is worked out anew by each poll.
        for table in sorted(set(tables) - {"alembic_version", "costs", "expected_looks"}):
            found = s.execute(text(f"SELECT to_jsonb(t) FROM scarpwatch.{table} t")).scalars()
            told = ({k: v for k, v in row.items() if k not in WHEN} for row in found)
            rows[table] = sorted(told, key=lambda row: json.dumps(row, sort_keys=True))
    return rows


def stored_states(engine: Engine, table: str) -> list[str]:
    """Return the states of a table's rows, sorted."""
    return sorted(row["state"] for row in stored_rows(engine)[table])


@pytest.fixture
def watch(
    engine: Engine, stac: Stac, slide_series: Path, no_settings: Path
) -> Callable[..., Watch]:
    """Makes a watched region; every field of it can be chosen."""

    def make(
        archive: Path = slide_series, *, burst: str = STEEP, base_url: str | None = None,
        channels: tuple[Any, ...] = (), engine: Engine = engine, catalogues: Any = None,
        settings: Mapping[str, Any] | None = None, **fields: Any,
    ) -> Watch:  # fmt: skip
        opened = open_archive(archive)
        clock = FileClock(no_settings / "clock")
        clock.set(WATCH_FROM)
        local = CatalogueSettings(
            kind="stac", url=stac.server.url, published_property="published",
            window=timedelta(days=36_500), attempts=1,
        )  # fmt: skip
        # Both take time: the tests of pictures and composites ask for them.
        chosen = {"picture_timeout_s": 0.0, "keep_composites_days": 0, **(settings or {})}
        own = Settings(
            home=no_settings, catalogues={"local": local, **(catalogues or {})}, **chosen
        )
        values: dict[str, Any] = {
            "id": "slope", "name": "Slope", "geometry": footprint(opened, burst),
            "sources": (f"local/{opened.id}",), "detectors": ("sar_log_ratio",),
            "watch_from": WATCH_FROM,
        }  # fmt: skip
        region = WatchedRegion(**(values | fields))
        with transaction(engine) as s:
            store.save_region(s, region)
        services = Services(own, engine, clock, channels)
        return Watch(services, region, opened, stac, base_url, clock)

    return make


@pytest.fixture
def served(watch: Callable[..., Watch], files: Files) -> Callable[..., Watch]:
    """Makes a watched region whose COGs come from the server that misbehaves on request."""

    def make(**fields: Any) -> Watch:
        w = watch(base_url=files.url, **fields)
        files.mount(w.archive)
        return w

    return make
