"""Which optical looks still have something to say about which landslides, and what they said."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from shapely.geometry import MultiPolygon, Polygon, box
from sqlalchemy import text

from db import check_leases, optical, queries, store
from detectors.errors import PermanentError
from detectors.types import Finding, Sensor, State

DAY = timedelta(days=1)
WINDOW = 120 * DAY
LEASE = timedelta(minutes=10)
HOUR = timedelta(hours=1)


@pytest.fixture
def pending(world, make):
    """Ask for the pairs of the world's region as (landslide id, item id)."""

    def ask(region_id=world.region.id, published_until=make.now, now=make.now, **options):
        with world.open() as s:
            found = optical.optical_pending(s, region_id, published_until, now, WINDOW, **options)
        return [(landslide.id, look.item_id) for landslide, look in found]

    return ask


@pytest.fixture
def record(world):
    """Store optical looks for the world's region."""

    def store_it(*looks, region=world.region):
        with world.open() as s:
            store.record_acquisitions(s, region, looks)
        return looks

    return store_it


def test_the_whole_records_come_back_oldest_look_first(world, make, record) -> None:
    looks = record(*(make.optical(day) for day in (20, 5, 10)))
    with world.open() as s:
        found = optical.optical_pending(s, world.region.id, make.now, make.now, WINDOW)
        assert found == [(world.landslide, looks[n]) for n in (1, 2, 0)]
        few = optical.optical_pending(s, world.region.id, make.now, make.now, WINDOW, limit=2)
        assert few == found[:2]


def test_a_look_counts_from_the_first_sight_to_the_end_of_the_window(
    world, make, record, pending
) -> None:
    first = world.landslide.not_after
    times = {
        "before": first - HOUR, "at once": first, "last": first + WINDOW,
        "late": first + WINDOW + HOUR,
    }  # fmt: skip
    record(*(make.optical(item_id=name, sensed_at=at) for name, at in times.items()))
    assert [item for _, item in pending()] == ["at once", "last"]


def test_what_optical_looks_found_needs_another_pass(world, make, record, pending) -> None:
    found_by = make.optical(1, item_id="found it")
    record(found_by)
    seen = make.detection(found_by, 5, source=Sensor.OPTICAL, change_db=None, d_ndvi=-0.3)
    suspected = make.landslide(seen, source=Sensor.OPTICAL, change_db=None, d_ndvi=-0.3)
    with world.open() as s:
        store.store_detections(s, [seen])
        store.store_landslide(s, suspected)
    neighbour = make.optical(item_id="next tile", sensed_at=found_by.sensed_at + 14 * DAY / 86_400)
    record(neighbour, make.optical(6, item_id="next pass"))
    assert [item for one, item in pending() if one == suspected.id] == ["next pass"]
    assert len([item for one, item in pending() if one == world.landslide.id]) == 3


def test_only_optical_looks_of_the_region_that_show_the_place(world, make, record, pending) -> None:
    bow_tie = Polygon([(-119.9, 34.1), (-119.1, 34.9), (-119.1, 34.1), (-119.9, 34.9)])
    record(
        make.acquisition(7),
        make.optical(8, item_id="elsewhere", footprint=box(-119.4, 34.2, -119.2, 34.8)),
        make.optical(9, item_id="bow tie", footprint=bow_tie),
        make.optical(10, item_id="here"),
    )
    other = make.region("other")
    with world.open() as s:
        store.save_region(s, other)
    record(make.optical(11, item_id="not ours"), region=other)
    assert [item for _, item in pending()] == ["bow tie", "here"]
    assert pending("other") == []


def test_a_replay_knows_no_future(make, record, pending) -> None:
    early, late = record(make.optical(5), make.optical(6, published_at=make.now + DAY))
    assert [item for _, item in pending()] == [early.item_id]
    assert [item for _, item in pending(published_until=make.now + DAY)] == [
        early.item_id,
        late.item_id,
    ]


@pytest.mark.parametrize("state", State)
def test_only_what_is_undecided_is_asked_about(world, make, record, pending, state) -> None:
    record(make.optical(5))
    with world.open() as s:
        store.store_landslide(s, replace(world.landslide, revision=2, state=state))
    assert bool(pending()) == (state in {State.SUSPECTED, State.UNRESOLVED})


def test_the_latest_outline_is_what_counts(world, make, record, pending) -> None:
    record(make.optical(5, footprint=box(-119.4, 34.2, -119.2, 34.8)))
    assert pending() == []
    moved = MultiPolygon([box(-119.31, 34.5, -119.3, 34.51)])
    with world.open() as s:
        store.store_landslide(s, replace(world.landslide, revision=2, geometry=moved))
    assert len(pending()) == 1


