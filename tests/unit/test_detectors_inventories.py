"""Which records are one landslide, and what finding them is worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import MultiPolygon, Point, box

from detectors.inventories import MappedLandslide, Places, Sameness, match, pairs, repeated

DAY = timedelta(days=1)
START = datetime(2023, 5, 1, tzinfo=UTC)
UNKNOWN = (None, None)
M = 1 / 111_195  # degrees of latitude


def places(*shapes, brackets=None, accuracies=None):
    return Places(shapes, brackets or [UNKNOWN] * len(shapes), accuracies)


def square(x, y, side=100.0):
    return MultiPolygon([box(x * M, y * M, (x + side) * M, (y + side) * M)])


RULE = Sameness()


def found(ours, theirs, rule=RULE):
    left, right, iou = pairs(ours, theirs, rule)
    return [(int(i), int(j), round(float(v), 3)) for i, j, v in zip(left, right, iou, strict=True)]


def test_outlines_are_one_when_they_overlap_by_half() -> None:
    ours = places(square(0, 0))
    assert found(ours, places(square(20, 0), square(40, 0))) == [(0, 0, 0.667)]
    loose = Sameness(distance_m=30, iou=0)
    assert [pair[:2] for pair in found(ours, places(square(120, 0), square(140, 0)), loose)] == [
        (0, 0)
    ]


@given(
    st.floats(-179, 179), st.floats(-75, 75), st.floats(0, 360), st.floats(1, 2_000),
    st.floats(1, 2_000),
)  # fmt: skip
def test_points_by_their_distance_on_the_ellipsoid(lon, lat, azimuth, metres, allowed) -> None:
    if abs(metres - allowed) < 0.01:
        return
    to = Geod(ellps="WGS84").fwd(lon, lat, azimuth, metres)[:2]
    got = found(places(Point(lon, lat)), places(Point(*to)), Sameness(distance_m=allowed))
    assert bool(got) == (metres < allowed)


def test_a_point_is_as_good_as_its_accuracy() -> None:
    outline, point = places(square(0, 0)), Point(50 * M, 800 * M)
    assert found(outline, places(point)) == []
    assert [pair[:2] for pair in found(outline, places(point, accuracies=[1000.0]))] == [(0, 0)]


@pytest.mark.parametrize(
    ("bracket", "same"),
    [
        ((START + 2 * DAY, START + 3 * DAY), True),
        ((START + 5 * DAY, START + 6 * DAY), False),
        ((None, START - 9 * DAY), False),
        ((None, START + 9 * DAY), True),
        (UNKNOWN, True),
    ],
)
def test_times_have_to_fit(bracket, same) -> None:
    ours = places(square(0, 0), brackets=[(START, START + DAY)])
    assert bool(found(ours, places(square(0, 0), brackets=[bracket]))) is same


def test_repetitions_lead_to_the_first() -> None:
    mapped = [
        MappedLandslide("x", row, square(x, 0))
        for row, x in enumerate((0, 500, 10, 20, 505), start=1)
    ]
    assert repeated(mapped, Sameness()) == {2: 0, 3: 0, 4: 1}


def test_score_counts_each_side_once() -> None:
    truth = places(square(0, 0), square(1000, 0), Point(3000 * M, 0))
    # Two pieces of the first, something where nothing is mapped, one beside the point.
    seen = places(
        square(0, 0, 50), square(50, 50, 50), square(2000, 2000), square(3010, 0)
    )  # fmt: skip
    matched = match(truth, seen, Sameness(30, 3 * DAY, 0))
    areas = np.array([10_000.0, 10_000.0, np.nan])
    made = matched.score(areas)
    assert (made.mapped, made.detected, made.found, made.false) == (3, 2, 4, 1)
    assert made.iou == pytest.approx(0.5, abs=1e-3)
    assert (made.mapped_m2, made.detected_m2) == (20_000.0, 10_000.0)
    assert matched.detected.tolist() == [True, False, True]
    assert matched.explained.tolist() == [True, True, False, True]
    assert made.pod == pytest.approx(2 / 3)
    some = matched.score(areas, np.array([False, True, True]), np.array([True, False, True, False]))
    assert (some.mapped, some.detected, some.found, some.false) == (2, 1, 2, 1)
    assert made.far == 0.25
    low, high = made.pod_interval
    assert (low, high) == (pytest.approx(0.2077, abs=1e-3), pytest.approx(0.9385, abs=1e-3))


def test_nothing_mapped_has_no_rate() -> None:
    made = match(places(), places(square(0, 0)), RULE).score(np.empty(0))
    assert (made.pod, made.pod_interval, made.far, made.iou) == (None, None, 1.0, None)


def test_the_same_row_is_the_same_landslide() -> None:
    one = MappedLandslide("x", 1, square(0, 0), key="a")
    turned = MultiPolygon([box(0, 0, 100 * M, 100 * M).reverse()])
    assert MappedLandslide("x", 9, turned, key="a").id == one.id
    assert MappedLandslide("y", 1, square(0, 0), key="a").id != one.id
