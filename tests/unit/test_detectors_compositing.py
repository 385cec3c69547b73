"""Greenest pixel: which date a pixel comes from, and which looks are compared."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from detectors.compositing import (
    choose_before,
    clear_counts,
    d_ndvi,
    greenest,
    ndvi,
    pair,
    same_season,
)
from detectors.errors import IncomparableLooks, NotEnoughLooks
from detectors.types import OpticalLook, Unseen
from tests.optical import BANDS, ground, optical_grid, optical_look

EVENT = datetime(2024, 10, 20, tzinfo=UTC)


def flat(value: float, **fields) -> OpticalLook:
    return optical_look(np.full((3, 4), value), **fields)


# --- NDVI


def test_ndvi_of_known_ground() -> None:
    index = np.array([[0.8, 0.0, -0.3]])
    assert ndvi(ground(index), BANDS) == pytest.approx(index)
    assert ndvi(ground(index), BANDS).dtype == np.float32


def test_ndvi_follows_the_names_of_bands() -> None:
    turned = ground(np.array([[0.8]]))[::-1]
    assert ndvi(turned, BANDS[::-1]) == pytest.approx(np.array([[0.8]]))


@pytest.mark.parametrize(
    ("red", "nir", "expected"),
    [(-0.01, 0.2, 1.0), (0.001, 0.004, np.nan), (-0.02, 0.02, np.nan), (np.nan, 0.2, np.nan)],
)
def test_ndvi_at_its_edges(red, nir, expected) -> None:
    found = ndvi(np.array([[[red]], [[nir]]], np.float32), ("red", "nir"))
    assert found[0, 0] == pytest.approx(expected, nan_ok=True)


# --- composites


def test_the_greenest_date_is_kept_with_all_its_bands() -> None:
    early, late = flat(0.5, day=0), flat(0.4, day=5)
    late = optical_look(np.array([[0.4, 0.7, 0.4, 0.4]] * 3), day=5)
    made = greenest([late, early])
    assert made.date.tolist() == [[0, 1, 0, 0]] * 3
    assert made.sensed_at == (early.sensed_at, late.sensed_at)
    assert made.item_ids == ("item-0", "item-5")
    assert np.array_equal(made.reflectance[:, 0, 1], late.reflectance[:, 0, 1])
    assert made.looks.tolist() == [[2] * 4] * 3
    assert (made.looks.dtype, made.date.dtype) == (np.uint8, np.int16)


def test_preferred_looks_come_first_within_the_limit() -> None:
    near, far = flat(0.3, day=50), flat(0.9, day=0)
    made = greenest([near, far], limit=1)
    assert made.sensed_at == (near.sensed_at,)
    cloud = np.zeros((3, 4))
    cloud[0] = Unseen.CLOUD
    made = greenest([flat(0.3, day=50, unseen=cloud), far], limit=1)
    assert made.date.tolist() == [[0] * 4, [1] * 4, [1] * 4]


def test_a_limit_per_pixel() -> None:
    limit = np.array([[0, 1, 2, 9]] * 3, np.uint8)
    made = greenest([flat(0.3, day=2), flat(0.5, day=1), flat(0.4, day=0)], limit)
    assert made.looks.tolist() == [[0, 1, 2, 3]] * 3
    found = ndvi(made.reflectance, made.bands)[0]
    assert found == pytest.approx(np.array([np.nan, 0.3, 0.5, 0.5]), nan_ok=True)


def test_no_more_looks_are_read_than_needed() -> None:
    asked = []

    def looks() -> Iterator[OpticalLook]:
        for day in range(9):
            asked.append(day)
            yield flat(0.5, day=day)

    greenest(looks(), limit=2)
    assert asked == [0, 1]


def test_looks_without_a_clear_pixel_leave_it_empty() -> None:
    made = greenest([flat(0.5, unseen=np.full((3, 4), Unseen.SNOW))])
    assert made.sensed_at == made.item_ids == ()
    assert np.isnan(made.reflectance).all()
    assert (made.date == -1).all()


def test_a_clear_but_lightless_pixel_gives_way_to_any_other() -> None:
    dark, bare = flat(0.0, day=0, brightness=0.001), flat(-0.2, day=1)
    for looks in ([dark, bare], [bare, dark]):
        made = greenest(looks)
        assert (made.date == 1).all()
        assert (made.looks == 2).all()
    assert (greenest([dark]).looks == 1).all()


def test_there_must_be_looks_and_they_must_fit() -> None:
    with pytest.raises(NotEnoughLooks):
        greenest([])
    with pytest.raises(NotEnoughLooks):
        clear_counts([])
    with pytest.raises(IncomparableLooks):
        greenest([flat(0.5), optical_look(np.full((3, 5), 0.5))])
    other = replace(flat(0.5, day=1), bands=BANDS[::-1])
    with pytest.raises(IncomparableLooks):
        greenest([flat(0.5), other])


def test_counts_do_not_run_over() -> None:
    seen = np.zeros((1, 2), np.uint8)
    assert clear_counts(seen for _ in range(300)).tolist() == [[255, 255]]
    made = greenest(flat(0.5, day=day) for day in range(300))
    assert (made.looks == 255).all()


def test_memory_holds_one_look_whatever_their_number() -> None:
    index = np.full((200, 200), 0.5)

    def peak(number: int) -> int:
        tracemalloc.start()
        greenest(optical_look(index, day=day) for day in range(number))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(40) < 1.1 * peak(3)


def test_without_near_infrared_green_against_red_decides() -> None:
    def visible(green: float, red: float, day: float) -> OpticalLook:
        bands = np.full((3, 3, 4), 0.1, np.float32)
        bands[1:] = np.array([green, red])[:, None, None]
        return replace(flat(0.5, day=day), bands=BANDS[:3], reflectance=bands)

    made = greenest([visible(0.08, 0.10, 0), visible(0.08, 0.06, 5)])
    assert (made.date == 1).all()
    with pytest.raises(IncomparableLooks, match="nir and red from blue, green, red"):
        d_ndvi(greenest([visible(0.08, 0.06, 0)]), greenest([visible(0.08, 0.06, 5)]))


# --- change


def test_change_is_after_minus_before() -> None:
    pre, post = greenest([flat(0.7, day=0)]), greenest([flat(0.2, day=9)])
    assert d_ndvi(pre, post) == pytest.approx(np.full((3, 4), -0.5))


def test_what_is_compared_must_be_before_and_after_on_one_grid() -> None:
    pre, post = greenest([flat(0.7, day=9)]), greenest([flat(0.2, day=9)])
    with pytest.raises(IncomparableLooks, match="must end before"):
        d_ndvi(pre, post)
    moved = replace(post, grid=optical_grid(3, 4, 5, 5), sensed_at=())
    with pytest.raises(IncomparableLooks, match="grids"):
        d_ndvi(pre, moved)


def test_a_pair_takes_as_many_looks_before_as_after() -> None:
    cloud = np.zeros((3, 4))
    cloud[0] = Unseen.CLOUD
    before = [flat(0.6, day=-1, unseen=cloud), flat(0.7, day=-2), flat(0.8, day=-3)]
    pre, post = pair(before, [flat(0.2, day=1), flat(0.3, day=2)])
    assert (pre.looks == 2).all()
    assert pre.date.tolist() == [[0] * 4, [1] * 4, [1] * 4]
    pre, post = pair([flat(0.6, day=-1, unseen=cloud)], [flat(0.2, day=1), flat(0.3, day=2)])
    assert (pre.looks == post.looks).all()
    assert post.looks.tolist() == [[0] * 4, [1] * 4, [1] * 4]
    assert post.sensed_at == (flat(0.2, day=1).sensed_at,)
    with pytest.raises(IncomparableLooks, match="must end before"):
        pair([flat(0.6, day=3), flat(0.6, day=-1)], [flat(0.2, day=1), flat(0.2, day=4)])


# --- which looks


def at(*days: float) -> list[datetime]:
    return [EVENT + timedelta(days=day) for day in days]


def test_recent_looks_come_first_then_the_same_season_of_earlier_years() -> None:
    days = (-700, -365, -100, -30, -5, 0, 3, -400, -730, -1_100, -200)
    chosen = choose_before(at(*days), EVENT)
    assert [days[k] for k in chosen] == [0, -5, -30, -365, -400, -700, -730]


def test_the_season_is_that_of_the_look_that_is_judged() -> None:
    days = (-300, -365)
    winter = EVENT + timedelta(days=80)
    assert [days[k] for k in choose_before(at(*days), EVENT, winter)] == [-300]


def test_seasons_know_no_turn_of_the_year() -> None:
    new_year = same_season(datetime(2024, 1, 5, tzinfo=UTC))
    assert new_year(datetime(2022, 12, 10, tzinfo=UTC))
    assert new_year(datetime(2023, 2, 15, tzinfo=UTC))
    assert not new_year(datetime(2022, 7, 5, tzinfo=UTC))
    assert not new_year(datetime(2023, 2, 25, tzinfo=UTC))
