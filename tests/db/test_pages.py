"""What maps and lists read, held against the slow way: every landslide, one by one."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from shapely.geometry import MultiPolygon, box
from sqlalchemy import text

from db import pages, queries, store
from db.engine import transaction
from db.pages import Wanted
from detectors.types import Landslide, State, Tier
from tests.records import DAY, START, Make

MAKE = Make()
WORLD = (-180.0, -90.0, 180.0, 90.0)


@pytest.fixture
def stored(engine) -> list[Landslide]:
    """Twenty-four landslides in two regions; every third has a second version that moved it."""
    latest = []
    with transaction(engine) as s:
        for region in ("one", "two"):
            store.save_region(s, MAKE.region(region))
            look = MAKE.acquisition(source=f"local/{region}")
            store.record_acquisitions(s, MAKE.region(region, sources=(look.source,)), [look])
            for number in range(12):
                found = MAKE.detection(
                    look, number, region_id=region, not_after=START + number * DAY,
                    simulated=number % 2 == 0,
                )  # fmt: skip
                store.store_detections(s, [found])
                one = MAKE.landslide(
                    found, tier=list(Tier)[number % 2], area_m2=10_000.0 * (number + 1),
                    simulated=number % 2 == 0,
                )  # fmt: skip
                store.store_landslide(s, one)
                if number % 3 == 0:
                    west = -119.7 + 0.01 * number
                    one = replace(
                        one, revision=2, state=State.CONFIRMED, area_m2=one.area_m2 + 5.0,
                        valid_from=one.valid_from + timedelta(days=3),
                        geometry=MultiPolygon([box(west, 34.6, west + 0.002, 34.602)]),
                    )  # fmt: skip
                    store.store_landslide(s, one)
                latest.append(one)
    return latest


CASES = {
    "everything": Wanted(),
    "region": Wanted(region_id="one"),
    "state": Wanted(states=(State.CONFIRMED, State.REFUTED)),
    "tier": Wanted(tiers=(Tier.LIKELY,)),
    "time": Wanted(since=START + 3 * DAY, until=START + 7 * DAY),
    "size": Wanted(least_m2=30_000.0, most_m2=70_000.0),
    "all at once": Wanted("two", (State.CONFIRMED,), (Tier.LIKELY,), START, START + 9 * DAY, 1.0),
    "nothing": Wanted(states=(State.CLOSED,)),
}


def fits(one: Landslide, wanted: Wanted) -> bool:
    return (
        wanted.region_id in (None, one.region_id)
        and (not wanted.states or one.state in wanted.states)
        and (not wanted.tiers or one.tier in wanted.tiers)
        and (wanted.since is None or one.not_after >= wanted.since)
        and (wanted.until is None or one.not_after < wanted.until)
        and (wanted.least_m2 is None or one.area_m2 >= wanted.least_m2)
        and (wanted.most_m2 is None or one.area_m2 <= wanted.most_m2)
    )


@pytest.mark.parametrize("case", CASES)
def test_reads_show_what_is_wanted_and_nothing_else(engine, stored, case: str) -> None:
    wanted = CASES[case]
    expected = {one.id for one in stored if fits(one, wanted)}
    with transaction(engine) as s:
        assert {one.id for one in queries.list_landslides(s)} == {one.id for one in stored}
        assert pages.count_landslides(s, wanted) == len(expected)
        listed = pages.page_of_landslides(s, wanted, 0, 100)
        spots = pages.spots(s, wanted, WORLD, 100, outlines=True)
        heaps = pages.heaps(s, wanted, WORLD, 0.05)
        around = pages.extent(s, wanted)
    known = {one.id: one for one in stored}
    assert {one.id for one in listed} == expected
    assert [known[one.id] for one in listed] == listed
    times = [one.not_after for one in listed]
    assert times == sorted(times, reverse=True)
    assert {one.id for one in spots} == expected
    for spot in spots:
        one = known[spot.id]
        assert (spot.state, spot.tier, spot.simulated) == (one.state, one.tier, one.simulated)
        assert spot.outline == one.geometry
        west, south, east, north = one.geometry.bounds
        assert (spot.lon, spot.lat) == pytest.approx(((west + east) / 2, (south + north) / 2))
    assert sum(heap.count for heap in heaps) == len(expected)
    assert sum(heap.simulated for heap in heaps) == sum(known[k].simulated for k in expected)
    if not expected:
        assert around is None
        return
    bounds = [known[key].geometry.bounds for key in expected]
    assert around == pytest.approx(
        (*(min(b[k] for b in bounds) for k in (0, 1)), *(max(b[k] for b in bounds) for k in (2, 3)))
    )


def test_pages_of_the_list_neither_miss_nor_repeat(engine, stored) -> None:
    with transaction(engine) as s:
        got = [one.id for k in range(5) for one in pages.page_of_landslides(s, Wanted(), 5 * k, 5)]
    assert len(got) == len(set(got)) == math.ceil(len(stored))


def test_a_box_shows_what_reaches_into_it(engine, stored) -> None:
    corner = (-119.6, 34.4, -119.5, 34.55)
    inside = {one.id for one in stored if one.geometry.intersects(box(*corner))}
    assert 0 < len(inside) < len(stored)
    with transaction(engine) as s:
        spots = pages.spots(s, Wanted(), corner, 100, outlines=False)
        assert pages.count_landslides(s, Wanted(), corner) == len(inside)
        assert pages.count_landslides(s, Wanted(), corner, limit=2) == 2
    assert {spot.id for spot in spots} == inside
    assert {spot.outline for spot in spots} == {None}


def test_marks_are_what_the_latest_versions_say(engine, stored) -> None:
    """Whatever the trigger did, the marks are those that would be filled in anew."""
    with transaction(engine) as s:
        wrong = s.scalar(
            text(
                "SELECT count(*) FROM scarpwatch.landslides_current c FULL JOIN"
                " scarpwatch.landslide_marks m ON m.landslide_id = c.id WHERE"
                " (m.revision, m.region_id, m.state, m.tier, m.kind, m.area_m2, m.not_after,"
                " m.simulated) IS DISTINCT FROM (c.revision, c.region_id, c.state, c.tier, c.kind,"
                " c.area_m2, c.not_after, c.simulated)"
                " OR NOT ST_Equals(m.place, ST_Envelope(c.geometry))"
            )
        )
    assert wrong == 0
