"""Judging: each look once, in order, stored whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from alerts.records import Channel
from db import outbox, queries
from detectors.projections import to_projected
from detectors.types import State, Tier
from flows.archive.manifest import open_archive
from flows.steps import looks_due, rejudge
from tests.series import DAYS, END, EPSG, HAPPENED, OUTLINE, WATER, day, part_of

FIRST, SECOND = "2023-11-21", "2023-12-03"
#: The look before the landslide, and the time from which the first one that shows it is published.
QUIET, SHOWN = "2023-11-09", datetime(2023, 11, 22, tzinfo=UTC)


def landslides(w):
    with w.open() as s:
        return queries.list_landslides(s, w.region.id)


def detections(w):
    with w.open() as s:
        return queries.list_detections(s, w.region.id)


def alerts(w):
    with w.open() as s:
        return outbox.list_alerts(s)


def test_oldest_first_though_catalogues_list_the_newest_first(watch) -> None:
    w = watch()
    assert [outcome.item_id for outcome in w.run()] == [w.item(date) for date in DAYS[6:]]


def test_baseline_is_never_judged(watch) -> None:
    w = watch()
    w.run()
    assert w.states() == {
        **dict.fromkeys(DAYS[:6], "baseline"), **dict.fromkeys(DAYS[6:], "processed"),
    }  # fmt: skip
    assert {w.looks()[date].attempts for date in DAYS[:6]} == {0}


def test_too_few_looks_before(watch) -> None:
    w = watch(watch_from=datetime(2022, 1, 1, tzinfo=UTC))
    outcomes = w.run()
    assert [outcome.state for outcome in outcomes] == 6 * ["skipped"] + 4 * ["processed"]
    assert [int(outcome.reason.split()[0]) for outcome in outcomes[:6]] == list(range(6))
    reason = w.looks()[DAYS[5]].reason
    assert reason == "5 earlier looks of track 137-ascending-T137-292320-IW2, 6 needed"


def test_water_shows_nothing(watch, quiet_series) -> None:
    w = watch(quiet_series, burst=WATER)
    (outcome,) = w.run()
    assert outcome.state == "skipped"
    assert "nothing above the noise here (water)" in w.looks()[DAYS[6]].reason
    assert w.detect() == []


def test_quiet_ground_stays_quiet(watch, quiet_series) -> None:
    w = watch(quiet_series)
    assert [outcome.state for outcome in w.run()] == 4 * ["processed"]
    assert (detections(w), landslides(w), alerts(w)) == ([], [], [])
    assert min(w.looks()[date].share_seen for date in DAYS[6:]) > 0.99


def test_a_landslide_is_found_at_its_first_look(watch) -> None:
    w = watch()
    outcome = w.run(SHOWN)[-1]
    assert (outcome.item_id, outcome.detections, outcome.alerts) == (w.item(FIRST), 1, 1)
    (detection,) = detections(w)
    (landslide,) = landslides(w)
    assert landslide.detections == (detection.id,)
    assert (landslide.state, landslide.tier) == (State.SUSPECTED, Tier.LIKELY)
    assert landslide.simulated
    found = to_projected(landslide.geometry, EPSG)
    assert found.intersection(OUTLINE).area / found.union(OUTLINE).area >= 0.4
    assert landslide.change_db > 2
    assert landslide.not_before < HAPPENED < landslide.not_after
    assert (day(landslide.not_before), day(landslide.not_after)) == (QUIET, FIRST)
    # Eight looks before it and the look itself, all of them the real inputs.
    assert detection.item_ids == tuple(w.item(date) for date in DAYS[:9])
    (record,) = alerts(w)
    assert (record.alert.landslide, record.alert.item_id) == (landslide, w.item(FIRST))
    assert record.alert.exercise


def test_detection_landslide_alert_and_look_are_one_transaction(watch, tmp_path) -> None:
    url = SecretStr((tmp_path / "told.jsonl").as_uri())
    w = watch(channels=tuple(Channel(name, url, exercise=True) for name in ("duty", "backup")))
    w.run(SHOWN)
    assert len(w.rows()["deliveries"]) == 2
    tables = ("detections", "landslides", "landslide_versions", "alerts", "deliveries")
    (finished,) = w.sql(
        "SELECT looks.xmin::text FROM looks JOIN acquisitions a ON a.id = acquisition_id "
        "WHERE item_id = :item",
        item=w.item(FIRST),
    )
    for table in tables:
        assert {row[0] for row in w.sql(f"SELECT xmin::text FROM {table}")} == set(finished)


def test_an_alert_that_cannot_be_written_leaves_no_landslide_behind(watch) -> None:
    w = watch()
    w.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the outbox is full' USING ERRCODE = 'check_violation'; END $$"
    )
    w.sql("CREATE TRIGGER refuse BEFORE INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION refuse()")
    outcomes = w.run(datetime.fromisoformat(f"{SECOND}T00:00:00+00:00"))
    assert [outcome.state for outcome in outcomes] == ["processed", "processed", "failed"]
    assert "the outbox is full" in w.looks()[FIRST].reason
    assert (detections(w), landslides(w)) == ([], [])
    w.sql("DROP TRIGGER refuse ON alerts")
    assert rejudge(w.services, w.region.id, w.item(FIRST)).alerts == 1
    assert len(landslides(w)) == len(alerts(w)) == 1


def test_an_error_nobody_foresaw_is_not_swallowed_and_stores_nothing(watch) -> None:
    w = watch()
    w.reach()
    w.poll()
    w.sql(
        "CREATE FUNCTION burst() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'unforeseen'; END $$"
    )
    w.sql("CREATE TRIGGER burst BEFORE INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION burst()")
    with pytest.raises(DBAPIError, match="unforeseen"):
        w.detect()
    assert (detections(w), w.states()[FIRST]) == ([], "processing")


def test_a_second_run_finds_nothing_to_do(watch) -> None:
    w = watch()
    w.run()
    before = w.rows()
    assert w.poll().new == 0
    assert not looks_due(w.services, w.region.id)
    assert w.detect() == []
    assert w.rows() == before


def test_a_second_look_joins_and_is_told_as_an_update(watch) -> None:
    w = watch()
    w.run(SHOWN)
    (first,) = landslides(w)
    outcome = w.run(END)[-1]
    assert (outcome.item_id, outcome.detections, outcome.alerts) == (w.item(SECOND), 1, 1)
    (landslide,) = landslides(w)
    assert (landslide.id, landslide.revision, landslide.looks) == (first.id, 2, 2)
    assert (landslide.not_before, landslide.not_after) == (first.not_before, first.not_after)
    with w.open() as s:
        assert queries.landslide_history(s, first.id)[0] == first
    assert len(alerts(w)) == 2


def test_judging_anew_changes_nothing(watch) -> None:
    w = watch()
    w.run()
    before = w.rows()
    for date in (FIRST, QUIET):
        outcome = rejudge(w.services, w.region.id, w.item(date))
        assert (outcome.state, outcome.alerts) == ("processed", 0)
    assert w.rows() == before
    assert {w.looks()[date].attempts for date in DAYS[6:]} == {1}


def test_judging_a_baseline_look_on_request(watch) -> None:
    w = watch(watch_from=END)
    w.run()
    assert set(w.states().values()) == {"baseline"}
    assert rejudge(w.services, w.region.id, w.item(FIRST)).detections == 1
    assert w.states()[FIRST] == "processed"


def test_a_look_published_late_is_judged_as_of_its_own_time(watch, tmp_path) -> None:
    late = datetime(2023, 12, 10, tzinfo=UTC)

    def publish_late(item):
        if item["properties"]["datetime"].startswith(FIRST):
            item["properties"]["published"] = f"{late:%Y-%m-%dT%H:%M:%SZ}"
        return True

    w = watch()
    w.archive = open_archive(part_of(w.archive.path, tmp_path / "late", publish_late))
    outcome = w.run(datetime(2023, 12, 5, tzinfo=UTC))[-1]
    assert (outcome.item_id, outcome.alerts) == (w.item(SECOND), 1)
    (early,) = landslides(w)
    assert (day(early.not_before), day(early.not_after)) == (QUIET, SECOND)
    # The look after it is judged again: it was asked about a landslide that began with itself.
    outcomes = w.run(late)
    assert [(one.item_id, one.detections, one.alerts) for one in outcomes] == [
        (w.item(FIRST), 1, 1), (w.item(SECOND), 1, 0),
    ]  # fmt: skip
    (by_first,) = (found for found in detections(w) if day(found.not_after) == FIRST)
    assert by_first.item_ids == tuple(w.item(date) for date in DAYS[:9])
    (by_second,) = (found for found in detections(w) if day(found.not_after) == SECOND)
    assert w.item(FIRST) not in by_second.item_ids
    (landslide,) = landslides(w)
    assert (landslide.id, landslide.revision, landslide.looks) == (early.id, 3, 2)
    assert (day(landslide.not_before), day(landslide.not_after)) == (QUIET, FIRST)
    # With the clock set back, the second look is judged as it was: the first was not out yet. What
    # is believed stays.
    believed = ("landslides", "landslide_versions", "landslide_periods", "alerts")
    before = {table: w.rows()[table] for table in believed}
    # However far: what was out before a look is known wherever the look is.
    for clock in (datetime(2023, 12, 5, tzinfo=UTC), datetime(2023, 9, 5, tzinfo=UTC)):
        w.clock.set(clock)
        again = rejudge(w.services, w.region.id, w.item(SECOND))
        assert (again.state, again.detections) == ("processed", 1)
        assert {table: w.rows()[table] for table in believed} == before


def test_looks_of_one_pass_are_not_before_each_other(watch, tmp_path) -> None:
    """Two scenes of one pass overlap; the second must not take the first for a look before it."""

    def one_pass(item):
        if item["id"] == second:
            item["properties"]["datetime"] = f"{FIRST}T01:59:36Z"  # 25 s after the first
        return True

    w = watch()
    first, second = w.item(FIRST), w.item(SECOND)
    w.archive = open_archive(part_of(w.archive.path, tmp_path / "pass", one_pass))
    w.run()
    (by_second,) = (found for found in detections(w) if second in found.item_ids)
    assert first not in by_second.item_ids
    assert day(by_second.not_before) == QUIET
