"""Wide shifts go, landslides stay, and what cannot be judged is said to be so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from detectors.errors import IncomparableLooks, NotEnoughLooks, NothingObserved
from detectors.normalise import MAXIMUM_LOOKS, STRATA, TAIL_LIMIT, normalise, standardise
from detectors.types import MINIMUM_LOOKS, LookStack
from tests.scenes import made_series, make_grid, split, stack_of, take, times_db


@pytest.fixture(scope="module")
def series() -> LookStack:
    return made_series(looks=9)


def with_nan(stack: LookStack, *where: Any) -> LookStack:
    gamma0 = stack.gamma0.copy()
    gamma0[where] = np.nan
    return replace(stack, gamma0=gamma0)


def test_shift_of_the_whole_look_is_removed(series: LookStack) -> None:
    pre, post = split(series)
    quiet, wet = normalise(pre, post), normalise(pre, times_db(post, 3.0))
    np.testing.assert_allclose(wet.post_db, quiet.post_db, atol=0.02)
    np.testing.assert_allclose(wet.change_db, quiet.change_db, atol=0.02)
    assert (quiet.wet_scene, wet.wet_scene) == (False, True)


def test_shift_of_each_polarisation_is_removed_by_itself(series: LookStack) -> None:
    pre, post = split(series)
    quiet = normalise(pre, post)
    shifted = normalise(pre, times_db(post, np.array([2.0, -1.5])[:, None, None]))
    np.testing.assert_allclose(shifted.post_db, quiet.post_db, atol=0.02)


def test_shift_of_an_earlier_look_is_removed(series: LookStack) -> None:
    pre, post = split(series)
    per_look = np.array([0, 0, 4.0, 0, 0, -3.0, 0, 0])[:, None, None, None]
    quiet, stormy = normalise(pre, post), normalise(times_db(pre, per_look), post)
    # The median level of the stack moves a little with them, which moves all looks alike.
    np.testing.assert_allclose(
        stormy.post_db - stormy.pre_db.mean(axis=0),
        quiet.post_db - quiet.pre_db.mean(axis=0),
        atol=0.25,
    )
    assert not stormy.wet_scene


def test_shift_that_depends_on_the_level_is_removed(series: LookStack) -> None:
    pre, post = split(series)
    quiet = normalise(pre, post)
    # Wet soil: dark, bare ground rises by 4 dB, bright ground by 1.
    rise = np.array([4.0, 3.0, 2.0, 1.0])[quiet.strata]
    wet = normalise(pre, times_db(post, rise))
    assert wet.wet_scene
    for band in range(2):
        for stratum in range(STRATA):
            here = quiet.strata[band] == stratum
            left = np.median((wet.post_db - wet.level_db)[band][here])
            assert abs(left) < 0.05
    # One number for the whole look would leave more than a decibel at both ends.
    change = (quiet.post_db - quiet.level_db)[0] + rise[0]
    one_number = [np.median(change[quiet.strata[0] == k]) - np.median(change) for k in (0, 3)]
    assert one_number[0] > 1.0
    assert one_number[1] < -1.0


@pytest.mark.parametrize(
    ("shift_db", "wet"), [((0.5, 0.5), False), ((0.0, 1.6), True), ((-2.0, 0.0), True)]
)
def test_wet_scene_is_a_shift_of_either_polarisation_and_sign(
    series: LookStack, shift_db: tuple[float, float], wet: bool
) -> None:
    pre, post = split(series)
    shifted = times_db(post, np.array(shift_db)[:, None, None])
    assert normalise(pre, shifted).wet_scene is wet


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_large_landslide_still_stands_out(series: LookStack, share: float) -> None:
    pre, post = split(series)
    side = round(np.sqrt(share * 48 * 48))
    slide = np.zeros((48, 48), dtype=bool)
    slide[10 : 10 + side, 12 : 12 + side] = True
    stack = normalise(pre, times_db(post, np.where(slide, 5.0, 0.0)))
    assert np.median(stack.change_db[slide]) > 3.5
    assert abs(np.median(stack.change_db[~slide])) < 1.0


def test_change_is_that_of_the_look_as_read() -> None:
    series = made_series(looks=9, speckle_looks=60.0)
    pre, post = split(series)
    patch = np.zeros((48, 48), dtype=bool)
    patch[20:22, 20:23] = True
    stack = normalise(pre, times_db(post, np.where(patch, 6.0, 0.0)))
    despeckled = (stack.post_db[0] - stack.pre_db[:, 0].mean(axis=0))[patch].mean()
    assert stack.change_db[patch].mean() == pytest.approx(6.0, abs=0.6)
    assert despeckled < stack.change_db[patch].mean() - 0.5


@pytest.mark.parametrize("looks", [0, 1, MINIMUM_LOOKS - 1])
def test_too_few_looks_are_refused_by_number(series: LookStack, looks: int) -> None:
    _, post = split(series)
    with pytest.raises(NotEnoughLooks, match=f"{looks} earlier looks .* {MINIMUM_LOOKS} needed"):
        normalise(take(series, slice(0, looks)), post)


def test_only_the_newest_looks_count() -> None:
    series = made_series(looks=MAXIMUM_LOOKS + 4)
    pre, post = split(series)
    spoilt = pre.gamma0.copy()
    spoilt[:3] = 0.9
    whole, newest = (
        normalise(replace(pre, gamma0=spoilt), post),
        normalise(*split(series, looks=10)),
    )
    np.testing.assert_array_equal(whole.pre_db, newest.pre_db)
    np.testing.assert_array_equal(whole.post_db, newest.post_db)


@pytest.mark.parametrize(
    "changes",
    [
        {"grid": make_grid(48, 48, west=240_015.0)},
        {"track": "144-descending-T144-308011-IW1"},
        {"polarisations": ("VH", "VV")},
    ],
)
def test_other_grid_track_or_polarisation_is_refused(
    series: LookStack, changes: dict[str, Any]
) -> None:
    pre, post = split(series)
    with pytest.raises(IncomparableLooks):
        normalise(pre, replace(post, **changes))


def test_look_inside_its_own_stack_is_refused(series: LookStack) -> None:
    pre, post = split(series)
    with pytest.raises(IncomparableLooks, match="end before"):
        normalise(pre, replace(post, sensed_at=pre.sensed_at[-1:]))
    with pytest.raises(IncomparableLooks, match="end before"):
        normalise(pre, replace(post, sensed_at=(pre.sensed_at[0] - timedelta(days=12),)))


@pytest.mark.parametrize("count", [0, 2])
def test_one_look_is_judged_at_a_time(series: LookStack, count: int) -> None:
    with pytest.raises(IncomparableLooks, match=f"not {count}"):
        normalise(take(series, slice(0, 6)), take(series, slice(6, 6 + count)))


def test_look_without_data_is_nothing_observed(series: LookStack) -> None:
    pre, post = split(series)
    with pytest.raises(NothingObserved, match="now and before"):
        normalise(pre, with_nan(post, ...))
    with pytest.raises(NothingObserved, match="now and before"):
        normalise(with_nan(pre, ...), post)
    # Missing one polarisation is missing.
    with pytest.raises(NothingObserved, match="now and before"):
        normalise(pre, with_nan(post, 0, 1))


def test_pixels_are_judged_where_seen_now_and_often_enough_before(series: LookStack) -> None:
    pre, post = split(series)
    pre = with_nan(pre, slice(0, 3), 0, slice(0, 5))
    pre = with_nan(pre, slice(0, 2), slice(None), slice(5, 10))
    post = with_nan(post, 0, 0, slice(None), 0)
    stack = normalise(pre, post)
    expected = np.ones((48, 48), dtype=bool)
    expected[:5] = expected[:, 0] = False
    np.testing.assert_array_equal(stack.judged, expected)
    np.testing.assert_array_equal(np.isfinite(stack.change_db), expected)
    np.testing.assert_array_equal((stack.strata >= 0).all(axis=0), expected)
    np.testing.assert_array_equal(np.isfinite(stack.post_db).all(axis=0), expected)


def test_water_is_not_judged_and_shapes_nothing(series: LookStack) -> None:
    pre, post = split(series)
    level = np.zeros((2, 48, 48))
    level[:, :, 30:] = -15.0
    water = normalise(times_db(pre, level), times_db(post, level))
    assert not water.judged[:, 31:].any()
    assert water.judged[:, :29].all()
    land = water.strata[:, :, :29]
    # The strata are cut from the land alone.
    assert np.unique(land).tolist() == list(range(STRATA))


def test_scene_of_water_only_is_nothing_observed(series: LookStack) -> None:
    with pytest.raises(NothingObserved, match="water"):
        normalise(*(times_db(part, -15.0) for part in split(series)))


def test_single_polarisation_has_no_water_test() -> None:
    pre, post = split(made_series(looks=8, polarisations=("VV",)))
    assert normalise(times_db(pre, -20.0), times_db(post, -20.0)).judged.all()


def test_input_is_left_alone(series: LookStack) -> None:
    pre, post = split(series)
    before = pre.gamma0.copy(), post.gamma0.copy()
    normalise(pre, post)
    np.testing.assert_array_equal(pre.gamma0, before[0])
    np.testing.assert_array_equal(post.gamma0, before[1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 2)])
def test_very_small_scenes_pass(shape: tuple[int, int]) -> None:
    power = np.random.default_rng(2).gamma(8.0, 0.01, (8, 2, *shape))
    stack = normalise(*split(stack_of(power)))
    assert stack.judged.all()


def test_scene_of_one_level_passes() -> None:
    stack = normalise(*split(stack_of(np.full((8, 2, 12, 12), 0.05))))
    np.testing.assert_allclose(stack.change_db, 0.0, atol=1e-4)
    assert not stack.wet_scene


def strata_of(shape: tuple[int, ...]) -> np.ndarray:
    return (np.arange(np.prod(shape)).reshape(shape) % STRATA).astype(np.int8)


def robust_sigma(values: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def test_standardise_damps_what_is_wide_and_never_sharpens() -> None:
    rng = np.random.default_rng(4)
    score = rng.normal(size=(60, 60)).astype(np.float32)
    strata = strata_of(score.shape)
    narrow, wide = standardise(0.3 * score, strata), standardise(5.0 * score + 7.0, strata)
    assert robust_sigma(narrow) == pytest.approx(0.3, abs=0.02)
    assert robust_sigma(wide) == pytest.approx(1.0, abs=0.05)
    assert np.median(wide) == pytest.approx(0.0, abs=0.05)


def test_standardise_treats_strata_apart_and_keeps_nan() -> None:
    score = np.random.default_rng(5).normal(size=(60, 60)).astype(np.float32)
    strata = strata_of(score.shape)
    score[strata == 2] = 4.0 * score[strata == 2] - 3.0
    score[:2] = np.nan
    scaled = standardise(score, strata)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(score))
    for stratum in range(STRATA):
        here = scaled[2:][strata[2:] == stratum]
        assert np.median(here) == pytest.approx(0.0, abs=1e-6)
        assert robust_sigma(here) < 1.05
    unjudged = standardise(score, np.full(score.shape, -1, dtype=np.int8))
    assert np.isnan(unjudged).all()


def test_heavy_tail_counts_only_so_far() -> None:
    score = np.random.default_rng(6).normal(0.0, 2.0, (50, 50)).astype(np.float32)
    strata = np.zeros(score.shape, dtype=np.int8)
    slide = np.zeros(score.shape, dtype=bool)
    slide[:10, :25] = True
    score[slide] += 40.0
    scaled = standardise(score, strata)
    # A tenth of the stratum lies 20 sigma out; it must not become the yardstick.
    quiet = robust_sigma(score)
    assert scaled[slide].mean() > 40.0 / (TAIL_LIMIT * quiet) - 1.0
    assert scaled[slide].mean() < 40.0 / quiet + 1.0
