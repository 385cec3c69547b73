"""What is broken on purpose: one region over a small archive, and everything it takes to watch it.

Ten real radar passes of 64 x 64 pixels with a SIMULATED landslide, SIMULATED optical tiles that
confirm it, PostGIS, a STAC API, a receiver; all that is fetched or sent goes through ``proxy``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests
from pydantic import SecretStr
from sqlalchemy import text

from alerts.journal import read
from alerts.records import Channel
from alerts.subscribers import Subscriber
from bench.serving import serving
from db import invariants, outbox, queries, store
from db.engine import make_engine, transaction
from db.invariants import Broken
from detectors.types import Acquisition, Sensor, WatchedRegion
from flows import confirming, delivering, polling, soundness, steps
from flows.archive.manifest import Archive
from flows.archive.publish import connection_arguments, publish
from flows.catalogs.base import CatalogueSettings
from flows.clock import FileClock
from flows.inferring import Asked
from flows.kept import prune
from flows.ledger import keep_ledger
from flows.notifying import notify_due
from flows.services import Services
from flows.settings import Settings
from tests.optical_world import debris_over, ground, tile
from tests.series import DAYS, END, EPSG, OUTLINE, WATCH_FROM, footprint
from tests.watching import stored_rows

REGION = "slope"
#: Channels: one that goes by tags, and one of a subscriber.
CHANNELS = ("duty", "team")
#: Whose looks a step judges.
JUDGES = {"detect": Sensor.SAR, "confirm": Sensor.OPTICAL}
#: When the clock stops, and looks are published: after each of the four that are judged.
STOPS = (*(datetime.fromisoformat(f"{one}T23:00Z") + timedelta(days=2) for one in DAYS[6:]), END)
#: Optical looks: two of forest before the landslide, two of debris after it.
OPTICAL = tuple(
    datetime(2023, month, at, 18, tzinfo=UTC) for month, at in ((9, 20), (10, 5), (11, 26), (12, 6))
)


@dataclass
class World:
    """One region, and what happens to it."""

    home: Path
    url: str
    archive: Archive
    optical: Sequence[Acquisition]
    proxy: str
    inbox: Path
    catalogue: Callable[[datetime], list[str]]
    """Shows what is published by then."""
    place: str = "/alerts"
    """Where the inboxes of its channels lie at the receiver."""
    asked_models: dict[Path, Asked] = field(default_factory=dict)
    """Models that are loaded already."""
    doubled: bool = False
    """The line to the receiver has handed messages on twice."""
    timeout_s: float = 30.0
    """How long catalogues and receivers are waited for."""

    @property
    def inboxes(self) -> dict[str, str]:
        """Inboxes by channel."""
        return {name: f"{self.place}/{name}" for name in CHANNELS}

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.clock = FileClock(self.home / "clock")
        self.clock.set(WATCH_FROM)
        self.region = WatchedRegion(
            id=REGION, name="Slope", geometry=footprint(self.archive),
            sources=(f"local/{self.archive.id}",), detectors=("sar_log_ratio",),
            watch_from=WATCH_FROM, simulated=True,
        )  # fmt: skip
        with self.services() as services, transaction(services.engine) as s:
            store.save_region(s, self.region)

    def settings(self, **more: Any) -> Settings:
        """Return what an operator would have set."""
        local = CatalogueSettings(
            kind="stac", url=self.proxy, published_property="published",
            window=timedelta(days=36_500), attempts=1, timeout_s=self.timeout_s,
        )  # fmt: skip
        chosen: dict[str, Any] = {
            "picture_timeout_s": 0.0, "keep_composites_days": 30, "look_attempts": 10_000,
            "delivery_attempts": 10_000, "delivery_timeout_s": self.timeout_s,
            "inference_backend": "eager", "exercise": True,
            "feed": {"folder": self.home / "feed"},
        }  # fmt: skip
        return Settings(home=self.home, catalogues={"local": local}, **(chosen | more))

    @contextmanager
    def services(self, **more: Any) -> Iterator[Services]:
        """Wire the services of one process, and let go of their connections."""
        channels = tuple(
            Channel(name, SecretStr(f"{self.proxy}{inbox}"), True)
            for name, inbox in self.inboxes.items()
        )
        engine = make_engine(self.url)
        try:
            team = Subscriber("team", ("team",), regions=(REGION,))
            yield Services(
                self.settings(**more), engine, self.clock, channels, (team,),
                _asked=self.asked_models,
            )  # fmt: skip
        finally:
            engine.dispose()

    def reach(self, moment: datetime) -> None:
        """Let time pass: the clock moves, the catalogues show what is published by then."""
        self.clock.set(moment)
        self.catalogue(moment)
        seen = [look for look in self.optical if look.published_at <= moment]
        with self.services() as services, transaction(services.engine) as s:
            store.record_acquisitions(s, self.region, seen)

    def rules(self, *rules: dict[str, Any]) -> None:
        """Let the servers misbehave; none: they behave."""
        requests.post(f"{self.proxy}/-/rules", json=rules, timeout=60).raise_for_status()

    def asked(self) -> tuple[int, int]:
        """Return how many requests came since the rules were set, and how many met one."""
        asked, ruled = requests.get(f"{self.proxy}/-/asked", timeout=60).json()
        return int(asked), int(ruled)

    def received(self) -> list[dict[str, Any]]:
        """Return what the receiver took."""
        return [one for one in read(self.inbox) if one["inbox"] in self.inboxes.values()]

    def broken(self, *, sweep: bool = False) -> list[Broken]:
        """Return every invariant that does not hold."""
        source = f"local/{self.archive.id}"
        with self.services() as services:
            found = soundness.broken(services, self.received(), self.inboxes)
            if self.doubled:
                found = [one for one in found if one.rule != "an attempt sends one message"]
            if sweep:
                found += soundness.swept(services)
            shown = self.published()
            with transaction(services.engine) as s:
                found += invariants.overlooked(s, REGION, source, shown)
        return found

    def published(self) -> dict[str, datetime]:
        """Return the items of the archive by when they were published."""
        return {
            item["id"]: datetime.fromisoformat(item["properties"]["published"])
            for item in self.archive.items()
        }

    def impatient(self) -> None:
        """Let every wait for another try end."""
        with self.services() as services, transaction(services.engine) as s:
            for table in ("looks", "deliveries", "optical_attempts"):
                s.execute(text(f"UPDATE scarpwatch.{table} SET retry_at = now() "
                               "WHERE retry_at > now()"))  # fmt: skip

    def fresh_tries(self) -> None:
        """Let nothing wait, and nothing have been tried: the next try insists on every look."""
        self.impatient()
        with self.services() as services, transaction(services.engine) as s:
            s.execute(text("UPDATE scarpwatch.looks SET attempts = 0"))
            s.execute(text("DELETE FROM scarpwatch.optical_attempts"))

    def again(self, step: str) -> None:
        """Make work for a step: the newest look judged, the newest alert told, once more."""
        with self.services() as services, transaction(services.engine) as s:
            sensor = JUDGES.get(step)
            if sensor and not store.any_look_due(s, REGION, datetime.now(UTC), sensor):
                done = [
                    look for look in queries.list_looks(s, region_id=REGION)
                    if look.state == "processed" and look.acquisition.sensor is sensor
                ]  # fmt: skip
                if done:
                    newest = max(done, key=lambda look: look.acquisition.sensed_at)
                    store.reopen_look(s, newest.id)
            elif step == "deliver":
                if told := outbox.list_alerts(s, limit=1):
                    outbox.requeue(s, told[0].alert.id)
                # Somebody has tidied up: the feeds are written anew.
                shutil.rmtree(services.settings.feed.folder, ignore_errors=True)

    def waiting(self) -> list[str]:
        """Return what is not done: looks and messages that wait or are held."""
        query = text("""
            SELECT 'look ' || state FROM scarpwatch.looks WHERE state IN ('due', 'processing')
            UNION ALL SELECT 'message ' || state FROM scarpwatch.deliveries
            WHERE state IN ('due', 'sending')""")
        with self.services() as services, transaction(services.engine) as s:
            return sorted(s.scalars(query))

    def rows(self) -> dict[str, list[Any]]:
        """Return all that is stored, without who wrote it and when."""
        with self.services() as services:
            return stored_rows(services.engine)

    # --- the steps, as the flows run them

    def poll(self, **more: Any) -> None:
        """Ask the catalogue, and keep the ledger."""
        with self.services(**more) as services:
            self.polled = polling.poll_region(services, REGION)
            keep_ledger(services, [REGION])

    def detect(self, **more: Any) -> None:
        """Claim, judge and store what is due."""
        with self.services(**more) as services:
            steps.detect_due(services, REGION)

    def confirm(self, **more: Any) -> None:
        """Ask optical looks."""
        with self.services(**more) as services:
            confirming.confirm_due(services, REGION)

    def notify(self, **more: Any) -> None:
        """Decide what subscribers are told at once."""
        with self.services(**more) as services:
            notify_due(services, self.clock.now())

    def deliver(self, **more: Any) -> None:
        """Send what is due, and write the feeds."""
        with self.services(**more) as services:
            delivering.deliver_due(services, self.clock.now())

    def sweep(self, **more: Any) -> None:
        """Remove rasters that no row names; nobody else is at work."""
        with self.services(**more) as services:
            prune(services, grace=timedelta(0))


#: By name the steps in the order of the flows.
STEPS = ("poll", "detect", "confirm", "notify", "deliver", "sweep")


@contextmanager
def receiving(inbox: Path) -> Iterator[str]:
    """Run the receiver; gives its address without path."""
    with serving("-m", "alerts.receiver", "--out", str(inbox)) as url:
        yield url.removesuffix("/alerts")


@contextmanager
def proxied(**upstreams: str) -> Iterator[str]:
    """Put the proxy before servers, by the first word of the path; ``rest`` takes the others."""
    told = {"" if name == "rest" else f"/{name}": url for name, url in upstreams.items()}
    with serving("-m", "bench.chaos.proxy", json.dumps(told)) as url:
        yield url


def optical_looks(folder: Path, proxy: str, source: str) -> list[Acquisition]:
    """Write the optical tiles; they are fetched through the proxy."""
    grid, debris = debris_over(OUTLINE, EPSG)
    (folder / "optical").mkdir(parents=True, exist_ok=True)
    return [
        tile(
            folder / "optical", day, ground(number, *([debris] if number > 1 else [])),
            grid=grid, source=source, base_url=f"{proxy}/optical",
        )
        for number, day in enumerate(OPTICAL)
    ]  # fmt: skip


def shower(database_url: str, archive: Archive, proxy: str) -> Callable[[datetime], list[str]]:
    """Return what publishes the archive until a moment, with addresses of the proxy."""
    with psycopg.connect(**connection_arguments(database_url)) as connection:
        connection.execute("DELETE FROM pgstac.items")
    return lambda moment: publish(database_url, archive, moment, proxy)
