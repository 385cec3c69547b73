"""The command line over a real PostGIS: what is stored beforehand, and how commands are typed."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from affine import Affine
from shapely.geometry import MultiPolygon, box
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from db import outbox, store
from db.engine import transaction
from detectors.simulate import Roughening, roughen, slide_outline
from detectors.types import (
    Acquisition,
    Alert,
    Detection,
    Grid,
    Landslide,
    OrbitState,
    Sensor,
    State,
    Tier,
    WatchedRegion,
    derive_id,
)
from flows.archive.build import build
from flows.cli import app
from tests.begun import Begun

NOW = datetime.now(UTC).replace(microsecond=0)
SENSED = datetime(2023, 11, 21, 1, 59, 9, tzinfo=UTC)
SOURCE = "local/opera-rtc-s1"
#: Passes of ``drill_archive``; the landslide shows in the last two.
PASSES = [datetime(2023, 1, 1, 2, tzinfo=UTC) + timedelta(days=12 * n) for n in range(9)]


def item_id(sensed: datetime) -> str:
    stamp = f"{sensed:%Y%m%dT%H%M%S}Z"
    return f"OPERA_L2_RTC-S1_T137-292321-IW2_{stamp}_{stamp}_S1A_30_v1.0"


def region(region_id: str, **fields: Any) -> WatchedRegion:
    values: dict[str, Any] = {
        "name": region_id.replace("-", " ").title(),
        "geometry": MultiPolygon([box(-119.9, 34.6, -119.8, 34.7)]),
        "sources": (SOURCE,),
        "watch_from": datetime(2023, 1, 1, tzinfo=UTC),
    }
    return WatchedRegion(id=region_id, **(values | fields))


def acquisition(sensed: datetime = SENSED, **fields: Any) -> Acquisition:
    values: dict[str, Any] = {
        "source": SOURCE,
        "item_id": item_id(sensed),
        "platform": "sentinel-1a",
        "sensor": Sensor.SAR,
        "sensed_at": sensed,
        "published_at": sensed + timedelta(hours=10),
        "footprint": box(-120.5, 34.2, -119.2, 34.9),
        "orbit_state": OrbitState.ASCENDING,
        "relative_orbit": 137,
        "polarisations": ("VV", "VH"),
        "assets": {"VV": "http://127.0.0.1:1/vv.tif", "VH": "http://127.0.0.1:1/vh.tif"},
        "burst_id": "T137-292321-IW2",
    }
    return Acquisition(**(values | fields))


def detection(region_id: str, look: Acquisition, **fields: Any) -> Detection:
    values: dict[str, Any] = {
        "region_id": region_id,
        "acquisition_id": look.id,
        "polygon": box(-119.8123, 34.6121, -119.8102, 34.6135),
        "area_m2": 31_500.0,
        "score_max": 6.84,
        "score_mean": 4.25,
        "evidence": 21.7,
        "change_db": 4.3,
        "tier": Tier.LIKELY,
        "not_before": look.sensed_at - timedelta(days=12),
        "not_after": look.sensed_at,
        "item_ids": (look.item_id,),
        "detector": "sar_log_ratio+sar_disturbance",
        "weights_version": "none",
        "config_hash": "abc123",
    }
    return Detection(**(values | fields))


def landslide(*found: Detection, **fields: Any) -> Landslide:
    first = found[0]
    values: dict[str, Any] = {
        "id": derive_id("landslide", first.id),
        "region_id": first.region_id,
        "revision": 1,
        "state": State.SUSPECTED,
        "tier": first.tier,
        "geometry": MultiPolygon([first.polygon]),
        "area_m2": first.area_m2,
        "not_before": first.not_before,
        "not_after": first.not_after,
        "detections": tuple(one.id for one in found),
        "looks": len({one.acquisition_id for one in found}),
        "score_max": first.score_max,
        "evidence": first.evidence,
        "change_db": first.change_db,
        "cause": "first seen",
    }
    return Landslide(**(values | fields))


@dataclass(frozen=True)
class Stored:
    """What ``fill`` writes: two regions, looks in every state, two landslides, one alert."""

    drill: WatchedRegion
    coast: WatchedRegion
    likely: Landslide
    watched: Landslide
    alert: Alert
    look: Acquisition


def fill(engine: Engine) -> Stored:
    """Store a small world."""
    drill = region(
        "san-rafael", name="San Rafael mountains (drill)", simulated=True, tags=("drill",)
    )
    coast = region("big-sur", name="Mud Creek and Paul's Slide, Big Sur coast", tags=("coast",))
    look = acquisition(simulated=True)
    later = acquisition(SENSED + timedelta(days=12), simulated=True)
    states = ("processed", "skipped", "failed", "due", "processed")
    other = [
        acquisition(SENSED + timedelta(days=12 * n, hours=-4), burst_id="T035-073251-IW1")
        for n in range(1, len(states) + 1)
    ]
    early = acquisition(datetime(2022, 6, 1, 2, tzinfo=UTC), burst_id="T035-073251-IW1")
    likely_detection = detection(drill.id, look, simulated=True)
    again = detection(drill.id, later, area_m2=33_300.0, evidence=22.4, simulated=True)
    watch_detection = detection(
        coast.id, other[0], tier=Tier.WATCH, evidence=12.2, area_m2=8_100.0, change_db=-3.1
    )
    first = landslide(likely_detection, simulated=True)
    likely = landslide(
        likely_detection, again, id=first.id, revision=2, simulated=True, area_m2=33_300.0,
        evidence=22.4, cause="seen again, outline of the stronger look",
    )  # fmt: skip
    watched = landslide(watch_detection)
    alert = Alert(first, "suspected", drill.name, drill.tags, look.item_id, look.sensed_at,
                  look.published_at, exercise=True)  # fmt: skip
    with transaction(engine) as s:
        store.save_region(s, drill)
        store.save_region(s, coast)
        store.record_acquisitions(s, drill, [look, later])
        store.record_acquisitions(s, coast, [early, *other])
        refusals = [(f"GRD_{n}", "not terrain-corrected: no gamma0") for n in range(3)]
        store.record_refusals(s, coast.id, SOURCE, [*refusals, ("S2_1", "no SAR polarisation")])
        store.finish_polls(s, [drill.id], SOURCE, NOW - timedelta(minutes=9), NOW)
        store.finish_polls(
            s, [coast.id], SOURCE, NOW - timedelta(hours=3), NOW - timedelta(hours=3)
        )
        store.finish_polls(s, [coast.id], SOURCE, None, NOW, error="[503] no answer after 4 tries")
        for _ in range(2):
            _finish(s, drill.id, "processed", None)
        for state in states:
            _finish(s, coast.id, state, f"because it was {state}")
        store.store_detections(s, [likely_detection, again, watch_detection])
        for version in (first, likely, watched):
            store.store_landslide(s, version)
        outbox.enqueue(s, alert, ["drill-file", "drill-hook"])
        sent = outbox.claim_delivery(s, NOW, "test", timedelta(minutes=1))
        assert sent is not None
        outbox.record_receipt(s, sent.id, "test", {"key": str(alert.id)}, NOW)
        lost = outbox.claim_delivery(s, NOW, "test", timedelta(minutes=1))
        assert lost is not None
        outbox.record_failure(
            s, lost.id, "test", "channel drill-hook: HTTP 503", NOW + timedelta(hours=1)
        )
    return Stored(drill, coast, likely, watched, alert, look)


def _finish(s: Any, region_id: str, state: str, reason: str | None) -> None:
    """End the oldest due look of a region; ``due`` gives it back."""
    claimed = store.claim_look(s, region_id, datetime.now(UTC), "test", timedelta(minutes=1))
    assert claimed is not None
    if state == "due":
        store.retry_look(s, claimed.id, "test", str(reason), NOW + timedelta(hours=2))
        return
    seen = 0.981 if state == "processed" else None
    reason = None if state == "processed" else reason
    store.finish_look(s, claimed.id, "test", state, reason, seen, None, NOW)


@pytest.fixture
def make_region() -> Callable[..., WatchedRegion]:
    return region


@pytest.fixture
def stored(engine: Engine) -> Stored:
    return fill(engine)


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """The command line sets logging up for its whole process; here that process goes on."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    yield
    structlog.reset_defaults()
    root.setLevel(before[0])
    root.handlers[:] = before[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder, and nothing else of ours in the environment."""
    for variable in [name for name in os.environ if name.startswith(("SCARPWATCH_", "PREFECT_"))]:
        monkeypatch.delenv(variable)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("SCARPWATCH_HOME", str(folder))
    monkeypatch.setenv("COLUMNS", "100")
    # Both take time: the tests of pictures and composites ask for them.
    monkeypatch.setenv("SCARPWATCH_PICTURE_TIMEOUT_S", "0")
    monkeypatch.setenv("SCARPWATCH_KEEP_COMPOSITES_DAYS", "0")
    return folder


@pytest.fixture
def cli(home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Types a command; what nobody foresaw fails the test."""
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", database_url)

    def type_in(*words: object, status: int = 0, answer: str | None = None) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words], input=answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        return result

    return type_in


