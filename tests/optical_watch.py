"""A region with optical looks on disk and landslides in a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from alerts.records import Channel
from db import optical, outbox, queries, store
from db.engine import transaction
from detectors.observability import Coverage
from detectors.types import (
    Acquisition,
    Detection,
    Finding,
    Landslide,
    OrbitState,
    Sensor,
    Tier,
)
from flows import steps
from flows.catalogs.base import CatalogueSettings
from flows.clock import FileClock
from flows.confirming import ConfirmOutcome, confirm_due
from flows.judging import Judgement
from flows.services import Services
from flows.settings import Settings
from tests.optical_world import SLIDE, Patch, ground, outline, region, tile
from tests.watching import stored_rows

EVENT = datetime(2024, 6, 10, 2, tzinfo=UTC)
BEFORE = EVENT - timedelta(days=12)
DEBRIS = (SLIDE, "debris")
#: Days of the clear looks before, counted from the radar look.
QUIET = (-40, -27, -15)


@dataclass
class OpticalWatch:
    """One region, its optical looks, and what radar suspects in it."""

    services: Services
    folder: Path
    clock: FileClock
    base_url: str | None = None
    catalogue_url: str = "http://127.0.0.1:1"
    looks: int = 0
    stored: list[Acquisition] = field(default_factory=list)

    def take(self, days: float, *patches: tuple[Patch, str], scl: Any = None, **how: Any) -> (
        Acquisition
    ):  # fmt: skip
        """Make a tile taken so many days after the radar look; nobody knows of it yet."""
        self.looks += 1
        fields = {k: how.pop(k) for k in tuple(how) if k in Acquisition.__dataclass_fields__}
        picture = ground(self.looks, *patches, **how)
        at = EVENT + timedelta(days=days)
        return tile(self.folder, at, picture, scl, base_url=self.base_url, **fields)

    def see(self, days: float, *patches: tuple[Patch, str], scl: Any = None, **how: Any) -> str:
        """Take a tile and publish it; returns its item id."""
        made = self.take(days, *patches, scl=scl, **how)
        self.store(made)
        return made.item_id

    def store(self, *acquisitions: Acquisition) -> None:
        with transaction(self.services.engine) as s:
            store.record_acquisitions(s, queries.get_region(s, "slope"), acquisitions)
        self.stored += acquisitions

    def suspect(
        self, patch: Patch = SLIDE, tier: Tier = Tier.LIKELY, days: float = 0, *,
        simulated: bool = True,
    ) -> Landslide:  # fmt: skip
        """Let a radar look suspect a landslide, and tell whom it concerns."""
        found = self.radar_sees(patch, tier, days, simulated=simulated)
        return next(one for one in self.landslides() if found.id in one.detections)

    def radar_sees(
        self, patch: Patch = SLIDE, tier: Tier = Tier.LIKELY, days: float = 0, *,
        simulated: bool = True,
    ) -> Detection:  # fmt: skip
        """Let a radar look see a change, whatever comes of it."""
        sensed = EVENT + timedelta(days=days)
        look = Acquisition(
            source="local/opera-rtc-s1", platform="sentinel-1a",
            item_id=f"S1-{days:g}-{patch[0].start}-{patch[1].start}", sensor=Sensor.SAR,
            sensed_at=sensed, published_at=sensed + timedelta(hours=8),
            footprint=region().geometry, orbit_state=OrbitState.ASCENDING, relative_orbit=137,
            polarisations=("VV", "VH"), assets={}, simulated=simulated,
        )  # fmt: skip
        self.store(look)
        detection = Detection(
            region_id="slope", acquisition_id=look.id, polygon=outline(patch), area_m2=45_000.0,
            score_max=6.0, score_mean=4.0, evidence=20.0, change_db=4.2, tier=tier,
            not_before=BEFORE + timedelta(days=days), not_after=sensed, item_ids=(look.item_id,),
            detector="sar", weights_version="none", config_hash="c", simulated=simulated,
        )  # fmt: skip
        with transaction(self.services.engine) as s:
            (known,) = queries.list_looks(s, region_id="slope", item_id=look.item_id)
            owner, lease = self.services.owner, self.services.settings.lease
            claimed = store.claim_look(
                s, "slope", datetime.now(UTC), owner, lease, look_id=known.id
            )
            assert claimed is not None
            watched = queries.get_region(s, "slope")
        judgement = Judgement((detection,), Coverage(1.0, 1.0), None, ())
        steps.store_judgement(self.services, watched, claimed, judgement)
        return detection

    def confirm(self, days: float = 100) -> ConfirmOutcome:
        self.clock.set(EVENT + timedelta(days=days))
        return confirm_due(self.services, "slope")

    def now(self, landslide: Landslide) -> Landslide:
        with transaction(self.services.engine) as s:
            found = queries.get_landslide(s, landslide.id)
        assert found is not None
        return found

    def landslides(self) -> list[Landslide]:
        with transaction(self.services.engine) as s:
            return queries.list_landslides(s, "slope")

    def history(self, landslide: Landslide) -> list[Landslide]:
        with transaction(self.services.engine) as s:
            return list(queries.landslide_history(s, landslide.id))

    def alerts(self) -> list[tuple[str, str]]:
        with transaction(self.services.engine) as s:
            records = outbox.list_alerts(s)[::-1]
        return [(r.alert.kind, d.channel) for r in records for d in r.deliveries]

    def kinds(self) -> list[str]:
        """Return the kinds of the alerts, oldest first."""
        with transaction(self.services.engine) as s:
            return [record.alert.kind for record in outbox.list_alerts(s)[::-1]]

    def findings(self, landslide: Landslide) -> list[Finding]:
        with transaction(self.services.engine) as s:
            return [check.finding for check in optical.optical_checks(s, landslide.id)]

    def rows(self) -> dict[str, list[Any]]:
        """Return all that is stored, without who wrote it and when."""
        return stored_rows(self.services.engine)


@pytest.fixture
def watch_optically(
    engine: Engine, tmp_path: Path, no_settings: Path
) -> Callable[..., OpticalWatch]:
    """Makes a region with three clear looks before ``EVENT`` and nothing after."""

    def make(
        *, engine: Engine = engine, folder: Path = tmp_path, base_url: str | None = None,
        channels: Iterable[Channel] = (), catalogue_url: str = OpticalWatch.catalogue_url,
        home: Path = no_settings, before: Iterable[float] = QUIET,
        settings: Mapping[str, Any] | None = None, **fields: Any,
    ) -> OpticalWatch:  # fmt: skip
        clock = FileClock(home / "clock")
        clock.set(EVENT)
        local = CatalogueSettings(kind="stac", url=catalogue_url)
        # Both take time: the tests of pictures and composites ask for them.
        chosen = {"picture_timeout_s": 0.0, "keep_composites_days": 0, **(settings or {})}
        own = Settings(home=home, catalogues={"local": local}, **chosen)
        values: dict[str, Any] = {"watch_from": EVENT, "tags": ("valley",)}
        with transaction(engine) as s:
            store.save_region(s, region(**(values | fields)))
        services = Services(own, engine, clock, tuple(channels))
        made = OpticalWatch(services, folder, clock, base_url, catalogue_url)
        for days in before:
            made.see(days)
        return made

    return make


def drill_channel(name: str, *tags: str) -> Channel:
    """Return an exercise channel that nothing is sent to."""
    return Channel(name, SecretStr("file:/tmp/none"), True, tags)
