"""Bodies that become one and one that proves to be several: identity, lineage, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from shapely.geometry import box

from detectors.tracking import track
from detectors.types import Cause, Detection, Kind, Landslide, Sensor, State, Tier
from tests.unit.test_detectors_tracking import FIRST, REPEAT, detection, latest, square

WEST, EAST = square(0.0), square(0.02)
BOTH = box(0.0, 34.0, 0.03, 34.01)


def alive(versions: Sequence[Landslide]) -> list[Landslide]:
    return [one for one in latest(versions) if one.merged_into is None]


def two(**changes: object) -> list[Detection]:
    return [detection(WEST, **changes), detection(EAST, **changes)]


def test_one_body_over_two_landslides_merges_them() -> None:
    west, east = two()
    first, second = track([west, east], [])
    over = detection(BOTH, 1, evidence=30.0, area_m2=60_000.0)
    survivor, gone = track([over], [first, second], [west, east])
    assert {survivor.id, gone.id} == {first.id, second.id}
    assert (gone.state, gone.merged_into, gone.cause_kind) == (
        State.CLOSED, survivor.id, Cause.MERGE,
    )  # fmt: skip
    assert (survivor.merged_from, survivor.cause_kind) == ((gone.id,), Cause.MERGE)
    assert set(survivor.detections) == {west.id, east.id, over.id}
    assert (survivor.looks, survivor.area_m2) == (2, 60_000.0)
    assert survivor.geometry.equals(BOTH)
    assert (survivor.revision, gone.revision) == (2, 2)
    # What is seen later joins the survivor, and a repeated run is silent.
    assert track([west, east, over], [survivor, gone], [west, east, over]) == []
    (joined,) = track([detection(EAST, 2)], [survivor, gone], [west, east, over])
    assert joined.id == survivor.id


def test_the_one_seen_first_lives_on_and_keeps_its_bracket() -> None:
    old, young = detection(EAST), detection(WEST, 1)
    versions = track([old, young, detection(BOTH, 2)], [])
    (survivor,) = alive(versions)
    assert survivor.id == versions[0].id
    assert (survivor.not_before, survivor.not_after) == (old.not_before, old.not_after)


def test_a_weak_look_that_merges_leaves_no_ground_out() -> None:
    strong = [detection(WEST, evidence=40.0), detection(EAST, evidence=35.0)]
    (survivor,) = alive(track([*strong, detection(BOTH, 1, evidence=13.0, area_m2=60_000.0)], []))
    assert survivor.geometry.equals(BOTH)
    assert survivor.area_m2 == pytest.approx(60_000.0)
    assert survivor.evidence == 40.0


def test_what_is_barely_touched_is_not_merged() -> None:
    west, east = two()
    (joined,) = track([detection(box(0.004, 34.0, 0.022, 34.01), 1)], track([west, east], []))
    assert joined.merged_from == ()


def test_a_confirmed_one_takes_the_other_in_and_keeps_its_outline() -> None:
    first, second = track(two(), [])
    east = first if first.geometry.equals(EAST) else second
    west = second if east is first else first
    confirmed = replace(west, state=State.CONFIRMED, revision=2, verdict_at=FIRST + REPEAT / 2)
    survivor, gone = track([detection(BOTH, 1, evidence=50.0)], [confirmed, east])
    assert (survivor.id, gone.id) == (west.id, east.id)
    assert survivor.geometry == confirmed.geometry
    assert survivor.state is State.CONFIRMED


@pytest.mark.parametrize("decided", ["by optical looks", "by people"])
def test_what_was_decided_is_not_merged_away(decided: str) -> None:
    first, second = track(two(), [])
    by = {"verdict_at": FIRST, "reviewed_by": "Kari" if decided == "by people" else None}
    both = [replace(one, state=State.CONFIRMED, revision=2, **by) for one in (first, second)]
    (joined,) = track([detection(BOTH, 1, evidence=50.0)], both)
    assert joined.merged_from == ()


def test_a_pond_never_merges_with_a_landslide() -> None:
    (slide,) = track([detection(WEST)], [])
    (pond,) = track([detection(EAST, kind=Kind.PONDING)], [])
    (joined,) = track([detection(BOTH, 1)], [slide, pond])
    assert (joined.id, joined.merged_from) == (slide.id, ())


def looks(*shapes: Sequence[object]) -> list[Detection]:
    return [detection(one, look, evidence=20.0) for look, row in enumerate(shapes) for one in row]  # type: ignore[arg-type]


def test_two_bodies_in_two_passes_split_a_landslide() -> None:
    found = looks([BOTH], [WEST, EAST], [WEST, EAST])
    versions = track(found, [])
    parent, child = alive(versions)
    assert parent.id == versions[0].id
    assert (child.split_from, parent.split_into) == (parent.id, (child.id,))
    assert (parent.cause_kind, child.cause_kind) == (Cause.SPLIT, Cause.SPLIT)
    assert parent.geometry.disjoint(child.geometry) or parent.geometry.touches(child.geometry)
    held = [*parent.detections, *child.detections]
    assert sorted(held) == sorted(d.id for d in found)
    assert (child.not_before, child.not_after) == (parent.not_before, parent.not_after)
    assert (child.revision, child.looks, child.tier) == (1, 2, Tier.LIKELY)
    assert parent.valid_from == child.valid_from == FIRST + 2 * REPEAT
    assert track(found, latest(versions), found) == []
    # Each goes on by itself.
    more = looks([], [], [], [WEST, EAST])
    later = track(more, latest(versions), found)
    assert {one.id for one in later} == {parent.id, child.id}
    assert all(one.split_from == child.split_from for one in later if one.id == child.id)


@pytest.mark.parametrize(
    "shapes",
    [
        ([BOTH], [WEST, EAST]),
        ([BOTH], [WEST, EAST], [BOTH]),
        ([BOTH], [WEST], [EAST]),
        ([BOTH], [WEST, EAST], [WEST]),
        ([BOTH], [WEST, square(0.012, 0.004)], [EAST, square(0.012, 0.004)]),
        ([BOTH], [WEST, EAST], [WEST, square(0.0095, 0.011)]),
    ],
    ids=["one pass", "whole again", "one each", "one of two", "not the same", "bridged"],
)
def test_less_than_that_splits_nothing(shapes) -> None:
    (landslide,) = alive(track(looks(*shapes), []))
    assert landslide.split_into == ()


def test_what_was_confirmed_is_not_split() -> None:
    whole, *pieces = looks([BOTH], [WEST, EAST], [WEST, EAST])
    (suspected,) = track([whole], [])
    confirmed = replace(suspected, state=State.CONFIRMED, revision=2, verdict_at=FIRST)
    assert len(latest(track(pieces, [confirmed], [whole]))) == 1


def test_ground_that_had_a_landslide_tells_which() -> None:
    (old,) = track([detection(WEST)], [])
    closed = replace(old, state=State.CLOSED, revision=2)
    (new,) = track([detection(WEST, 20)], [], ended=[closed])
    assert (new.follows, new.tier) == (closed.id, Tier.LIKELY)
    (beside,) = track([detection(EAST, 20)], [], ended=[closed])
    assert beside.follows is None
    part = replace(closed, merged_into=new.id)
    (again,) = track([detection(WEST, 20)], [], ended=[part])
    assert again.follows is None


def test_what_a_person_refuted_is_answered_for_a_while() -> None:
    (old,) = track([detection(WEST)], [])
    refuted = replace(
        old, state=State.REFUTED, revision=2, reviewed_by="Kari", verdict_at=FIRST + REPEAT
    )
    assert track([detection(WEST, 2)], [], ended=[refuted]) == []
    assert track([detection(WEST, 2, source=Sensor.OPTICAL)], [], ended=[refuted]) == []
    (larger,) = track([detection(BOTH, 2)], [], ended=[refuted])
    assert larger.follows == refuted.id
    (later,) = track([detection(WEST, 12)], [], ended=[refuted])
    assert later.follows == refuted.id
