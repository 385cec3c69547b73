"""Whatever the wind and the gain: old water is never new, and darker water never less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.normalise import NormalisedStack, normalise
from detectors.ponding import PondingLevels, find_ponding
from detectors.types import LookStack, Tier
from tests.ponds import SPECKLE_LOOKS, drown
from tests.scenes import made_series, slide_at, split, times_db

LEVELS = PondingLevels()
SERIES = made_series(looks=11, height=48, width=48)
PRE, POST = split(SERIES)
DRY = normalise(PRE, POST)
POND = slide_at(SERIES.grid, 24, 24, 40, 205.0)
#: A lake of 12 x 12 pixels.
LAKE = np.zeros(SERIES.grid.shape, dtype=bool)
LAKE[18:30, 18:30] = True

#: VV and VH of open water at any wind, dB: the medians of 22 looks of open sea, with room.
water = st.tuples(st.floats(-24.0, -11.0), st.floats(-31.0, -24.5))


def with_lake(looks: LookStack, levels: list[tuple[float, float]], seed: int) -> LookStack:
    rng = np.random.default_rng(seed)
    gamma0 = looks.gamma0.copy()
    for number, level in enumerate(levels):
        for band in (0, 1):
            shape = SPECKLE_LOOKS[band]
            speckle = rng.gamma(shape, 1.0 / shape, int(LAKE.sum()))
            gamma0[number, band, LAKE] = 10.0 ** (level[band] / 10.0) * speckle
    return replace(looks, gamma0=gamma0)


def judged(stack: NormalisedStack, pre: LookStack, looks: LookStack) -> NormalisedStack:
    """The stack with other looks, as ``normalise`` would judge them, without its despeckling."""
    level = np.median(10.0 * np.log10(pre.gamma0), axis=0)
    seen = stack.judged & (level[1] > -24.0)
    return replace(stack, looks=looks, judged=seen, strata=np.where(seen, stack.strata, -1))


@settings(deadline=None, max_examples=30)
@given(st.lists(water, min_size=11, max_size=11), st.integers(0, 2**16), st.booleans())
def test_a_lake_under_any_wind_is_never_new(
    winds: list[tuple[float, float]], seed: int, judge_it: bool
) -> None:
    pre, post = split(with_lake(SERIES, winds, seed))
    # Even where nothing masks it: the mask of water alone must not be what saves us.
    stack = replace(DRY, looks=post) if judge_it else judged(DRY, pre, post)
    assert list(find_ponding(pre, stack, LEVELS)) == []


@settings(deadline=None, max_examples=15)
@given(st.floats(-2.0, 2.0), st.integers(0, 2**16))
def test_a_gain_of_all_looks_changes_levels_and_nothing_else(gain_db: float, seed: int) -> None:
    free = PondingLevels(
        water_db=(0.0, 0.0), basin_db=(0.0, 0.0), likely_db=(0.0, 0.0), land_db=-99.0, shore=1.0,
        drop_db=6.0,
    )  # fmt: skip
    wet = drown(POST, [POND], (-19.0, -27.0), seed)
    # Below the ceiling of nothing: every look before counts as dry, whatever its level.
    dry = replace(free, water_db=(0.0, -22.5))
    before = list(find_ponding(PRE, replace(DRY, looks=wet), dry))
    shifted = replace(dry, water_db=(0.0, -22.5 + gain_db))
    gained = replace(DRY, looks=times_db(wet, gain_db))
    after = list(find_ponding(times_db(PRE, gain_db), gained, shifted))
    assert len(before) == len(after) >= 1
    for one, other in zip(before, after, strict=True):
        assert one.polygon == other.polygon
        np.testing.assert_allclose(one.change_db, other.change_db, atol=1e-3)
        np.testing.assert_allclose(one.evidence, other.evidence, atol=1e-3)
        np.testing.assert_allclose(np.add(one.levels_db, gain_db), other.levels_db, atol=1e-3)


@settings(deadline=None, max_examples=15)
@given(st.floats(0.0, 8.0), st.integers(0, 2**16))
def test_darker_water_is_never_worth_less(darker_db: float, seed: int) -> None:
    one = drown(POST, [POND], (-18.0, -26.0), seed)
    other = drown(POST, [POND], (-18.0 - darker_db, -26.0 - darker_db), seed)
    first, second = (
        list(find_ponding(PRE, replace(DRY, looks=looks), LEVELS)) for looks in (one, other)
    )
    assert sum(p.area_m2 for p in second) >= sum(p.area_m2 for p in first)
    assert (Tier.LIKELY in {p.tier for p in second}) >= (Tier.LIKELY in {p.tier for p in first})


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**16), st.floats(0.0, 0.9))
def test_missing_pixels_are_never_water(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    hole = rng.random(SERIES.grid.shape) < share
    wet = drown(POST, [POND], (-19.0, -28.0), seed)
    wet.gamma0[:, :, hole] = np.nan
    pre = replace(PRE, gamma0=PRE.gamma0.copy())
    pre.gamma0[rng.integers(0, 10), :, rng.random(SERIES.grid.shape) < share / 2] = np.nan
    stack = replace(
        DRY, looks=wet, judged=DRY.judged & ~hole, strata=np.where(hole, -1, DRY.strata)
    )
    for pond in find_ponding(pre, stack, LEVELS):
        figures = (pond.evidence, pond.score_max, pond.score_mean, pond.change_db, *pond.levels_db)
        assert np.isfinite(figures).all()
        assert pond.area_m2 <= 900.0 * (~hole).sum()
