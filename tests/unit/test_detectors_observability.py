"""What could be seen, why not the rest, and how it is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.errors import IncomparableLooks, NothingObserved
from detectors.normalise import MAXIMUM_LOOKS, NOISE_LEVEL_DB, normalise
from detectors.observability import Coverage, Tally, seen_in_words, together
from detectors.types import LookStack, Observability, Unseen
from tests.scenes import made_series, make_grid, split, times_db


def hidden(stack: LookStack, looks: slice, rows: slice) -> LookStack:
    gamma0 = stack.gamma0.copy()
    gamma0[looks, :, rows] = np.nan
    return replace(stack, gamma0=gamma0)


def test_every_reason_is_told_apart() -> None:
    pre, post = split(made_series(looks=9))
    pre = hidden(pre, slice(0, 3), slice(0, 4))
    post = hidden(post, slice(None), slice(4, 8))
    gamma0 = pre.gamma0.copy()
    gamma0[:, :, 8:12] = 10.0 ** ((NOISE_LEVEL_DB - 3.0) / 10.0)
    pre = replace(pre, gamma0=gamma0)
    mask = np.zeros(pre.grid.shape, dtype=np.uint8)
    mask[6:16, :10] = Unseen.LAYOVER
    mask[16:20] = Unseen.RADAR_SHADOW
    codes = normalise(pre, post, mask).unseen
    assert (codes[1] == Unseen.TOO_FEW_LOOKS).all()
    assert (codes[5] == Unseen.NO_DATA).all()
    assert (codes[6:8, :10] == Unseen.LAYOVER).all(), "the source knows best why there is nothing"
    assert (codes[9:11, 12:] == Unseen.WATER).all()
    assert (codes[13, :10] == Unseen.LAYOVER).all()
    assert (codes[16:20] == Unseen.RADAR_SHADOW).all()
    assert (codes[24:] == Unseen.SEEN).all()


def test_judged_is_what_is_seen() -> None:
    pre, post = split(made_series(looks=9))
    mask = np.zeros(pre.grid.shape, dtype=np.uint8)
    mask[:10] = Unseen.LAYOVER
    stack = normalise(pre, post, mask)
    assert np.array_equal(stack.judged, stack.unseen == Unseen.SEEN)
    assert np.isnan(stack.change_db[:10]).all()
    with pytest.raises(IncomparableLooks, match="mask"):
        normalise(pre, post, mask[:5])


def test_a_look_that_sees_nothing_says_why() -> None:
    pre, post = split(made_series(looks=9))
    with pytest.raises(NothingObserved) as refused:
        normalise(times_db(pre, -30.0), post)
    assert refused.value.unseen is not None
    assert (refused.value.unseen == Unseen.WATER).all()


def test_older_looks_stand_in_for_those_that_are_left_out() -> None:
    series = made_series(looks=MAXIMUM_LOOKS + 6)
    pre, post = split(series)
    gone = hidden(pre, slice(-5, None), slice(10, 20))
    stack, whole = normalise(gone, post), normalise(pre, post)
    assert stack.pre_db.shape == whole.pre_db.shape
    assert stack.judged.all()
    assert np.isfinite(stack.pre_db[:, :, 12:18]).all(), "ten looks for every pixel"
    # Far from the gap nothing changes but what the shifts of the strata see of it.
    np.testing.assert_allclose(stack.pre_db[:, :, 30:], whole.pre_db[:, :, 30:], atol=0.1)
    few = normalise(hidden(series_of(pre, 10), slice(-5, None), slice(10, 20)), post)
    assert (few.unseen[12:18] == Unseen.TOO_FEW_LOOKS).all()


def series_of(pre: LookStack, newest: int) -> LookStack:
    return replace(
        pre, gamma0=pre.gamma0[-newest:], sensed_at=pre.sensed_at[-newest:],
        item_ids=pre.item_ids[-newest:],
    )  # fmt: skip


def test_without_gaps_older_looks_count_for_nothing() -> None:
    pre, post = split(made_series(looks=MAXIMUM_LOOKS + 4))
    ten = normalise(series_of(pre, MAXIMUM_LOOKS), post)
    np.testing.assert_array_equal(normalise(pre, post).pre_db, ten.pre_db)


def sloping(top_m: float = 2000.0) -> np.ndarray:
    """Elevation of 96 x 96 pixels that falls by a kilometre from north to south."""
    rows = np.linspace(top_m, top_m - 1000.0, 96, dtype=np.float32)
    return np.repeat(rows[:, None], 96, axis=1)


def snowed(looks: LookStack, which: slice, rows: slice, decibel: float = -4.5) -> LookStack:
    gamma0 = looks.gamma0.copy()
    gamma0[which, :, rows] *= 10.0 ** (decibel / 10.0)
    return replace(looks, gamma0=gamma0)


def test_ground_under_snow_is_not_judged() -> None:
    pre, post = split(made_series(looks=9, height=96, width=96))
    white = snowed(post, slice(None), slice(0, 36))  # from 1621 m up
    stack = normalise(pre, white, elevation=sloping())
    line = stack.conditions.snow_line_m
    assert line is not None
    assert 1450.0 <= line <= 1600.0
    assert (stack.unseen[:36] == Unseen.SNOW).all()
    assert stack.judged[60:].all()
    assert not stack.judged[stack.unseen == Unseen.SNOW].any()
    # What is left speaks for itself.
    assert (stack.conditions.snow, stack.conditions.steady) == (False, True)
    # Without elevations a part of the scene that darkens is no snow; nor does any other ground.
    assert (normalise(pre, white).unseen == Unseen.SEEN).all()
    assert normalise(pre, post, elevation=sloping()).conditions.snow_line_m is None


def test_thaw_is_no_brightening() -> None:
    """Most of the stack under snow: what is left of it is compared with, not the snow."""
    pre, post = split(made_series(looks=MAXIMUM_LOOKS + 7, height=96, width=96))
    white = snowed(pre, slice(-7, None), slice(0, 36))
    stack = normalise(white, post, elevation=sloping())
    assert stack.judged.all(), "older looks take their place"
    assert abs(np.median(stack.change_db[:30])) < 0.3
    bare = normalise(series_of(white, MAXIMUM_LOOKS), post, elevation=sloping())
    assert (bare.unseen[:30] == Unseen.TOO_FEW_LOOKS).all()


def test_unknown_heights_and_flat_ground_have_no_snow_line() -> None:
    pre, post = split(made_series(looks=9, height=96, width=96))
    white = snowed(post, slice(None), slice(0, 36))
    for elevation in (np.full((96, 96), np.nan), np.full((96, 96), 30.0)):
        stack = normalise(pre, white, elevation=elevation.astype(np.float32))
        assert stack.judged.all()
        assert stack.conditions.snow_line_m is None


@pytest.mark.parametrize("decibel", [3.0, -4.0])
def test_a_shift_of_the_whole_scene_is_no_snow_line(decibel: float) -> None:
    pre, post = split(made_series(looks=9, height=96, width=96))
    stack = normalise(pre, times_db(post, decibel), elevation=sloping())
    assert stack.conditions.snow_line_m is None
    assert stack.judged.all()


def test_snow_everywhere_and_rain() -> None:
    pre, post = split(made_series(looks=9))
    snow = normalise(pre, times_db(post, -4.0)).conditions
    assert (snow.snow, snow.snow_line_m, snow.wet) == (True, None, True)
    rain = normalise(pre, times_db(post, 3.0)).conditions
    assert (rain.snow, rain.wet, rain.steady) == (False, True, False)
    quiet = normalise(pre, post).conditions
    assert (quiet.snow, quiet.wet, quiet.wind, quiet.steady) == (False, False, False, True)


def test_wind_is_read_from_open_water() -> None:
    pre, post = split(made_series(looks=9))
    sea = pre.gamma0.copy()
    sea[:, :, :10] = 10.0 ** (np.array([-22.0, -30.0]) / 10.0)[:, None, None]
    rough = post.gamma0.copy()
    rough[:, 0, :10], rough[:, 1, :10] = 10.0**-1.6, 10.0**-2.9
    pre = replace(pre, gamma0=sea)
    windy = normalise(pre, replace(post, gamma0=rough)).conditions
    assert (windy.wind, windy.steady) == (True, True)
    calm = post.gamma0.copy()
    calm[:, :, :10] = sea[0, :, :10]
    assert not normalise(pre, replace(post, gamma0=calm)).conditions.wind


def test_shares_by_reason() -> None:
    grid = make_grid(10, 10)
    codes = np.zeros(grid.shape, dtype=np.uint8)
    codes[0], codes[1, :5] = Unseen.WATER, Unseen.LAYOVER
    seen = Observability(grid, codes)
    assert seen.share_seen == pytest.approx(0.85)
    assert list(seen.by_reason().items()) == [("water", 0.1), ("layover", 0.05)]
    nowhere = np.zeros(grid.shape, dtype=bool)
    assert seen.by_reason(nowhere) == {}
    nowhere[0] = True
    assert seen.by_reason(nowhere) == {"water": 1.0}
    with pytest.raises(IncomparableLooks):
        Observability(grid, codes[:3])


def test_blocks_are_counted_once_each() -> None:
    grid = make_grid(10, 10)
    tally = Tally()
    assert tally.coverage == Coverage(0.0, 0.0)
    upper = np.zeros(grid.shape, dtype=bool)
    upper[:5] = True
    codes = np.full(grid.shape, Unseen.WATER, dtype=np.uint8)
    codes[:4] = Unseen.SEEN
    tally.add(Observability(grid, codes), upper)
    tally.add_blind(grid, ~upper, None)
    assert tally.coverage.km2 == pytest.approx(0.09)
    assert tally.coverage.share_seen == pytest.approx(0.4)
    assert tally.coverage.unseen == {"no_data": 0.5, "water": pytest.approx(0.1)}


def test_as_people_say_it() -> None:
    seen = seen_in_words(0.83, {"layover": 0.08, "water": 0.09})
    assert seen == "83 % of the region could be seen: 9 % water, 8 % layover"
    assert seen_in_words(1.0, {}) == "100 % of the region could be seen"
    assert seen_in_words(0.998, {"no_data": 0.002}) == "100 % of the region could be seen"
    assert seen_in_words(0.994, {"too_few_looks": 0.006}).endswith(
        "99 % of the region could be seen: 1 % too few looks"
    )


def test_looks_at_different_ground_are_weighed_by_area() -> None:
    both = together([Coverage(30.0, 1.0), Coverage(10.0, 0.2, {"water": 0.8})])
    assert (both.km2, both.share_seen) == (40.0, pytest.approx(0.8))
    assert both.unseen == {"water": pytest.approx(0.2)}
    assert together([]) == Coverage(0.0, 0.0)
