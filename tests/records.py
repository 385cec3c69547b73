"""Records to store, each with its own place and time; every field can be set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shapely.geometry import MultiPolygon, box

from detectors.exposure import Exposed, Exposure, NearPlace, OnRiver, Thing
from detectors.types import (
    Acquisition,
    Alert,
    Detection,
    Finding,
    Landslide,
    OpticalCheck,
    OrbitState,
    Sensor,
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
            "sensor": Sensor.SAR,
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

    def optical(self, day: float = 0, **fields: Any) -> Acquisition:
        bands = ("blue", "green", "red", "nir")
        values: dict[str, Any] = {
            "source": "local/sentinel-2-l2a",
            "item_id": f"tile-{day}",
            "platform": "sentinel-2b",
            "sensor": Sensor.OPTICAL,
            "orbit_state": None,
            "relative_orbit": None,
            "polarisations": (),
            "assets": {band: f"https://host/{band}.tif" for band in (*bands, "scl")},
            "burst_id": None,
            "tile": "11SKU",
            "cloud_cover": 12.5,
            "scale": dict.fromkeys(bands, 0.0001),
            "offset": dict.fromkeys(bands, -0.1),
        }
        return self.acquisition(day, **(values | fields))

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

    def exposure(self, **fields: Any) -> Exposure:
        values: dict[str, Any] = {
            "mapped": tuple(Thing),
            "things": (
                Exposed(Thing.ROAD, "Fv53", "secondary", 120.25, 0.0),
                Exposed(Thing.RIVER, "Utla", "river", 80.0, 0.0),
            ),
            "buildings_inside": 0,
            "buildings_near": 3,
            "place": NearPlace("Årdal", 1_400.5, 135.0),
            "downstream": OnRiver(
                True, ("Utla",), 2, ("Brua",), 1, (NearPlace("Nedre", 5_900.0, 270.0),)
            ),
            "credits": ("© OpenStreetMap contributors, ODbL 1.0",),
            "loaded_at": START,
        }
        return Exposure(**(values | fields))

    def check(self, landslide: Landslide, look: Acquisition, **fields: Any) -> OpticalCheck:
        values: dict[str, Any] = {
            "landslide_id": landslide.id,
            "revision": landslide.revision,
            "acquisition_id": look.id,
            "sensed_at": look.sensed_at,
            "finding": Finding.AGREES,
            "reason": "vegetation was lost",
            "share_clear": 0.75,
            "unseen": {"cloud": 0.25},
            "ndvi_before": 0.7,
            "d_ndvi": -0.4,
            "share_changed": 0.9,
            "ensemble_score": 0.8,
            "ensemble_spread": 0.05,
            "outline": landslide.geometry,
            "outline_area_m2": 20_000.0,
            "item_ids": ("tile-before", look.item_id),
            "weights_version": "landslide-rgb-1",
            "config_hash": "abc123",
        }
        return OpticalCheck(**(values | fields))
