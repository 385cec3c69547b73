"""What a simulated radar receives has the statistics of its figures, and of the real looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from detectors.look_geometry import viewing
from detectors.radiometry import Decibel, to_power
from detectors.simulation import radar
from detectors.simulation.land import Land, LandCover, make_land, scene_grid
from detectors.simulation.parameters import load_parameters
from detectors.types import OrbitState

FIGURES = load_parameters()
GRID = scene_grid(120)
DRY = radar.LookWeather(False, False, None, (0.0, 0.0), (0.0, 0.0))
SUMMER = datetime(2024, 7, 18, tzinfo=UTC)


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(cover: LandCover, elevation: float = 500.0) -> Land:
    height = np.full(GRID.shape, elevation, dtype=np.float32)
    return Land(GRID, height, np.full(GRID.shape, cover, dtype=np.uint8))


@pytest.fixture(scope="module")
def grain() -> np.ndarray:
    radar_ = FIGURES.radar
    return radar.speckle((6, 200, 200), radar_.looks, radar_.neighbour_correlation, rng())


def test_speckle_has_mean_one_and_the_right_number_of_looks(grain) -> None:
    assert grain.mean() == pytest.approx(1.0, abs=0.005)
    assert grain.mean() ** 2 / grain.var() == pytest.approx(FIGURES.radar.looks, rel=0.03)


def test_speckle_is_gamma_distributed(grain) -> None:
    # Every third pixel: neighbours are alike, which the test does not allow for.
    apart = grain[:, ::3, ::3].ravel()
    looks = FIGURES.radar.looks
    assert stats.kstest(apart, stats.gamma(looks, scale=1 / looks).cdf).statistic < 0.01


def test_only_neighbours_are_alike(grain) -> None:
    field = grain - 1

    def likeness(one: np.ndarray, two: np.ndarray) -> float:
        return float((one * two).mean() / field.var())

    wanted = FIGURES.radar.neighbour_correlation
    assert likeness(field[:, :, 1:], field[:, :, :-1]) == pytest.approx(wanted, abs=0.02)
    assert likeness(field[:, 1:], field[:, :-1]) == pytest.approx(wanted, abs=0.02)
    assert likeness(field[:, :, 2:], field[:, :, :-2]) == pytest.approx(0.0, abs=0.02)
    assert likeness(field[1:], field[:-1]) == pytest.approx(0.0, abs=0.02)


def test_noise_leaves_the_mean_and_widens_what_is_dark(grain) -> None:
    """The ocean of California: VH at -28.3 dB keeps 2.9 of its looks, bright ground all of them."""
    for level, looks in ((-8.0, FIGURES.radar.looks), (-28.3, 2.9)):
        power = np.full(grain.shape, 10 ** (level / 10), dtype=np.float32)
        seen = radar.received(power, grain, FIGURES)
        assert 10 * np.log10(seen.mean()) == pytest.approx(level, abs=0.25)
        assert seen.mean() ** 2 / seen.var() == pytest.approx(looks, rel=0.12)
        assert seen.min() > 0


def test_texture_has_the_autocorrelation_of_the_real_looks() -> None:
    """Mean of the California looks at 1, 2, 4 and 8 pixels: 0.54, 0.36, 0.24, 0.18."""
    fields = np.stack([radar.texture_of((150, 150), FIGURES, rng(k)) for k in range(4)])
    for lag, measured in ((1, 0.54), (2, 0.36), (4, 0.24), (8, 0.18)):
        alike = float((fields[..., lag:] * fields[..., :-lag]).mean())
        assert alike == pytest.approx(measured, abs=0.08)
    one, two = fields[:, 0].ravel(), fields[:, 1].ravel()
    wanted = FIGURES.texture.between_polarisations
    assert np.corrcoef(one, two)[0, 1] == pytest.approx(wanted, abs=0.03)


def test_pixels_wander_and_come_back() -> None:
    shape = (2, 60, 60)
    draw, looks = rng(), []
    before = None
    for _ in range(40):
        before = radar.wander(shape, 12.0, before, FIGURES, draw)
        looks.append(before)
    series = np.stack(looks)
    for band, wanted in enumerate(FIGURES.scatter.deviation_db):
        assert series[:, band].std() == pytest.approx(wanted, rel=0.03)
    # Half the variance of differences: 0.33 of it after 12 days, 0.95 after 96 (memory 30 days).
    for lag, wanted in ((1, 1 - np.exp(-12 / 30)), (8, 1 - np.exp(-96 / 30))):
        half = np.var(series[lag:, 0] - series[:-lag, 0]) / 2
        assert half / 0.9**2 == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("cover", list(LandCover))
def test_levels_are_those_of_the_cover(cover: LandCover) -> None:
    land = flat(cover)
    incidence = np.full(GRID.shape, radar.LEVEL_INCIDENCE, dtype=np.float32)
    shared = radar.texture_of(GRID.shape, FIGURES, rng(1))
    level = radar.level_of(land, incidence, shared, FIGURES, rng(2))
    wanted = FIGURES.cover[cover.name.lower()].level_db
    np.testing.assert_allclose(level.mean(axis=(1, 2)), wanted, atol=0.01)
    spread = 0.0 if cover is LandCover.WATER else FIGURES.texture.deviation_db[0]
    assert level[0].std() == pytest.approx(spread, abs=0.25)
    steeper = radar.level_of(land, incidence + 10, shared, FIGURES, rng(2))
    assert (steeper - level).mean() == pytest.approx(
        10 * FIGURES.cover[cover.name.lower()].per_degree_db, abs=1e-3
    )


@pytest.mark.parametrize("cover", [LandCover.FOREST, LandCover.GRASS])
def test_the_season_swings_by_its_amplitude(cover: LandCover) -> None:
    land = flat(cover)
    days = [datetime(2024, month, 15, tzinfo=UTC) for month in range(1, 13)]
    cycle = [
        radar.date_change(land, day, DRY, 200.0, FIGURES, rng()).mean(axis=(1, 2)) for day in days
    ]
    wanted = FIGURES.cover[cover.name.lower()].season_db
    np.testing.assert_allclose(np.ptp(np.array(cycle), axis=0) / 2, wanted, rtol=0.05)
    assert int(np.argmax([vv for vv, _ in cycle])) == 6


def test_wet_ground_is_brighter_and_grass_more_than_forest() -> None:
    wet = replace(DRY, wet=True, shift_db=(2.0, 2.8))
    rise = {
        cover: radar.date_change(flat(cover), SUMMER, wet, 200.0, FIGURES, rng())
        - radar.date_change(flat(cover), SUMMER, DRY, 200.0, FIGURES, rng())
        for cover in (LandCover.FOREST, LandCover.GRASS)
    }
    # The darkest quarter of the wet California looks rises by 2.5 to 3.4 VV and 3.5 to 6.2 VH.
    assert 2.4 < rise[LandCover.GRASS][0].mean() < 3.4
    assert 3.5 < rise[LandCover.GRASS][1].mean() < 6.2
    assert rise[LandCover.FOREST][0].mean() == pytest.approx(0.6 * 2.0, abs=0.05)


def test_wet_snow_lies_above_a_line_and_darkens_by_three_decibel() -> None:
    land = make_land(GRID, 3, FIGURES)
    land = Land(GRID, land.elevation, np.full(GRID.shape, LandCover.BARE, dtype=np.uint8))
    line = float(np.median(land.elevation))
    snowy = replace(DRY, snow=True, snow_line_m=line, snow_db=(-3.0, -3.0))
    change = radar.date_change(land, SUMMER, snowy, 200.0, FIGURES, rng())
    dry = radar.date_change(land, SUMMER, DRY, 200.0, FIGURES, rng())
    fall = (change - dry)[0]
    assert fall[land.elevation > line + 200].mean() == pytest.approx(-3.0, abs=0.05)
    assert fall[land.elevation < line - 200].mean() == pytest.approx(0.0, abs=0.05)


def test_it_snows_in_winter_only_and_rains_as_often_as_said() -> None:
    draw = rng()
    winter = datetime(2024, 1, 10, tzinfo=UTC)
    cold = [radar.weather_of(winter, FIGURES, 200.0, 0.13, draw) for _ in range(600)]
    warm = [radar.weather_of(SUMMER, FIGURES, 200.0, 0.13, draw) for _ in range(600)]
    assert not any(one.snow for one in warm)
    share = FIGURES.snow.probability
    assert np.mean([one.snow for one in cold]) == pytest.approx(share, abs=0.06)
    assert np.mean([one.wet for one in cold + warm]) == pytest.approx(0.13, abs=0.04)
    wet = np.array([one.shift_db for one in cold + warm if one.wet])
    np.testing.assert_allclose(wet.mean(axis=0), FIGURES.shift.wet_db, atol=0.25)


def test_layover_mixes_what_lies_along_the_range_and_nothing_else() -> None:
    power = rng().gamma(2.0, 0.1, (2, 60, 60)).astype(np.float32)
    where = np.zeros((60, 60), dtype=bool)
    where[20:40, 20:40] = True
    seen = viewing(OrbitState.ASCENDING, 45.0, 38.0)
    mixed = radar.laid_over(power, where, seen)
    np.testing.assert_array_equal(mixed[:, ~where], power[:, ~where])
    assert mixed[:, where].std() < 0.6 * power[:, where].std()
    assert mixed[:, where].mean() == pytest.approx(power[:, where].mean(), rel=0.1)
    # A change of every pixel is received as it is; one of few pixels fades.
    whole = radar.change_of(power, np.full_like(power, -3.0), where, seen)
    np.testing.assert_allclose(whole, -3.0, atol=1e-4)
    spot = np.zeros_like(power)
    spot[:, 30, 30] = -9.0
    received = radar.change_of(power, spot, where, seen)
    assert -5 < received[0, 30, 30] < 0
    assert to_power(Decibel(received)).max() <= 1.001
