"""Simulated landslides do what SCIENCE section 3 says, in any look they are planted into."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from detectors.errors import IncomparableLooks
from detectors.look_geometry import Viewing, viewing
from detectors.simulate import slide_outline
from detectors.simulation.land import LandCover, scene_grid
from detectors.simulation.parameters import load_parameters
from detectors.simulation.placing import random_slide
from detectors.simulation.planting import contrast, plant
from detectors.simulation.slides import Part, Slide, change_db, covered, make_slide
from detectors.types import OrbitState
from tests.scenes import START, made_series, make_grid

FIGURES = load_parameters()
GRID = scene_grid(80)
WHEN = START + timedelta(days=100)
ASCENDING, DESCENDING = (viewing(state, 45.0, 38.0) for state in OrbitState)
CENTRE = (GRID.bounds[0] + 1_200.0, GRID.bounds[3] - 1_200.0)
LEVEL = np.full((2, *GRID.shape), -10.0, dtype=np.float32)


def slide_of(
    cover: LandCover, towards: float = 80.0, pixels: float = 150.0, seed: int = 1, **more: object
) -> Slide:
    outline = slide_outline(CENTRE, towards, pixels * 900.0, 2.5)
    return make_slide(GRID, outline, towards, WHEN, cover, FIGURES, seed, **more)  # type: ignore[arg-type]


def means_of(cover: LandCover, number: int = 80) -> np.ndarray:
    """Polygon means (landslide, polarisation) over both directions of many landslides."""
    grid = scene_grid(34)
    level, means = LEVEL[:, :34, :34], []
    centre = (grid.bounds[0] + 510.0, grid.bounds[3] - 510.0)
    for seed in range(1_000, 1_000 + number):
        towards = float(seed * 37 % 360)
        outline = slide_outline(centre, towards, 60 * 900.0, 2.5)
        slide = make_slide(grid, outline, towards, WHEN, cover, FIGURES, seed)
        both = [change_db(slide, seen, level, FIGURES) for seen in (ASCENDING, DESCENDING)]
        means.append(np.mean(both, axis=0)[:, slide.body & (slide.share == 1)].mean(axis=1))
    return np.array(means)


@pytest.mark.parametrize(
    "cover", [LandCover.FOREST, LandCover.SHRUB, LandCover.GRASS, LandCover.WETLAND]
)
def test_polygon_means_are_centred_on_the_figures(cover: LandCover) -> None:
    rules = FIGURES.cover[cover.name.lower()]
    total = abs(rules.slide_clear_db - rules.slide_db[0]) / FIGURES.slide.clear_sigmas
    between = total * FIGURES.slide.share_between**0.5
    means = means_of(cover)
    # Three standard errors of the mean.
    error = 3 * between / len(means) ** 0.5
    np.testing.assert_allclose(means.mean(axis=0), rules.slide_db, atol=error)
    np.testing.assert_allclose(means.std(axis=0), between, rtol=0.35)


def test_clear_points_are_the_tail() -> None:
    """SCIENCE: 7 to 10 dB at clear points of grass; one pixel in a hundred or in ten reaches it."""
    pixels = []
    for seed in range(40):
        slide = slide_of(LandCover.GRASS, towards=float(seed * 53 % 360), seed=seed)
        pixels.append(change_db(slide, ASCENDING, LEVEL, FIGURES)[0][slide.share == 1])
    share = float((np.concatenate(pixels) > 7).mean())
    assert 0.01 < share < 0.15


def scarp_change(towards: float, seen: Viewing) -> float:
    """Mean of the scarp against the rest, over many landslides on ground without trees."""
    differences = []
    for seed in range(30):
        slide = slide_of(LandCover.SHRUB, towards=towards, seed=seed)
        change = change_db(slide, seen, LEVEL, FIGURES)[0]
        transit = change[slide.parts == Part.TRANSIT].mean()
        differences.append(change[slide.parts == Part.SCARP].mean() - transit)
    return float(np.mean(differences))


def test_a_scarp_that_faces_away_darkens_and_one_that_faces_the_sensor_does_not() -> None:
    away = scarp_change(ASCENDING.azimuth, ASCENDING)
    towards = scarp_change(ASCENDING.azimuth, DESCENDING)
    assert -5 < away < -2
    assert 0.5 < towards < 3


def test_a_gentle_scarp_faces_less() -> None:
    def depth(slope: float) -> float:
        slide = slide_of(LandCover.SHRUB, towards=ASCENDING.azimuth, slope_degrees=slope)
        change = change_db(slide, ASCENDING, LEVEL, FIGURES)[0]
        return float(change[slide.parts == Part.SCARP].mean())

    assert depth(30.0) < depth(10.0)


def test_forest_edges_are_dark_on_the_near_side_and_bright_on_the_far_side() -> None:
    """Seen from the west, the western edge lies in the shadow of trees."""
    from_west = Viewing(90.0, 38.0)
    near, far = [], []
    for seed in range(30):
        slide = slide_of(LandCover.FOREST, towards=180.0, seed=seed)
        change = change_db(slide, from_west, LEVEL, FIGURES)[0]
        body = slide.body & (slide.share > 0.9)
        left = body & ~np.roll(slide.body, 1, axis=1)
        right = body & ~np.roll(slide.body, -1, axis=1)
        middle = change[body & ~left & ~right].mean()
        near.append(change[left].mean() - middle)
        far.append(change[right].mean() - middle)
    assert np.mean(near) < -0.5
    assert np.mean(far) > 0.5


def test_a_pond_becomes_as_dark_as_water() -> None:
    x, y = CENTRE
    pond = box(x + 300, y - 1_000, x + 600, y - 700)
    slide = slide_of(LandCover.GRASS, towards=180.0, pixels=40.0, pond=pond)
    change = change_db(slide, ASCENDING, LEVEL, FIGURES)
    water = slide.parts == Part.POND
    assert water.sum() == pytest.approx(100, abs=1)
    wanted = np.array(FIGURES.cover["water"].level_db) + 10.0
    np.testing.assert_allclose(
        change[:, water & (slide.share == 1)].mean(axis=1), wanted, atol=0.01
    )
    assert not slide.body[water].any()


@settings(max_examples=6, deadline=None)
@given(
    wanted=st.floats(-8, 8), towards=st.floats(0, 360), pixels=st.floats(6, 250),
    cover=st.sampled_from(list(LandCover)), seed=st.integers(0, 10_000),
)  # fmt: skip
@example(wanted=-3.0, towards=0.0, pixels=6.0, cover=LandCover.FOREST, seed=0)
def test_the_contrast_asked_for_is_the_mean_over_the_outline(
    wanted: float, towards: float, pixels: float, cover: LandCover, seed: int
) -> None:
    slide = slide_of(cover, towards, pixels, seed)
    assume((slide.share == 1).any())  # what is covered in part keeps part of its light
    change = change_db(slide, ASCENDING, LEVEL, FIGURES, mean_db=wanted)
    np.testing.assert_allclose(change[:, slide.body].mean(axis=1), wanted, atol=0.05)
    assert contrast(change, slide.body) == pytest.approx(wanted, abs=0.05)
    assert (change[:, slide.share == 0] == 0).all()
    assert np.isfinite(change).all()


@settings(max_examples=6, deadline=None)
@given(towards=st.floats(0, 360), pixels=st.floats(6, 250), seed=st.integers(0, 10_000))
def test_parts_cover_the_outline(towards: float, pixels: float, seed: int) -> None:
    slide = slide_of(LandCover.GRASS, towards, pixels, seed)
    assert slide.share.sum() * 900.0 == pytest.approx(slide.outline.area, rel=0.02, abs=200)
    assert slide.body.sum() == pytest.approx(pixels, rel=0.4, abs=4)
    assert slide.cover is LandCover.GRASS
    np.testing.assert_array_equal(slide.share, covered(slide.outline, GRID))


def test_shares_of_an_outline_beyond_the_border_stay_inside() -> None:
    west, south, _, _ = GRID.bounds
    share = covered(box(west - 500, south - 500, west + 45, south + 30), GRID)
    assert share[-1, :3].tolist() == [1.0, 0.5, 0.0]
    assert share.sum() == 1.5
    assert not covered(box(0, 0, 10, 10), GRID).any()


def test_planting_keeps_speckle_and_what_came_before() -> None:
    stack = made_series(10, 60, 60)
    grid = stack.grid
    happened = stack.sensed_at[7] - timedelta(hours=1)
    slide = random_slide(grid, 40 * 900.0, happened, LandCover.SHRUB, FIGURES, 3)
    assert slide is not None
    planted = plant(stack, slide, ASCENDING, FIGURES, mean_db=-3.0)
    np.testing.assert_array_equal(planted.stack.gamma0[:7], stack.gamma0[:7])
    ratio = 10 * np.log10(planted.stack.gamma0[7:] / stack.gamma0[7:])
    np.testing.assert_allclose(ratio[0], planted.change_db, atol=1e-4)
    np.testing.assert_allclose(ratio[0], ratio[-1], atol=1e-4)
    assert planted.contrast_db == pytest.approx(-3.0, abs=0.05)
    assert planted.stack.gamma0.dtype == np.float32


def test_planting_refuses_what_does_not_fit() -> None:
    stack = made_series(4, 60, 60)
    slide = random_slide(stack.grid, 40 * 900.0, WHEN, LandCover.SHRUB, FIGURES, 3)
    assert slide is not None
    early = random_slide(
        stack.grid, 40 * 900.0, stack.sensed_at[0], LandCover.SHRUB, FIGURES, 3
    )  # fmt: skip
    assert early is not None
    with pytest.raises(IncomparableLooks, match="before"):
        plant(stack, early, ASCENDING, FIGURES)
    elsewhere = random_slide(make_grid(70, 70), 9_000.0, WHEN, LandCover.SHRUB, FIGURES, 3)
    assert elsewhere is not None
    with pytest.raises(IncomparableLooks, match="another grid"):
        plant(stack, elsewhere, ASCENDING, FIGURES)


def test_an_outline_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="no part"):
        make_slide(GRID, box(0, 0, 90, 90), 0.0, WHEN, LandCover.GRASS, FIGURES, 1)


def test_nothing_is_placed_where_nothing_fits() -> None:
    nowhere = np.zeros(GRID.shape, dtype=bool)
    assert (
        random_slide(GRID, 9_000.0, WHEN, LandCover.GRASS, FIGURES, 3, allowed=nowhere) is None
    )  # fmt: skip
