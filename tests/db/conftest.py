"""Records to store, each with its own place and time."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shapely.geometry import MultiPolygon, box
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import store
from db.engine import transaction
from detectors.types import (
    Acquisition,
    Alert,
    Detection,
    Landslide,
    OrbitState,
    State,
    Tier,
    WatchedRegion,
    derive_id,
)

DAY = timedelta(days=1)
START = datetime(2023, 1, 1, 14, 15, 3, 123456, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)


class Make:
    """Records with sensible values; every field can be set."""

    now = NOW
    start = START

    def region(self, region_id: str = "san-rafael", **fields: Any) -> WatchedRegion:
        values: dict[str, Any] = {
            "name": "San Rafael",
            "geometry": MultiPolygon([box(-120.0, 34.0, -119.0, 35.0)]),
            "sources": ("local/opera-rtc-s1",),
        }
        return WatchedRegion(id=region_id, **(values | fields))

    def acquisition(self, day: float = 0, **fields: Any) -> Acquisition:
        sensed = START + day * DAY
        values: dict[str, Any] = {
            "source": "local/opera-rtc-s1",
            "item_id": f"item-{day}",
            "platform": "sentinel-1a",
            "sensed_at": sensed,
            "published_at": sensed + timedelta(hours=10),
            "footprint": box(-119.8, 34.2, -119.2, 34.8),
            "orbit_state": OrbitState.ASCENDING,
            "relative_orbit": 137,
            "polarisations": ("VV", "VH"),
            "assets": {"VV": "https://host/vv.tif", "VH": "https://host/vh.tif"},
            "burst_id": "T137-292321-IW2",
        }
        return Acquisition(**(values | fields))

    def detection(self, acquisition: Acquisition, number: int = 0, **fields: Any) -> Detection:
        west = -119.7 + 0.01 * number
        values: dict[str, Any] = {
            "region_id": "san-rafael",
            "acquisition_id": acquisition.id,
            "polygon": box(west, 34.5, west + 0.002, 34.502),
            "area_m2": 30_000.0,
            "score_max": 6.5,
            "score_mean": 4.25,
            "evidence": 120.0,
            "change_db": 4.3,
            "tier": Tier.LIKELY,
            "not_before": acquisition.sensed_at - 12 * DAY,
            "not_after": acquisition.sensed_at,
            "item_ids": (acquisition.item_id,),
            "detector": "sar_log_ratio+sar_disturbance",
            "weights_version": "none",
            "config_hash": "abc123",
        }
        return Detection(**(values | fields))

    def landslide(self, *detections: Detection, **fields: Any) -> Landslide:
        first = detections[0]
        values: dict[str, Any] = {
            "id": derive_id("landslide", first.id),
            "region_id": first.region_id,
            "revision": 1,
            "state": State.SUSPECTED,
            "tier": Tier.LIKELY,
            "geometry": MultiPolygon([d.polygon for d in detections]),
            "area_m2": 30_000.0,
            "not_before": first.not_before,
            "not_after": first.not_after,
            "detections": tuple(d.id for d in detections),
            "looks": len({d.acquisition_id for d in detections}),
            "score_max": 6.5,
            "evidence": 120.0,
            "change_db": 4.3,
            "cause": "first seen",
        }
        return Landslide(**(values | fields))

    def alert(self, landslide: Landslide, **fields: Any) -> Alert:
        values: dict[str, Any] = {
            "kind": "suspected",
            "region_name": "San Rafael",
            "tags": ("drill",),
            "item_id": "item-0",
            "sensed_at": START,
            "published_at": START + timedelta(hours=10),
            "exercise": True,
        }
        return Alert(landslide=landslide, **(values | fields))


@pytest.fixture
def make() -> Make:
    return Make()


@dataclasses.dataclass
class World:
    """A database with one region, one look, two detections and one landslide stored."""

    engine: Engine
    region: WatchedRegion
    acquisition: Acquisition
    detections: tuple[Detection, Detection]
    landslide: Landslide

    def open(self) -> AbstractContextManager[Session]:
        return transaction(self.engine)


@pytest.fixture
def world(engine: Engine, make: Make) -> World:
    region, acquisition = make.region(), make.acquisition()
    detections = (make.detection(acquisition), make.detection(acquisition, 1))
    landslide = make.landslide(*detections)
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [acquisition])
        store.store_detections(s, detections)
        store.store_landslide(s, landslide)
    return World(engine, region, acquisition, detections, landslide)