@pytest.fixture
def read(cli: Callable[..., Result]) -> Callable[..., Any]:
    """Types a command with ``--json`` and returns the document, which is all there is."""

    def type_in(*words: object, status: int = 0) -> Any:
        result = cli(*words, "--json", status=status)
        return json.loads(result.stdout)

    return type_in


@pytest.fixture
def region_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a region file; properties can be set."""

    def write(stem: str = "slope", geometry: Any = None, **properties: Any) -> Path:
        square = [[-119.9, 34.6], [-119.8, 34.6], [-119.8, 34.7], [-119.9, 34.7], [-119.9, 34.6]]
        document = {
            "type": "Feature",
            "properties": {"sources": ["opera-asf/OPERA_L2_RTC-S1_V1"], **properties},
            "geometry": geometry or {"type": "Polygon", "coordinates": [square]},
        }
        path = tmp_path / f"{stem}.geojson"
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    return write


@pytest.fixture
def drill_archive(tmp_path: Path, product: Callable[..., Path]) -> Path:
    """Nine passes of one small burst; the last two show 3 ha that slid."""
    shape, origin = (64, 64), (243_000.0, 3_834_990.0)
    grid = Grid(32611, Affine(30.0, 0.0, origin[0], 0.0, -30.0, origin[1]), *shape)
    outline = slide_outline((origin[0] + 900, origin[1] - 800), 205.0, 30_000.0)
    random = np.random.default_rng(20230101)
    for number, sensed in enumerate(PASSES):
        for layer, level in (("VV", 0.1), ("VH", 0.025)):
            gamma0 = random.gamma(8.0, level / 8, shape).astype(np.float32)
            if number >= len(PASSES) - 2:
                gamma0 = roughen(gamma0, grid, outline, Roughening())
            product(
                tmp_path / "drill", sensed=f"{sensed:%Y%m%dT%H%M%S}", layer=layer, values=gamma0,
                processed=f"{sensed + timedelta(hours=9):%Y%m%dT%H%M%S}", origin=origin,
            )  # fmt: skip
    return build(tmp_path / "drill", tmp_path / "drill-archive", simulated=True).path


@pytest.fixture
def slope(drill_archive: Path, region_file: Callable[..., Path]) -> Path:
    """A region file for all of ``drill_archive``: a drill, judged by the quick detector."""
    (shown,) = {
        json.dumps(json.loads(item.read_text())["geometry"])
        for item in (drill_archive / "items").glob("*.json")
    }
    return region_file(
        "slope", geometry=json.loads(shown), sources=["local/opera-rtc-s1"], simulated=True,
        detectors=["sar_log_ratio"], watch_from="2023-01-01T00:00:00Z", tags=["drill"],
    )  # fmt: skip


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Callable[..., Begun]]:
    """Starts a command of ours as a process; killed at the end of the test."""
    under_way: list[Begun] = []

    def begin(*words: str) -> Begun:
        command = [sys.executable, "-m", "flows.cli", *words]
        under_way.append(Begun(command, tmp_path / "said"))
        return under_way[-1]

    yield begin
    for one in under_way:
        one.kill()
