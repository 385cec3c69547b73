"""New water is found as what it is, and nothing that was dark, or comes and goes, is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from affine import Affine
from shapely.geometry.base import BaseGeometry

from detectors.normalise import NormalisedStack, normalise
from detectors.ponding import (
    DARK_LOOK,
    FLAT_GROUND,
    MOVED_SHORE,
    WIDESPREAD,
    Pond,
    PondingLevels,
    find_ponding,
    without_water,
)
from detectors.projections import to_projected
from detectors.shoreline import Setting
from detectors.types import LookStack, Tier
from detectors.vectorize import Outline
from tests.judged import mask_of, overlap
from tests.ponds import BREEZE, CALM, WIND, drown, valley
from tests.scenes import SHIPPED, STEEP, made_series, read_series, slide_at, split, take, times_db

LEVELS = PondingLevels()
PIXELS = 60
#: VV and VH of a lake under wind and at rest, dB: of 22 looks of open sea.
ROUGH, STILL = (-13.0, -26.7), (-20.5, -29.0)


@pytest.fixture(scope="module")
def quiet() -> LookStack:
    return made_series(looks=11, height=64, width=64)


def pond_of(series: LookStack, pixels: float = PIXELS) -> BaseGeometry:
    return slide_at(series.grid, 32, 32, pixels, 205.0)


def compared(series: LookStack) -> tuple[LookStack, NormalisedStack]:
    pre, post = split(series)
    return pre, normalise(pre, post)


def ponds_in(series: LookStack, levels: PondingLevels = LEVELS, **where: object) -> list[Pond]:
    return list(find_ponding(*compared(series), levels, **where))  # type: ignore[arg-type]


def flooded(
    series: LookStack, water: tuple[float, float] = CALM, *, since: int = -1,
    pixels: float = PIXELS,
) -> LookStack:  # fmt: skip
    """The series with a pond in every look from number ``since`` on."""
    since %= len(series)
    wet = drown(take(series, slice(since, None)), [pond_of(series, pixels)], water, 7)
    return replace(series, gamma0=np.concatenate([series.gamma0[:since], wet.gamma0]))


def test_a_calm_pond_is_found_where_it_is(quiet: LookStack) -> None:
    (pond,) = ponds_in(flooded(quiet))
    outline = to_projected(pond.polygon, quiet.grid.epsg)
    assert overlap(outline, pond_of(quiet)) > 0.75
    assert pond.tier is Tier.LIKELY
    assert pond.area_m2 == mask_of(outline, quiet.grid).sum() * 900.0
    assert pond.levels_db == pytest.approx(CALM, abs=1.6)
    assert pond.change_db == pytest.approx(CALM[0] + 11.0, abs=2.5)
    assert pond.last_dry == quiet.sensed_at[-2]
    assert (pond.setting, pond.advisory) == (None, None)
    assert pond.evidence >= LEVELS.likely
    assert pond.score_max >= pond.score_mean > 3.0


def test_quiet_ground_and_a_landslide_are_no_water(quiet: LookStack) -> None:
    assert ponds_in(quiet) == []
    mask = mask_of(pond_of(quiet), quiet.grid)
    for change_db in (-4.5, 4.5):
        gain = np.zeros(quiet.gamma0.shape, dtype=np.float32)
        gain[-1, :, mask] = change_db
        assert ponds_in(times_db(quiet, gain)) == [], change_db


def test_one_polarisation_says_nothing(quiet: LookStack) -> None:
    wet = flooded(quiet)
    assert ponds_in(replace(wet, polarisations=("VV",), gamma0=wet.gamma0[:, :1])) == []


def test_both_polarisations_must_fall(quiet: LookStack) -> None:
    wet, dry = flooded(quiet), quiet.gamma0
    for band in (0, 1):
        half = wet.gamma0.copy()
        half[:, band] = dry[:, band]
        assert ponds_in(replace(wet, gamma0=half)) == []


def test_wind_hides_a_pond_and_a_breeze_keeps_it_from_alerting(quiet: LookStack) -> None:
    assert ponds_in(flooded(quiet, WIND)) == []
    (pond,) = ponds_in(flooded(quiet, BREEZE))
    assert pond.tier is Tier.WATCH
    hollow = valley(quiet.grid, [pond_of(quiet)])
    (pond,) = ponds_in(flooded(quiet, BREEZE), elevation=hollow)
    assert (pond.tier, pond.setting) == (Tier.LIKELY, Setting.BASIN)


def test_the_second_look_at_a_pond_knows_when_it_came(quiet: LookStack) -> None:
    for looks_ago in (1, 4):
        (pond,) = ponds_in(flooded(quiet, since=-1 - looks_ago))
        assert pond.last_dry == quiet.sensed_at[-2 - looks_ago]
    # With fewer than six dry looks nobody can say what was there before.
    assert ponds_in(flooded(quiet, since=-6)) == []


def test_what_comes_and_goes_is_not_new(quiet: LookStack) -> None:
    paddy = flooded(quiet).gamma0
    paddy[3] = flooded(quiet, since=3).gamma0[3]
    assert ponds_in(replace(quiet, gamma0=paddy)) == []


def test_a_lake_that_calms_down_is_not_new(quiet: LookStack) -> None:
    lake = flooded(quiet, ROUGH, since=0)
    calm = lake.gamma0.copy()
    calm[-1] = flooded(quiet, STILL).gamma0[-1]
    assert ponds_in(replace(quiet, gamma0=calm)) == []


def test_ground_that_was_dark_already_is_not_judged(quiet: LookStack) -> None:
    mask = mask_of(pond_of(quiet), quiet.grid)
    dark = quiet.gamma0.copy()
    dark[:, 1, mask] *= 10 ** (-6.5 / 10)  # asphalt and sand: -24 dB in VH
    dark[-1] = drown(take(quiet, slice(-1, None)), [pond_of(quiet)], CALM, 7).gamma0[0]
    assert ponds_in(replace(quiet, gamma0=dark)) == []


@pytest.mark.parametrize("gain_db", [-2.5, 3.0])
def test_a_wide_shift_is_no_drop(quiet: LookStack, gain_db: float) -> None:
    shifted = quiet.gamma0.copy()
    shifted[-1] *= 10 ** (gain_db / 10)
    assert ponds_in(replace(quiet, gamma0=shifted)) == []


def test_a_dark_look_is_watched_and_never_alerted(quiet: LookStack) -> None:
    snowy = flooded(quiet).gamma0
    snowy[-1] *= 10 ** (-3.5 / 10)
    (pond,) = ponds_in(replace(quiet, gamma0=snowy))
    assert pond.tier is Tier.WATCH
    assert pond.advisory == DARK_LOOK


def test_water_everywhere_is_a_flood(quiet: LookStack) -> None:
    found = ponds_in(flooded(quiet, pixels=600))
    assert found
    assert {pond.tier for pond in found} == {Tier.WATCH}
    assert {pond.advisory for pond in found} == {WIDESPREAD}


def test_a_shore_that_moves_is_watched(quiet: LookStack) -> None:
    lake = slide_at(quiet.grid, 32, 32, 300, 205.0)
    full = slide_at(quiet.grid, 32, 34, 300, 205.0)
    before = drown(take(quiet, slice(0, -1)), [lake], CALM, 3).gamma0
    now = drown(take(quiet, slice(-1, None)), [lake, full], CALM, 4).gamma0
    found = ponds_in(replace(quiet, gamma0=np.concatenate([before, now])))
    assert found
    assert {pond.tier for pond in found} == {Tier.WATCH}
    assert {pond.advisory for pond in found} == {MOVED_SHORE}


def test_terrain_has_a_say(quiet: LookStack) -> None:
    wet = flooded(quiet)
    flat = np.full(quiet.grid.shape, 120.0, dtype=np.float32)
    (pond,) = ponds_in(wet, elevation=flat)
    assert (pond.tier, pond.setting, pond.advisory) == (Tier.WATCH, Setting.FLAT, FLAT_GROUND)
    slope = np.linspace(0.0, 15.0 * 64, 64, dtype=np.float32)[:, None] * np.ones((1, 64))
    assert ponds_in(wet, elevation=slope.astype(np.float32)) == []
    unknown = np.full(quiet.grid.shape, np.nan, dtype=np.float32)
    (pond,) = ponds_in(wet, elevation=unknown)
    assert (pond.tier, pond.setting) == (Tier.LIKELY, None)


def test_size_and_place_are_kept_to(quiet: LookStack) -> None:
    looks = compared(flooded(quiet))
    (pond,) = find_ponding(*looks, LEVELS)
    assert list(find_ponding(*looks, LEVELS, min_area_m2=pond.area_m2)) == [pond]
    assert list(find_ponding(*looks, LEVELS, min_area_m2=pond.area_m2 + 1.0)) == []
    nowhere = np.zeros(quiet.grid.shape, dtype=bool)
    assert list(find_ponding(*looks, LEVELS, inside=nowhere)) == []
    assert list(find_ponding(*looks, LEVELS, core=nowhere)) == []
    # Whatever the blocks, one of them answers for it.
    for seam in range(24, 42):
        core = np.broadcast_to(np.arange(64) < seam, quiet.grid.shape)
        both = [list(find_ponding(*looks, LEVELS, core=side)) for side in (core, ~core)]
        assert sorted(map(len, both)) == [0, 1]


def test_finer_pixels_ask_for_more_of_them(quiet: LookStack) -> None:
    wet = flooded(quiet)
    (coarse,) = ponds_in(wet)
    fine = replace(quiet.grid, transform=quiet.grid.transform @ Affine.scale(1 / 3))
    (pond,) = ponds_in(replace(wet, grid=fine))
    assert pond.area_m2 == pytest.approx(coarse.area_m2 / 9)
    assert pond.evidence == pytest.approx(coarse.evidence / 3)
    assert pond.tier is Tier.WATCH


def test_gaps_are_survived(quiet: LookStack) -> None:
    wet = flooded(quiet)
    gamma0 = wet.gamma0.copy()
    gamma0[2:4, :, 20:40] = np.nan
    gamma0[-1, :, :, 33] = np.nan
    found = ponds_in(replace(wet, gamma0=gamma0))
    assert found
    assert all(np.isfinite([p.evidence, p.score_max, p.change_db, *p.levels_db]).all()
               for p in found)  # fmt: skip
    assert sum(p.area_m2 for p in found) < ponds_in(wet)[0].area_m2


def test_older_looks_stand_in_for_missing_ones_and_else_do_not_count(quiet: LookStack) -> None:
    wet = flooded(quiet)
    old = replace(
        quiet, sensed_at=tuple(at - timedelta(days=400) for at in quiet.sensed_at),
        gamma0=quiet.gamma0 * 10.0**-0.1,
    )  # fmt: skip
    both = replace(
        wet, gamma0=np.concatenate([old.gamma0, wet.gamma0]),
        sensed_at=(*old.sensed_at, *wet.sensed_at), item_ids=(*old.item_ids, *wet.item_ids),
    )  # fmt: skip
    assert ponds_in(both) == ponds_in(wet)
    both.gamma0[-8:-1] = np.nan
    (pond,) = ponds_in(both)
    assert pond.last_dry == quiet.sensed_at[2]


def test_zero_power_is_dark_and_no_trouble(quiet: LookStack) -> None:
    wet = flooded(quiet)
    wet.gamma0[-1, 1, 30:34, 30:34] = 0.0
    (pond,) = ponds_in(wet)
    assert np.isfinite(pond.score_max)
    assert pond.tier is Tier.LIKELY


def test_a_landslide_that_is_mostly_water_is_told_as_water(quiet: LookStack) -> None:
    (pond,) = ponds_in(flooded(quiet))

    def outline(polygon: BaseGeometry) -> Outline:
        return Outline(polygon, 1.0, 12.0, 5.0, 4.0, -8.0, Tier.LIKELY)

    same, beside = outline(pond.polygon), outline(pond.polygon.convex_hull.buffer(0.004))
    assert list(without_water([same, beside], [pond])) == [beside]
    assert list(without_water([same, beside], [])) == [same, beside]


def test_a_real_look_holds_no_water_and_a_pond_in_it_is_found() -> None:
    """Golden figures of one real burst: they move when looks or levels do."""
    series = read_series(SHIPPED, STEEP)
    pre, post = split(series, -3)
    stack = normalise(pre, post)
    assert list(find_ponding(pre, stack, LEVELS)) == []
    planted = slide_at(post.grid, 52, 48, 50, 205.0)
    wet = replace(stack, looks=drown(post, [planted], CALM, 1))
    (pond,) = find_ponding(pre, wet, LEVELS)
    assert overlap(to_projected(pond.polygon, post.grid.epsg), planted) > 0.75
    assert pond.area_m2 == 49_500.0
    assert pond.evidence == pytest.approx(25.6, abs=0.3)
    assert pond.levels_db == pytest.approx((-18.4, -27.6), abs=0.1)
    assert pond.change_db == pytest.approx(-9.1, abs=0.1)
