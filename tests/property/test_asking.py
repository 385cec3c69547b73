"""Asking together tells each region what it would have been told alone, wherever it lies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box

from detectors.types import Acquisition, OrbitState, Sensor, WatchedRegion
from flows.asking import MOST_CORNERS, Answer, Asker, cover, questions
from flows.catalogs.base import Refused

NOW = datetime(2024, 6, 1, tzinfo=UTC)
WORLD = box(-180, -90, 180, 90)
#: Middles: together, in two cells, on both sides of 180 degrees, at a pole.
MIDDLES = st.sampled_from([(7.0, 46.0), (9.99, 46.0), (10.3, 49.9), (180.0, -17.0), (0.0, 89.7)])
days = st.integers(0, 100)


def turned(area: Polygon) -> MultiPolygon:
    """Cut an area at 180 degrees."""
    parts = [
        part
        for turn in (-360, 0, 360)
        for part in shapely.get_parts(shapely.affinity.translate(area, turn).intersection(WORLD))
        if part.area > 0
    ]
    return MultiPolygon(parts)


@st.composite
def areas(draw: st.DrawFn) -> MultiPolygon:
    x, y = draw(MIDDLES)
    dx, dy = (draw(st.floats(-1.5, 1.5)) for _ in range(2))
    wide, high = (draw(st.sampled_from([0.01, 0.125, 0.3, 2.0])) for _ in range(2))
    # Grid lines are met often.
    x, y = x + draw(st.sampled_from([dx, round(dx * 8) / 8])), y + dy
    y = max(min(y, 89.99 - high), -89.99)
    slanted = Polygon([(x, y), (x + wide, y + high / 3), (x + wide / 2, y + high)])
    return turned(draw(st.sampled_from([slanted, box(x, y, x + wide, y + high)])))


@st.composite
def askers(draw: st.DrawFn) -> list[Asker]:
    marks = st.sampled_from([None, NOW - timedelta(hours=6), NOW - timedelta(days=3)])
    found = []
    for number in range(draw(st.integers(1, 8))):
        region = WatchedRegion(f"r{number}", "R", draw(areas()), ("a/b",))
        found.append(Asker(region, NOW - timedelta(days=draw(days)), draw(marks)))
    return found


@st.composite
def listed(draw: st.DrawFn) -> list[tuple[Acquisition | Refused, datetime, datetime]]:
    """What a catalogue holds, when it was sensed and when it was published."""
    found: list[tuple[Acquisition | Refused, datetime, datetime]] = []
    for number in range(draw(st.integers(0, 12))):
        sensed = NOW - timedelta(days=draw(days))
        published = min(sensed + timedelta(hours=draw(st.integers(0, 80))), NOW)
        place, name = draw(areas()), f"item{number}"
        if draw(st.booleans()):
            found.append((Refused(name, "broken", place), sensed, published))
            continue
        found.append((
            Acquisition(
                "a/b", name, "sentinel-1a", Sensor.SAR, sensed, published, place,
                OrbitState.ASCENDING, 1, ("VV",), {"VV": "x"},
            ), sensed, published,
        ))  # fmt: skip
    return found


def asked(catalogue, area, sensed_after, published_after):
    """Search as the contract of catalogues says."""
    return [
        one
        for one, sensed, published in catalogue
        if one.footprint.intersects(area)
        and sensed_after <= sensed
        and (published_after is None or published_after <= published)
    ]


@settings(max_examples=60, deadline=None)
@given(listed(), askers())
def test_each_is_handed_what_it_would_have_been_told_alone(catalogue, mine) -> None:
    together: dict[str, set[str]] = {}
    for question in questions("a/b", mine, NOW):
        answer = Answer(
            asked(catalogue, question.area(), question.sensed_after, question.published_after)
        )
        for asker in question.askers:
            assert asker.region.id not in together, "one question each"
            share = answer.share(asker)
            together[asker.region.id] = {one.item_id for one in share.usable}
            places = [one.footprint for one in share.refused]
            assert all(asker.region.geometry.intersects(place) for place in places)
    assert together == {
        one.region.id: {
            found.item_id
            for found in asked(
                catalogue, one.region.geometry, one.sensed_after, one.published_after
            )
            if isinstance(found, Acquisition)
        }
        for one in mine
    }


@settings(max_examples=40, deadline=None)
@given(st.lists(areas(), min_size=1, max_size=6))
def test_a_cover_covers_and_stays_short_and_in_the_world(grounds) -> None:
    covered = cover(grounds)
    assert all(covered.covers(ground) for ground in grounds)
    assert WORLD.covers(covered)
    assert covered.is_valid
    assert shapely.get_num_coordinates(covered) <= MOST_CORNERS


def test_many_scattered_regions_are_covered_by_larger_squares() -> None:
    scattered = [box(x, y, x + 0.01, y + 0.01) for x in range(-20, 20) for y in range(-20, 20)]
    covered = cover(scattered)
    assert shapely.get_num_coordinates(covered) <= MOST_CORNERS
    assert all(covered.covers(one) for one in scattered)


def test_first_polls_of_very_different_spans_are_asked_apart_and_marks_are_not_mixed() -> None:
    ground = MultiPolygon([box(7, 46, 7.1, 46.1)])

    def asker(name: str, days: int, mark: timedelta | None) -> Asker:
        region = WatchedRegion(name, "R", ground, ("a/b",))
        return Asker(region, NOW - timedelta(days=days), NOW - mark if mark else None)

    mine = [
        asker("week", 7, None), asker("ten", 10, None), asker("years", 1_000, None),
        asker("now", 400, timedelta(hours=6)), asker("now-too", 30, timedelta(hours=6)),
        asker("behind", 30, timedelta(days=2)),
    ]  # fmt: skip
    apart = [question.region_ids for question in questions("a/b", mine, NOW)]
    assert apart == [("week", "ten"), ("years",), ("now", "now-too"), ("behind",)]


def test_what_lies_nowhere_is_told_to_all_who_asked() -> None:
    region = WatchedRegion("r", "R", MultiPolygon([box(7, 46, 8, 47)]), ("a/b",))
    answer = Answer([Refused("odd", "no geometry"), Refused("far", "GRD", box(50, 0, 51, 1))])
    share = answer.share(Asker(region, NOW, None))
    assert [one.item_id for one in share.refused] == ["odd"]
