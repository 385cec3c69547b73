"""Simplified outlines hold everything they stand for."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, unary_union
from shapely.geometry import box

from alerts.rings import MOST_CORNERS, MOST_RINGS, lat_lon, outer_rings


@st.composite
def outlines(draw: st.DrawFn) -> MultiPolygon:
    """Patches of pixels, as detections are, anywhere but at the poles and the date line."""
    lon, lat = draw(st.floats(-179, 179)), draw(st.floats(-80, 80))
    seed, share = draw(st.integers(0, 2**32 - 1)), draw(st.floats(0.1, 0.9))
    rows, columns = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    pixel = draw(st.sampled_from([1e-4, 3e-4, 3e-3]))
    taken = np.random.default_rng(seed).random((rows, columns)) < share
    taken[0, 0] = True
    cells = [
        box(lon + c * pixel, lat + r * pixel, lon + (c + 1) * pixel, lat + (r + 1) * pixel)
        for r, c in np.argwhere(taken)
    ]
    whole = unary_union(cells)
    return whole if isinstance(whole, MultiPolygon) else MultiPolygon([whole])


@settings(max_examples=60)
@given(outlines())
def test_rings_hold_the_outline_and_are_few_closed_and_simple(outline: MultiPolygon) -> None:
    rings = outer_rings(outline)
    assert 1 <= len(rings) <= MOST_RINGS
    assert sum(map(len, rings)) <= MOST_CORNERS
    for ring in rings:
        assert ring[0] == ring[-1]
        assert Polygon(ring).is_valid
        assert Polygon(ring).exterior.is_ccw
    assert unary_union([Polygon(ring) for ring in rings]).covers(outline)


@given(st.floats(-180, 180), st.floats(-90, 90))
@example(180.0, 90.0)
@example(-180.0, -90.0)
def test_rings_stay_on_the_map(lon: float, lat: float) -> None:
    shape = Point(lon, lat).buffer(0.001).intersection(box(-180, -90, 180, 90))
    for ring in outer_rings(shape):
        assert Polygon(ring).is_valid
        assert all(abs(x) <= 180 and abs(y) <= 90 for x, y in ring)


def test_holes_are_filled_and_what_lies_in_them_is_part_of_it() -> None:
    ring = Point(10, 60).buffer(0.02).difference(Point(10, 60).buffer(0.015))
    island = Point(10, 60).buffer(0.001)
    assert len(outer_rings(unary_union([ring, island]))) == 1


def test_a_plain_outline_hardly_grows() -> None:
    outline = box(10, 60, 10.01, 60.01)
    (ring,) = outer_rings(outline)
    assert Polygon(ring).area < 1.04 * outline.area
    assert len(ring) <= 10
    assert lat_lon(ring)[0] == tuple(f"{value:.6f}" for value in ring[0][::-1])


def test_what_has_no_area_has_no_ring() -> None:
    assert outer_rings(MultiPolygon()) == ()
    assert outer_rings(Point(1, 2)) == ()
    assert outer_rings(LineString([(0, 0), (1, 1)])) == ()