def test_a_check_is_made_once(world, make, record, pending) -> None:
    look, other = record(make.optical(5), make.optical(10))
    cloudy = make.check(
        world.landslide, look, finding=Finding.NOT_SEEN, unseen={"cloud": 1.0, "no_data": 0.0},
        ndvi_before=None, d_ndvi=None, share_changed=None, ensemble_score=None,
        ensemble_spread=None, outline=None, outline_area_m2=None, share_clear=0.0,
    )  # fmt: skip
    clear = make.check(world.landslide, other)
    with world.open() as s:
        assert optical.record_optical_check(s, clear)
        assert optical.record_optical_check(s, cloudy)
        assert not optical.record_optical_check(s, replace(cloudy, reason="another story"))
        assert optical.optical_checks(s, world.landslide.id) == [cloudy, clear]
        assert optical.optical_checks(s, look.id) == []
    assert pending() == []


def test_a_check_that_failed_waits_and_is_parked_in_the_end(world, make, record, pending) -> None:
    (look,) = record(make.optical(5))
    pair = (world.landslide.id, look.id)
    with world.open() as s:
        assert optical.attempts(s, *pair) == 0
        assert optical.defer_optical_check(s, *pair, "503", make.now + HOUR) == 1
    assert pending() == []
    assert len(pending(now=make.now + HOUR)) == 1
    with world.open() as s:
        assert optical.defer_optical_check(s, *pair, "truncated", None) == 2
        assert optical.attempts(s, *pair) == 2
    assert pending(now=make.now + 1000 * DAY) == []


def test_a_reopened_look_is_asked_again_by_its_own_region_only(
    world, make, record, pending
) -> None:
    other = make.region("other")
    with world.open() as s:
        store.save_region(s, other)
    (look,) = record(make.optical(5))
    record(look, region=other)
    pair = (world.landslide.id, look.id)
    with world.open() as s:
        optical.defer_optical_check(s, *pair, "truncated", None)
        looks = {one.region_id: one.id for one in queries.list_looks(s, sensor=Sensor.OPTICAL)}
        store.reopen_look(s, looks["other"])
        assert optical.attempts(s, *pair) == 1
        store.reopen_look(s, looks[world.region.id])
        assert optical.attempts(s, *pair) == 0
    assert len(pending()) == 1


def test_a_check_ends_the_waiting(world, make, record) -> None:
    (look,) = record(make.optical(5))
    pair = (world.landslide.id, look.id)
    with world.open() as s:
        optical.defer_optical_check(s, *pair, "503", make.now)
        optical.record_optical_check(s, make.check(world.landslide, look))
        assert optical.attempts(s, *pair) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"revision": 2},
        {"share_clear": 1.5},
        {"d_ndvi": float("nan")},
        {"ndvi_before": float("nan")},
        {"ensemble_score": -0.1},
        {"outline": MultiPolygon([Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])])},
        {"outline_area_m2": 0.0},
        {"unseen": {"cloud": float("nan")}},
    ],
)
def test_a_check_that_cannot_be_is_refused(world, make, record, wrong) -> None:
    (look,) = record(make.optical(5))
    with pytest.raises(PermanentError), world.open() as s:
        optical.record_optical_check(s, make.check(world.landslide, look, **wrong))


def test_a_check_of_an_unknown_look_is_refused(world, make) -> None:
    look = make.optical(5)
    with pytest.raises(PermanentError, match="foreign key"), world.open() as s:
        optical.record_optical_check(s, make.check(world.landslide, look))
    with pytest.raises(PermanentError, match="foreign key"), world.open() as s:
        optical.defer_optical_check(s, world.landslide.id, look.id, "503", None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scarpwatch.optical_checks SET finding = 'disagrees'",
        "DELETE FROM scarpwatch.optical_checks",
        "TRUNCATE scarpwatch.optical_checks",
    ],
)
def test_evidence_is_not_rewritten(world, make, record, statement) -> None:
    (look,) = record(make.optical(5))
    check = make.check(world.landslide, look)
    with world.open() as s:
        optical.record_optical_check(s, check)
    with pytest.raises(PermanentError, match="append-only"), world.open() as s:
        s.execute(text(statement))
    with world.open() as s:
        assert optical.optical_checks(s, world.landslide.id) == [check]


def test_of_two_workers_one_stores_the_check(world, make, record) -> None:
    (look,) = record(make.optical(5))
    check = make.check(world.landslide, look)
    written: list[bool] = []

    def late() -> None:
        with world.open() as s:
            written.append(optical.record_optical_check(s, check))

    with world.open() as s:
        written.append(optical.record_optical_check(s, check))
        other = threading.Thread(target=late)
        other.start()
        other.join(timeout=0.3)
        assert written == [True]  # the other waits for this transaction
    other.join(timeout=10)
    assert written == [True, False]


def test_suspicions_end_when_their_window_has(world, make) -> None:
    end = world.landslide.not_after + WINDOW
    never = timedelta(days=10_000)
    with world.open() as s:
        assert queries.overdue_landslides(s, world.region.id, end, WINDOW, never) == []
        late = queries.overdue_landslides(s, world.region.id, end + HOUR, WINDOW, never)
        assert late == [world.landslide]
        assert queries.overdue_landslides(s, "other", end + HOUR, WINDOW, never) == []
        for revision, state in enumerate((State.UNRESOLVED, State.CONFIRMED, State.REFUTED), 2):
            store.store_landslide(s, replace(world.landslide, revision=revision, state=state))
            assert queries.overdue_landslides(s, world.region.id, end + HOUR, WINDOW, never) == []
        again = replace(
            world.landslide, revision=5, verdict_at=world.landslide.not_after + 2 * HOUR
        )
        store.store_landslide(s, again)
        assert queries.overdue_landslides(s, world.region.id, end + HOUR, WINDOW, never) == [], (
            "reopened: the window begins anew"
        )


