"""Rows of kept rasters: versions, who sees them, and that a box and a time find them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from shapely.affinity import translate
from sqlalchemy import text

from db import composites, store
from db.records import CompositeRecord, Layer
from detectors.errors import ConfigurationError, PermanentError
from detectors.types import Sensor
from tests.db.conftest import World
from tests.db.test_analysts import plan, rows
from tests.db.test_roles import answer, as_login, refused  # noqa: F401
from tests.records import Make


def layer(world: World, kind: Layer = Layer.PRE, **other) -> CompositeRecord:
    look = world.acquisition
    values = {
        "stac_id": "here_1", "kind": kind, "sensor": Sensor.SAR, "region_id": world.region.id,
        "acquisition_id": look.id, "landslide_id": None, "sensed_at": look.sensed_at,
        "begins_at": look.sensed_at - timedelta(days=108), "ends_at": look.sensed_at, "looks": 10,
        "item_ids": ("a", look.item_id), "bands": ("VV", "VH"), "unit": "dB", "scale": 0.05,
        "nodata": -32768.0, "data_type": "int16", "epsg": 32611,
        "transform": (30.0, 0.0, 240_000.0, 0.0, -30.0, 3_850_000.0), "height": 64, "width": 80,
        "detector": None, "weights_version": None, "config_hash": None, "software": "scarpwatch 1",
        "path": f"here/2023/here_1_{kind}_0.tif", "bytes": 9_999, "sha256": "0" * 64,
        "simulated": False, "geometry": look.footprint,
    }  # fmt: skip
    return CompositeRecord(**(values | other))


def test_what_is_stored_again_is_the_same_and_what_differs_is_the_next_version(
    world: World,
) -> None:
    layers = [layer(world), layer(world, Layer.UNSEEN)]
    for _ in range(2):
        with world.open() as s:
            composites.store_composites(s, "here_1", layers[::-1])
            found = composites.list_composites(s)
        assert [replace(one, recorded_at=None) for one in found] == layers
    with world.open() as s:
        assert composites.composite_at(s, layers[0].path) == found[0]
        assert composites.composite_at(s, "here/other.tif") is None
        assert composites.named(s, [layers[0].path, "x"]) == {layers[0].path}
    other = layer(world, sha256="1" * 64, path="here/2023/here_1_pre_1.tif")
    with world.open() as s:
        composites.store_composites(s, "here_1", [other])
        (found_now,) = composites.list_composites(s)
    assert replace(found_now, recorded_at=None) == replace(other, version=2)
    with world.open() as s:
        composites.store_composites(s, "here_1", [])
        assert composites.list_composites(s) == []


def test_no_row_can_name_a_file_elsewhere(world: World) -> None:
    for path in ("/etc/passwd.tif", "../x.tif", "here/../../x.tif", ".hidden/x.tif", "here/x.txt"):
        with pytest.raises(PermanentError), world.open() as s:
            composites.store_composites(s, "here_1", [layer(world, path=path)])


def test_what_a_landslide_was_seen_in_stays_and_is_found_by_it(world: World, make: Make) -> None:
    quiet = make.acquisition(12)
    other = layer(
        world, stac_id="here_2", acquisition_id=quiet.id, path="here/2.tif",
        sensed_at=quiet.sensed_at,
    )  # fmt: skip
    with world.open() as s:
        store.record_acquisitions(s, world.region, [quiet])
        composites.store_composites(s, "here_1", [layer(world)])
        composites.store_composites(s, "here_2", [other])
        (mine,) = composites.composites_of(s, world.landslide.id)
        assert mine.stac_id == "here_1"
        (old,) = composites.expired(s, mine.recorded_at + timedelta(days=1))
        assert old.stac_id == "here_2"
        assert composites.expired(s, mine.recorded_at - timedelta(days=1)) == []
        assert [one.stac_id for one in composites.list_composites(s, limit=1)] == ["here_2"]
        with pytest.raises(ConfigurationError, match="no landslide"):
            composites.composites_of(s, quiet.id)


def test_groups_see_the_composites_of_their_regions(
    world: World, make: Make, as_login  # noqa: F811
) -> None:  # fmt: skip
    coast = make.region("coast", tags=("coast",))
    look = make.acquisition(3)
    theirs = layer(
        world, stac_id="coast_1", region_id="coast", acquisition_id=look.id, path="coast/1.tif"
    )
    with world.open() as s:
        store.save_region(s, coast)
        store.record_acquisitions(s, coast, [look])
        composites.store_composites(s, "here_1", [layer(world)])
        composites.store_composites(s, "coast_1", [theirs])
    seen = "SELECT stac_id FROM analysts.composites ORDER BY 1"
    assert answer(as_login(world.engine, "test_all"), seen) == [("coast_1",), ("here_1",)]
    ola = as_login(world.engine, "test_coast", groups=["coast"])
    assert answer(ola, seen) == [("coast_1",)]
    assert "permission denied" in refused(ola, "SELECT * FROM scarpwatch.composites")


MANY = """
INSERT INTO scarpwatch.composites SELECT (jsonb_populate_record(kept, jsonb_build_object(
    'id', md5(n::text)::uuid, 'stac_id', 'many_' || n, 'path', 'many/' || n || '.tif',
    'sensed_at', kept.sensed_at + n * interval '1 hour'))).*
FROM scarpwatch.composites AS kept, generate_series(1, 3000) AS n
"""


def test_a_box_and_a_time_reach_the_indexes(world: World) -> None:
    with world.open() as s:
        composites.store_composites(s, "here_1", [layer(world)])
        s.execute(text(MANY))
        far = translate(world.acquisition.footprint, 20, 0)
        s.execute(
            text("UPDATE scarpwatch.composites SET geometry = ST_GeomFromText(:far, 4326)"
                 " WHERE stac_id <> 'here_1'"),
            {"far": far.wkt},
        )  # fmt: skip
    with world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as opened:
        opened.execute(text("VACUUM ANALYZE scarpwatch.composites"))
    west, south, east, north = world.acquisition.footprint.bounds
    here = f"geometry && ST_MakeEnvelope({west}, {south}, {east}, {north}, 4326)"
    query = f"SELECT stac_id FROM analysts.composites WHERE {here}"
    assert rows(world.engine, query) == [{"stac_id": "here_1"}]
    assert "idx_composites_geometry" in plan(world.engine, query)
    then = f"sensed_at < '{world.acquisition.sensed_at + timedelta(hours=2)}'"
    assert "ix_composites_sensed_at" in plan(
        world.engine, f"SELECT stac_id FROM analysts.composites WHERE {then}"
    )
