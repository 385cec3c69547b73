"""What reading costs, held against what the servers sent; and a quota that puts looks off."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pydantic import SecretStr, ValidationError
from shapely.geometry import mapping

from alerts import journal
from alerts.records import Channel
from db import costs, queries, store
from detectors.errors import InvalidRegion
from detectors.ledger import Outcome
from detectors.types import Sensor
from flows import meter, steps
from flows.costs import Limit, charging, limits_of, month_of, refusal
from flows.delivering import deliver_due
from flows.kept_open import keeping_open, reading_ahead
from flows.ledger import expected_looks, keep_ledger
from flows.rasters import open_href
from flows.regions import read_region
from flows.settings import Settings
from tests.rasters import Signing, speckle, write
from tests.series import END, WATCH_FROM

TODAY = datetime.now(UTC).date()


def spent(w, work: str) -> costs.Spending:
    with w.open() as s:
        (line,) = (one for one in costs.list_costs(s, TODAY, w.region.id) if one.work == work)
    return line.spent


def test_bytes_and_requests_are_those_the_server_sent(served, files) -> None:
    assert meter.gdal_is_counted()
    w = served()
    w.reach()
    w.poll()
    assert files.seen() == []
    outcomes = w.detect()
    assert [outcome.state for outcome in outcomes] == ["processed"] * 4
    judged, polled = spent(w, "judge"), spent(w, "poll")
    assert (judged.requests, judged.bytes) == (len(files.seen()), files.sent())
    assert judged.bytes > 100_000
    assert polled.requests >= 3, "landing page, collection, search"
    assert polled.bytes > 3_000, "compressed, as they came"
    assert 0 < judged.seconds < 600
    with w.open() as s:
        by_look = costs.list_looks(s, TODAY, w.region.id)
    assert {look.item_id for look in by_look} == {outcome.item_id for outcome in outcomes}
    assert sum(look.spent.bytes for look in by_look) == judged.bytes
    # Read again is paid again.
    steps.rejudge(w.services, w.region.id, outcomes[0].item_id)
    assert spent(w, "judge").bytes == files.sent()

    # The ledger of the same looks. Nothing comes for a year: three alarms, then it has ended.
    with w.open() as s:
        lines = expected_looks(w.services, s, w.region, WATCH_FROM)
    assert [line.outcome for line in lines[:4]] == [Outcome.PROCESSED] * 4
    for _ in range(2):
        keep_ledger(w.services, [w.region.id])
    asked = "SELECT expected_at, outcome FROM analysts.ledger ORDER BY 1"
    assert [tuple(row) for row in w.sql(asked)] == [
        (line.expected_at, line.outcome.value) for line in lines
    ]
    w.clock.set(END + timedelta(days=400))
    w.poll()
    with w.open() as s:
        lines = expected_looks(w.services, s, w.region, WATCH_FROM)
    assert [line.outcome for line in lines] == [Outcome.PROCESSED] * 4 + [Outcome.MISSING] * 3


def test_nothing_is_lost_that_is_read_while_the_meter_is_taken(files) -> None:
    hrefs = []
    for number in range(40):
        write(files.root / f"{number}.tif", speckle(64, 64), nodata=np.nan)
        hrefs.append(f"{files.url}/{number}.tif")

    def read(href: str) -> None:
        with open_href(href, "a file", Signing()) as dataset:
            dataset.read(1)
        meter.count(requests=1, size=7)

    with meter.metering() as one, keeping_open(), reading_ahead(read, hrefs, 40) as reads:
        taken = [one.take() for read_one in reads if read_one() is None]
        taken.append(one.take())
    assert sum(part.requests for part in taken) == len(files.seen()) + 40
    assert sum(part.bytes for part in taken) == files.sent() + 40 * 7
    # The next meter begins at nothing.
    with meter.metering() as another:
        assert not another.take()


def test_what_fails_is_paid_for_too(served, files) -> None:
    w = served()
    w.reach()
    w.poll()
    files.rules({"match": "VV.tif", "status": 500})
    assert w.detect(limit=1)[0].state == "due"
    assert spent(w, "judge").requests == len(files.seen()) > 0


def test_costs_add_up_and_survive_what_fails(watch) -> None:
    w = watch()

    def work() -> None:
        with charging(w.services, "slope", "local/x", "judge") as settle:
            meter.count(requests=2, size=10, units=0.5)
            settle()
            meter.count(requests=1)
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            work()
    assert (spent(w, "judge").requests, spent(w, "judge").bytes) == (6, 20)
    assert spent(w, "judge").units == 1.0
    meter.count(requests=9)
    assert spent(w, "judge").requests == 6, "no meter runs"


def test_a_spent_month_puts_looks_off_and_loses_none(watch, tmp_path, no_settings) -> None:
    url = SecretStr((tmp_path / "ops.jsonl").as_uri())
    w = watch(
        channels=(Channel("ops", url, exercise=False),), requests_a_month=5,
        settings={"operators": ["ops"], "channels": {"ops": {"url": url}}},
    )  # fmt: skip
    w.reach()
    assert w.poll().errors == ()
    with w.open() as s:
        costs.add_costs(s, TODAY, "local/x", "judge", "", {"slope": costs.Spending(requests=5)})
    for _ in range(3):
        assert not steps.looks_due(w.services, "slope")
        assert w.detect() == []
        assert not steps.looks_due(w.services, "slope", Sensor.OPTICAL)
    (reason,) = {look.reason for look in w.looks().values() if look.state == "due"}
    assert reason.startswith("slope has spent its month: ")
    assert "of 5 requests" in reason
    assert "scarpwatch regions add FILE" in reason
    assert {look.attempts for look in w.looks().values()} == {0}
    assert w.poll().errors == (), "polls go on"
    deliver_due(w.services)
    (told,) = journal.read(tmp_path / "ops.jsonl")
    assert told["body"]["kind"] == "quota"
    assert "scarpwatch ledger slope --cost" in told["body"]["text"]

    # The month turns: what was spent was spent in the last one.
    last_month = month_of(datetime.now(UTC))[0] - timedelta(days=1)
    w.sql("UPDATE costs SET day = :day", day=last_month)
    assert w.detect(limit=1)[0].state == "processed"
    assert w.detect() == [], "one look took more than there was"
    # Raised: the rest is judged.
    with w.open() as s:
        store.save_region(s, replace(w.region, requests_a_month=100_000))
    assert [outcome.state for outcome in w.detect()] == ["processed"] * 3
    assert {look.reason for look in w.looks().values()} == {None}


def test_an_installation_has_quotas_for_regions_that_set_none(watch) -> None:
    w = watch(settings={"quota": {"requests_a_month": 5, "bytes_a_month": 10**9}})
    with w.open() as s:
        costs.add_costs(s, TODAY, "local/x", "poll", "", {"slope": costs.Spending(requests=5)})
    refused = refusal(w.services, w.region)
    assert refused is not None
    assert "5 of 5 requests (quota.requests_a_month of the settings)" in str(refused)
    assert "a requests_a_month of its own is written into its file" in str(refused)
    # What a file says goes before it, limit by limit.
    own = replace(w.region, requests_a_month=6, units_a_month=2.5)
    assert refusal(w.services, own) is None
    assert limits_of(w.services.settings, own) == {
        "requests": Limit(6, True), "bytes": Limit(10**9, False), "units": Limit(2.5, True),
    }  # fmt: skip
    with pytest.raises(ValidationError):
        Settings(quota={"bytes_a_month": 0})


def test_a_quota_stands_in_the_region_file(watch, tmp_path) -> None:
    w = watch()
    file = tmp_path / "slope.geojson"

    def write(**properties: object) -> None:
        feature = {
            "type": "Feature", "geometry": mapping(w.region.geometry),
            "properties": {"sources": list(w.region.sources), **properties},
        }  # fmt: skip
        file.write_text(json.dumps(feature))

    write(requests_a_month=1000, bytes_a_month=5_000_000_000, units_a_month=70.5)
    read = read_region(file, WATCH_FROM)
    with w.open() as s:
        store.save_region(s, read)
    with w.open() as s:
        kept = queries.get_region(s, "slope")
    assert (kept.requests_a_month, kept.bytes_a_month, kept.units_a_month) == (
        1000, 5_000_000_000, 70.5,
    )  # fmt: skip
    write(bytes_a_month=0)
    with pytest.raises(InvalidRegion, match="bytes_a_month"):
        read_region(file, WATCH_FROM)
    write(request_a_month=4)
    with pytest.raises(InvalidRegion, match="did you mean 'requests_a_month'"):
        read_region(file, WATCH_FROM)