def test_confirmed_landslides_that_stay_as_they_are_are_to_be_closed(world) -> None:
    confirmed = replace(world.landslide, revision=2, state=State.CONFIRMED)
    end = confirmed.valid_from + WINDOW
    with world.open() as s:
        store.store_landslide(s, confirmed)
        assert queries.overdue_landslides(s, world.region.id, end, HOUR, WINDOW) == []
        late = queries.overdue_landslides(s, world.region.id, end + HOUR, HOUR, WINDOW)
        assert late == [confirmed]


def test_looks_at_some_ground_come_newest_first(world, make, record) -> None:
    ground = world.landslide.geometry
    drill = make.region("drill", simulated=True)
    with world.open() as s:
        store.save_region(s, drill)
    looks = record(*(make.optical(day, tile=tile) for day, tile in enumerate(("a", "b", "c", "d"))))
    strangers = (
        make.acquisition(1.5),
        make.optical(1.6, footprint=box(10, 10, 11, 11)),
        make.optical(1.7, source="local/sentinel-2-l2a-drill", simulated=True),
        make.optical(1.8, published_at=make.now + DAY),
    )
    record(*strangers, region=drill)
    asked = {
        "since": looks[0].sensed_at, "until": looks[3].sensed_at, "published_until": make.now,
        "sources": {"local/sentinel-2-l2a"},
    }  # fmt: skip
    with world.open() as s:

        def found(**changed):
            return queries.looks_over(s, ground, Sensor.OPTICAL, **(asked | changed))

        assert found() == list(looks[::-1])
        assert found(until=looks[2].sensed_at, since=looks[1].sensed_at) == [looks[2], looks[1]]
        assert found(sources=()) == []
        assert found(published_until=looks[1].published_at) == [looks[1], looks[0]]
        radar = queries.looks_over(
            s, ground, Sensor.SAR, **(asked | {"sources": {strangers[0].source}})
        )
        assert radar == [strangers[0], world.acquisition]


def test_radar_and_optical_looks_are_claimed_apart(world, make, record) -> None:
    (look,) = record(make.optical(5))
    region_id = world.region.id
    with world.open() as s:
        assert store.any_look_due(s, region_id, make.now, Sensor.OPTICAL)
        (waiting,) = queries.list_looks(s, sensor=Sensor.OPTICAL)
        assert store.claim_look(s, region_id, make.now, "w", LEASE, look_id=waiting.id) is None
        claimed = store.claim_look(s, region_id, make.now, "w", LEASE)
        assert claimed is not None
        assert claimed.acquisition == world.acquisition
        assert not store.any_look_due(s, region_id, make.now)
        claimed = store.claim_look(s, region_id, make.now, "w", LEASE, Sensor.OPTICAL)
        assert claimed is not None
        assert claimed.acquisition == look
        assert not store.any_look_due(s, region_id, make.now, Sensor.OPTICAL)


def test_one_worker_at_a_time_asks_about_a_landslide(world, make, record, pending) -> None:
    looks = record(make.optical(5), make.optical(9))

    def claim(look, owner, now=make.now):
        with world.open() as s:
            return check_leases.claim_check(s, world.landslide, look, now, owner, LEASE)

    assert claim(looks[0], "one")
    assert not claim(looks[0], "two")
    assert not claim(looks[1], "two"), "what the first look says may close the landslide"
    assert pending() == []
    later = make.now + LEASE
    assert len(pending(now=later)) == 2
    assert claim(looks[0], "two", later), "the lease ran out"
    with world.open() as s:
        check_leases.release_check(s, world.landslide.id, "one")
    assert not claim(looks[0], "one", later), "what was taken over stays with whoever has it"
    with world.open() as s:
        assert check_leases.check_owners(s) == {"two"}
        check_leases.release_checks(s, ["two"])
    assert len(pending()) == 2


def test_nobody_takes_what_is_answered_or_has_to_wait(world, make, record) -> None:
    told, waits, stale = record(make.optical(5), make.optical(9), make.optical(12))

    def claim(look, landslide=world.landslide):
        with world.open() as s:
            return check_leases.claim_check(s, landslide, look, make.now, "one", LEASE)

    with world.open() as s:
        optical.record_optical_check(s, make.check(world.landslide, told))
        optical.defer_optical_check(s, world.landslide.id, waits.id, "later", make.now + HOUR)
    assert not claim(told)
    assert not claim(waits)
    with world.open() as s:
        store.store_landslide(s, replace(world.landslide, revision=2, cause="grown"))
    assert not claim(stale)
    with world.open() as s:
        assert check_leases.check_owners(s) == set()
        newest = queries.get_landslide(s, world.landslide.id)
    assert claim(stale, newest)
