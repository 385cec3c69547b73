"""What a person drew is neither moved, merged away nor split by looks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from shapely.geometry import MultiPolygon, box

from detectors.tracking import track
from detectors.types import Detection, Finding, Landslide, State
from detectors.verdicts import decide
from tests.records import Make

MAKE = Make()


def found(day: int, west: float, width: float, evidence: float = 20.0) -> Detection:
    outline = box(west, 34.5, west + width, 34.502)
    return MAKE.detection(
        MAKE.acquisition(day), polygon=outline, evidence=evidence, area_m2=1e7 * width
    )


def drawn(landslide: Landslide, west: float, width: float) -> Landslide:
    outline = MultiPolygon([box(west, 34.5, west + width, 34.502)])
    return replace(landslide, geometry=outline, drawn_by="kari")


@pytest.fixture
def one() -> Landslide:
    (made,) = track([found(0, -119.70, 0.004)], [])
    return drawn(made, -119.70, 0.003)


def test_a_confirming_look_leaves_the_outline(one: Landslide) -> None:
    look = MAKE.optical(20)
    check = MAKE.check(one, look, outline=MultiPolygon([box(-119.7, 34.5, -119.6, 34.6)]))
    decided = decide(one, check)
    assert decided is not None
    assert (decided.state, decided.geometry) == (State.CONFIRMED, one.geometry)
    assert decided.area_m2 == one.area_m2
    plain = decide(replace(one, drawn_by=None), check)
    assert plain is not None
    assert plain.geometry == check.outline
    assert check.finding is Finding.AGREES


def test_a_stronger_detection_joins_and_leaves_the_outline(one: Landslide) -> None:
    again = found(12, -119.70, 0.005, evidence=90.0)
    (now,) = track([again], [one])
    assert (now.geometry, now.evidence) == (one.geometry, 90.0)
    (plain,) = track([again], [replace(one, drawn_by=None)])
    assert plain.geometry == MultiPolygon([again.polygon])


def test_a_look_that_covers_two_merges_neither_away_that_was_drawn(one: Landslide) -> None:
    (other,) = track([found(0, -119.69, 0.004)], [])
    whole = found(12, -119.70, 0.014, evidence=90.0)
    versions = track([whole], [one, drawn(other, -119.69, 0.004)])
    assert [v.merged_into for v in versions] == [None]
    versions = track([whole], [one, other])
    assert {v.id: v.merged_into for v in versions} == {one.id: None, other.id: one.id}
    assert versions[0].geometry == one.geometry, "the one that was drawn lives on, as drawn"


def test_bodies_inside_a_drawn_outline_stay_one() -> None:
    first = [found(0, -119.70, 0.014)]
    apart = [found(day, west, 0.004) for day in (12, 24) for west in (-119.70, -119.69)]
    (whole,) = track(first, [])
    split = track(apart, [whole], first)
    assert any(v.split_from for v in split)
    kept = track(apart, [drawn(whole, -119.70, 0.014)], first)
    assert not any(v.split_from for v in kept)
