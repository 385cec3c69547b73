"""Every field of a region file survives the database, the file again and the page; and acts."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import MultiPolygon, box

from db import queries, store
from db.engine import transaction
from detectors.types import Level, Sensor, WatchedRegion
from flows import ledger, silence
from flows.confirming import confirmations_due
from flows.region_changes import watch as change
from flows.regions import RegionProperties, document_of, read_region, region_of
from flows.web.region_texts import TEXTS, of_form, read, typed_of
from tests.series import DAYS

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
#: No field as it is by default.
ODD = WatchedRegion(
    id="odd", name="An odd one", geometry=MultiPolygon([box(9.5, 46.6, 9.6, 46.7)]),
    sources=("opera-asf/OPERA_L2_RTC-S1_V1", "sentinel-2/sentinel-2-l2a"),
    detectors=("sar_log_ratio",), watch_from=datetime(2025, 3, 1, 6, 30, tzinfo=UTC),
    min_area_m2=9_000.5, poll_every=timedelta(minutes=45), priority=7, simulated=True,
    tags=("road", "village"), requests_a_month=2000, bytes_a_month=20_000_000_000,
    units_a_month=300.5, windows=("05/10", "12-24/01-06"), sensors=(Sensor.SAR,),
    alert_from=Level.CONFIRMED,
)  # fmt: skip
CRON = replace(ODD, poll_every=timedelta(minutes=30), poll_cron="0 6,18 * * * Europe/Oslo")
DEFAULTS = WatchedRegion("", "", MultiPolygon(), ())


def test_the_odd_region_leaves_no_field_as_it_was() -> None:
    """A new field of a region comes here, too, or the contract below would not see it."""
    same = {
        field.name
        for field in fields(WatchedRegion)
        if getattr(CRON if field.name == "poll_cron" else ODD, field.name)
        == getattr(DEFAULTS, field.name)
    }
    assert same == {"paused"}
    documented = set(RegionProperties.model_fields) | {"geometry"}
    ours = {field.name for field in fields(WatchedRegion)} - {"paused", "poll_every"}
    assert documented == ours | {"poll_every_minutes"}
    # The page has them all: as texts, or as ticks.
    assert set(TEXTS) | {"detectors", "sensors", "simulated"} == documented


@pytest.mark.parametrize("region", [ODD, CRON], ids=["interval", "cron"])
def test_every_field_survives_file_database_file_and_page(region, engine, tmp_path) -> None:
    path = tmp_path / "odd.geojson"
    path.write_text(json.dumps(document_of(region)), encoding="utf-8")
    assert read_region(path, NOW) == region
    with transaction(engine) as s:
        store.save_region(s, region)
        (version,) = queries.region_history(s, "odd")
        stored = queries.get_region(s, "odd")
    assert stored == version.region == region
    again = json.loads(json.dumps(document_of(stored)))
    assert region_of(again, "x", NOW) == region
    typed = typed_of(stored, 1)
    sent = dict(typed.texts) | {f"detector-{one}": "on" for one in typed.detectors}
    sent |= {f"sensor-{one}": "on" for one in typed.sensors} | {"revision": "1"}
    assert read(of_form(sent, stored), stored, NOW) == region


def test_a_region_that_says_nothing_has_its_defaults(tmp_path) -> None:
    said = document_of(DEFAULTS)["properties"]
    assert (said["sensors"], said["windows"], said["alert_from"]) == (
        ["sar", "optical"],
        [],
        "likely",
    )
    assert "poll_cron" not in said


def test_looks_outside_windows_are_baseline_and_follow_a_change(watch) -> None:
    w = watch(windows=("04/06",))
    w.reach()
    w.poll()
    assert {w.states()[date] for date in DAYS[6:]} == {"baseline"}
    change(w.services, replace(w.region, windows=("11-20/12-31",)), since_unsaid=True)
    assert [w.states()[date] for date in DAYS[6:]] == ["baseline", "baseline", "due", "due"]
    change(w.services, replace(w.region, windows=("11-21",)), since_unsaid=True)
    assert [w.states()[date] for date in DAYS[6:]] == ["baseline", "baseline", "due", "baseline"]


def test_looks_of_other_sensors_are_baseline_and_not_missed(watch) -> None:
    w = watch(sensors=(Sensor.OPTICAL,))
    w.reach()
    w.poll()
    assert set(w.states().values()) == {"baseline"}
    assert w.detect() == []
    with w.open() as s:
        region = queries.get_region(s, w.region.id)
        assert silence.cycles(s, region, w.clock.now()) == {}
        assert ledger.expected_looks(w.services, s, region, region.watch_from) == []
    radar = replace(w.region, sensors=(Sensor.SAR,))
    change(w.services, radar, since_unsaid=True)
    assert [w.states()[date] for date in DAYS[6:]] == 4 * ["due"]
    with w.open() as s:
        assert silence.cycles(s, radar, w.clock.now())
        assert ledger.expected_looks(w.services, s, radar, radar.watch_from)
    assert not confirmations_due(w.services, w.region.id)


def test_nothing_is_expected_outside_windows(watch) -> None:
    w = watch()
    w.run()
    w.clock.set(w.clock.now() + timedelta(days=20))
    with w.open() as s:
        region = queries.get_region(s, w.region.id)
        lines = ledger.expected_looks(w.services, s, region, region.watch_from)
        missing = [line for line in lines if line.sensed_at is None]
        assert missing
        closed = replace(region, windows=("05/06",))
        lines = ledger.expected_looks(w.services, s, closed, region.watch_from)
        assert [line for line in lines if line.sensed_at is None] == []
        assert silence.silent_tracks(w.services, s, region)
        assert silence.silent_tracks(w.services, s, closed) == {}


@pytest.mark.parametrize(
    ("level", "kinds"), [("likely", ["suspected", "updated"]), ("confirmed", [])]
)
def test_a_region_alerts_from_its_level_on(watch, level, kinds) -> None:
    w = watch(alert_from=Level(level))
    w.run()
    assert [row["kind"] for row in w.rows()["alerts"]] == kinds
    assert len(w.rows()["landslides"]) == 1
