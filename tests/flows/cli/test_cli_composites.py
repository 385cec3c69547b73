"""``scarpwatch composites``: what it lists, what goes, and how it says so."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import text

from db import composites, queries, store
from db.engine import transaction
from db.records import CompositeRecord, Layer
from detectors.types import Sensor
from tests.flows.cli.conftest import SENSED, acquisition


@pytest.fixture
def kept(stored, engine, home, monkeypatch):
    """Four layers of a look that no landslide was seen in, with their files."""
    monkeypatch.setenv("SCARPWATCH_KEEP_COMPOSITES_DAYS", "365")
    look = acquisition(SENSED - timedelta(days=12))
    with transaction(engine) as s:
        region_id, simulated = s.execute(
            text("SELECT id, simulated FROM scarpwatch.regions ORDER BY simulated DESC LIMIT 1")
        ).one()
        store.record_acquisitions(s, queries.get_region(s, region_id), [look])
        layers = [_layer(home, region_id, look, kind, simulated) for kind in Layer]
        composites.store_composites(s, "x_1", layers)
    return layers


def _layer(home, region_id, look, kind, simulated) -> CompositeRecord:
    path = home / "composites" / region_id / f"x_1_{kind}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 2_500)
    return CompositeRecord(
        stac_id="x_1", kind=kind, sensor=Sensor.SAR, region_id=region_id,
        acquisition_id=look.id, landslide_id=None, sensed_at=look.sensed_at,
        begins_at=look.sensed_at, ends_at=look.sensed_at, looks=1, item_ids=(look.item_id,),
        bands=("VV", "VH"), unit="dB", scale=0.05, nodata=-32768.0, data_type="int16",
        epsg=32611, transform=(30.0, 0.0, 240_000.0, 0.0, -30.0, 3_850_000.0), height=64,
        width=64, detector=None, weights_version=None, config_hash=None, software="scarpwatch 1",
        path=f"{region_id}/x_1_{kind}.tif", bytes=2_500,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(), simulated=simulated,
        geometry=look.footprint,
    )  # fmt: skip


def test_list_and_prune(cli, read, kept, engine, home) -> None:
    shown = cli("composites", "list").output
    print(shown)
    assert "x_1" in shown
    assert "pre, post, score, unseen" in shown
    assert "10" in shown  # kB
    assert ("SIMULATED" in shown) == kept[0].simulated
    document = read("composites", "list")
    assert [one["path"] for one in document["composites"]] == [one.path for one in kept]
    assert read("composites", "list", "--region", kept[0].region_id, "--limit", "1") == document
    cli("composites", "list", "--region", "nowhere", status=2)
    assert read("composites", "prune")["items"] == []
    with transaction(engine) as s:
        old = "now() - '400 days'::interval"
        s.execute(text(f"UPDATE scarpwatch.composites SET recorded_at = {old}"))
    told = cli("composites", "prune", "--dry-run").output
    print(told)
    assert "1 look older than 365 days without a landslide, 4 files, 0.0 MB would go." in told
    gone = read("composites", "prune")
    assert (gone["items"], gone["files"], gone["bytes"]) == (["x_1"], 4, 10_000)
    assert list((home / "composites").rglob("*.tif")) == []
    assert "Nothing is kept yet" in cli("composites", "list").output
