"""What joins what, what is new, and what a repeated run must not do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shapely.geometry import MultiPolygon, Polygon, box

from detectors.tracking import track
from detectors.types import Detection, Landslide, State, Tier, derive_id

FIRST = datetime(2024, 1, 10, 2, 0, tzinfo=UTC)
REPEAT = timedelta(days=12)


def square(west: float, side: float = 0.01, south: float = 34.0) -> Polygon:
    return box(west, south, west + side, south + side)


def detection(polygon: Polygon, look: int = 0, **changes: Any) -> Detection:
    """A detection of the so-manieth look."""
    values: dict[str, Any] = {
        "region_id": "region", "acquisition_id": derive_id("look", look), "polygon": polygon,
        "area_m2": 20_000.0, "score_max": 5.0, "score_mean": 3.5, "evidence": 13.0,
        "change_db": 4.0, "tier": Tier.LIKELY, "not_before": FIRST + (look - 1) * REPEAT,
        "not_after": FIRST + look * REPEAT, "item_ids": (f"item-{look}",), "detector": "d",
        "weights_version": "none", "config_hash": "c",
    }  # fmt: skip
    return Detection(**(values | changes))


def latest(versions: Sequence[Landslide]) -> list[Landslide]:
    return list({version.id: version for version in versions}.values())


def test_nothing_makes_nothing() -> None:
    assert track([], []) == []


def test_new_detection_starts_a_landslide() -> None:
    one = detection(square(0.0), advisory="wet scene", simulated=True)
    (landslide,) = track([one], [])
    assert landslide.id == derive_id("landslide", one.id)
    assert (landslide.revision, landslide.looks, landslide.state) == (1, 1, State.SUSPECTED)
    assert landslide.geometry == MultiPolygon([one.polygon])
    assert (landslide.not_before, landslide.not_after) == (one.not_before, one.not_after)
    assert landslide.detections == (one.id,)
    for name in (
        "region_id", "tier", "area_m2", "score_max", "evidence", "change_db", "advisory",
        "simulated",
    ):  # fmt: skip
        assert getattr(landslide, name) == getattr(one, name)
    assert "first seen by d on 2024-01-10" in landslide.cause


def test_overlapping_detection_of_a_later_look_joins() -> None:
    first, second = detection(square(0.0)), detection(square(0.005), look=1)
    start, joined = track([first, second], [])
    assert joined.id == start.id
    assert (joined.revision, joined.looks) == (2, 2)
    assert joined.detections == (first.id, second.id)
    assert "seen again by d on 2024-01-22" in joined.cause


@pytest.mark.parametrize("west", [0.01, 0.02])
def test_touching_or_apart_is_another_landslide(west: float) -> None:
    versions = track([detection(square(0.0)), detection(square(west), look=1)], [])
    assert [v.revision for v in versions] == [1, 1]
    assert len(latest(versions)) == 2


def test_repeated_run_is_silent() -> None:
    detections = [detection(square(0.0)), detection(square(0.005), look=1)]
    known = latest(track(detections, []))
    assert track(detections, known) == []
    assert track(detections[:1], known) == []


def test_repeated_run_is_silent_where_the_outline_has_moved() -> None:
    # Each look sees the slide further east and more surely; the last outline has left the first.
    looks = [detection(square(0.006 * k), look=k, evidence=13.0 + k) for k in range(4)]
    known = latest(track(looks, []))
    assert len(known) == 1
    assert not known[0].geometry.intersects(looks[0].polygon)
    assert track(looks, known) == []
    assert track(looks[:1], known) == []


def test_repeated_run_is_silent_beside_a_larger_neighbour() -> None:
    first = detection(square(0.0))
    (landslide,) = track([first], [])
    # Another landslide has grown over the place meanwhile.
    other = replace(
        landslide,
        id=derive_id("other"),
        geometry=MultiPolygon([square(0.0, 0.05)]),
        detections=(derive_id("x"),),
    )
    shrunk = replace(landslide, geometry=MultiPolygon([square(0.0, 0.002)]))
    assert track([first], [shrunk, other]) == []


def test_largest_overlap_wins() -> None:
    west, east = track([detection(square(0.0)), detection(square(0.02))], [])
    towards_east = detection(box(0.008, 34.0, 0.026, 34.01), look=1)
    (joined,) = track([towards_east], [west, east])
    assert joined.id == east.id
    towards_west = detection(box(0.004, 34.0, 0.022, 34.01), look=1)
    (joined,) = track([towards_west], [west, east])
    assert joined.id == west.id


def test_equal_overlaps_are_decided_the_same_way_each_time() -> None:
    west, east = track([detection(square(0.0)), detection(square(0.02))], [])
    between = detection(box(0.005, 34.0, 0.025, 34.01), look=1)
    assert track([between], [west, east]) == track([between], [east, west])


def test_strongest_detection_gives_the_outline() -> None:
    weak = detection(square(0.0), evidence=12.9, tier=Tier.WATCH, area_m2=9_000.0, change_db=2.0)
    strong = detection(
        square(0.002), look=1, evidence=20.0, score_max=4.5, area_m2=30_000.0, change_db=5.0,
        advisory="wet scene",
    )  # fmt: skip
    weaker = detection(square(0.004), look=2, evidence=15.0, score_max=9.0, tier=Tier.WATCH)
    _, after_strong, after_weaker = track([weak, strong, weaker], [])
    for landslide in (after_strong, after_weaker):
        assert landslide.geometry == MultiPolygon([strong.polygon])
        assert (landslide.area_m2, landslide.evidence) == (30_000.0, 20.0)
        assert (landslide.change_db, landslide.advisory) == (5.0, "wet scene")
    # The highest score of all stays; two passes that count, the wet one apart, make it likely.
    assert (after_strong.score_max, after_weaker.score_max) == (5.0, 9.0)
    assert after_weaker.tier is Tier.LIKELY


def test_tier_rises_and_never_falls() -> None:
    tiers = (Tier.WATCH, Tier.LIKELY, Tier.WATCH)
    looks = [detection(square(0.0), look=k, tier=tier) for k, tier in enumerate(tiers)]
    assert [v.tier for v in track(looks, [])] == [Tier.WATCH, Tier.LIKELY, Tier.LIKELY]


def test_bracket_comes_from_the_earliest_look() -> None:
    versions = track([detection(square(0.0), look=k) for k in range(3)], [])
    assert {(v.not_before, v.not_after) for v in versions} == {(FIRST - REPEAT, FIRST)}


def test_bracket_moves_back_when_an_earlier_look_comes_late() -> None:
    late = detection(square(0.0), look=3)
    known = track([late], [])
    early = detection(square(0.0), look=1)
    (joined,) = track([early], known)
    assert (joined.not_before, joined.not_after) == (early.not_before, early.not_after)
    assert joined.looks == 2


def test_two_detections_of_one_look_are_one_look() -> None:
    (known,) = track([detection(square(0.0, 0.03))], [])
    pieces = [detection(square(0.0), look=1), detection(square(0.02), look=1)]
    versions = track(pieces, [known])
    assert [v.revision for v in versions] == [2, 3]
    assert versions[-1].looks == 2
    assert set(versions[-1].detections) == {*known.detections, *(p.id for p in pieces)}


@pytest.mark.parametrize(("later", "looks"), [(timedelta(seconds=3), 1), (timedelta(hours=12), 2)])
def test_neighbouring_burst_of_the_same_pass_is_no_second_look(
    later: timedelta, looks: int
) -> None:
    first = detection(square(0.0))
    second = detection(
        square(0.002), acquisition_id=derive_id("neighbour"), not_after=first.not_after + later
    )
    # Whether both come in one call or one after the other.
    assert track([first, second], [])[-1].looks == looks
    known = track([first], [])
    (joined,) = track([second], known, [first])
    assert joined.looks == looks


def test_drill_stays_a_drill() -> None:
    real = detection(square(0.0))
    drill = detection(square(0.0), look=1, simulated=True)
    again = detection(square(0.0), look=2)
    assert [v.simulated for v in track([real, drill, again], [])] == [False, True, True]


def test_what_is_known_is_not_changed() -> None:
    (known,) = track([detection(square(0.0))], [])
    before = replace(known)
    track([detection(square(0.0), look=1, evidence=99.0)], [known])
    assert known == before


def test_each_version_follows_the_one_before() -> None:
    known = track([detection(square(0.0))], [])
    more = track([detection(square(0.0), look=k) for k in (1, 2)], known)
    assert [v.revision for v in more] == [2, 3]
    assert more[1].detections[:2] == more[0].detections


@pytest.mark.parametrize(("looks", "tier"), [(0, Tier.WATCH), (5, Tier.WATCH), (6, Tier.LIKELY)])
def test_what_was_refuted_is_only_watched_for_a_while(looks: int, tier: Tier) -> None:
    (false_alarm,) = track([detection(square(0.0))], [])
    refuted = replace(false_alarm, state=State.REFUTED, revision=2)
    (again,) = track([detection(square(0.005), looks, detector="e")], [], ended=[refuted])
    assert (again.revision, again.tier) == (1, tier)
    (elsewhere,) = track([detection(square(0.02), looks)], [], ended=[refuted])
    assert elsewhere.tier is Tier.LIKELY


def test_what_nobody_decided_in_time_takes_nothing_more() -> None:
    first = detection(square(0.0))
    (waited,) = track([first], [])
    unresolved = replace(waited, state=State.UNRESOLVED, revision=2)
    assert track([first], [unresolved]) == [], "a repeated run is silent"
    (new,) = track([detection(square(0.0), 20)], [unresolved])
    assert new.id != waited.id
    assert (new.revision, new.tier) == (1, Tier.LIKELY)


@pytest.mark.parametrize(("looks", "same"), [(9, True), (12, False)])
def test_a_slope_that_fails_again_long_after_is_another_landslide(looks: int, same: bool) -> None:
    first = detection(square(0.0))
    (suspected,) = track([first], [])
    confirmed = replace(suspected, state=State.CONFIRMED, revision=2, verdict_at=first.not_after)
    (version,) = track([detection(square(0.0), looks)], [confirmed], [first])
    assert (version.id == confirmed.id) is same
    if not same:
        assert (version.state, version.revision) == (State.SUSPECTED, 1)
