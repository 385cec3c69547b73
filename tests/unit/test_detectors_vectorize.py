"""From scores to outlines: geometry, evidence by hand, levels, and who answers for a patch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from shapely.geometry import Point, Polygon, box

from detectors.levels import Levels
from detectors.projections import to_lonlat, to_projected
from detectors.types import Grid, Observability, ScoreMap, Tier
from detectors.vectorize import Outline, outlines, patches
from tests.scenes import make_grid

LEVELS = Levels()
#: Everything that is a patch at all.
LOW = Levels(watch=0.0, least_mean=0.0)


def score_map(score: np.ndarray, grid: Grid | None = None, **changes: Any) -> ScoreMap:
    score = score.astype(np.float32)
    made = ScoreMap(
        grid=grid or make_grid(*score.shape),
        score=score,
        change_db=np.where(np.isnan(score), np.nan, score / 2).astype(np.float32),
        detector="d",
        weights_version="none",
        config_hash="c",
        wet_scene=False,
        complete=True,
        observability=Observability.of(grid or make_grid(*score.shape), np.isfinite(score)),
    )
    return replace(made, **changes)


def blank(height: int = 20, width: int = 24) -> np.ndarray:
    return np.zeros((height, width), dtype=np.float32)


def found(
    scores: ScoreMap,
    levels: Levels = LEVELS,
    min_area_m2: float = 0.0,
    inside: np.ndarray | None = None,
    core: np.ndarray | None = None,
) -> list[Outline]:
    everywhere = np.ones(scores.grid.shape, dtype=bool)
    return list(
        outlines(
            scores,
            levels,
            min_area_m2,
            everywhere if inside is None else inside,
            everywhere if core is None else core,
        )
    )


def projected(outline: Outline, grid: Grid) -> Polygon:
    polygon = to_projected(outline.polygon, grid.epsg)
    assert isinstance(polygon, Polygon)
    return polygon


def test_quiet_scene_has_no_outline() -> None:
    assert found(score_map(blank())) == []
    assert found(score_map(np.full((4, 4), np.nan))) == []


def test_rectangle_comes_back_as_it_is() -> None:
    score = blank()
    score[4:9, 6:10] = 4.0
    scores = score_map(score)
    (outline,) = found(scores)
    assert outline.area_m2 == 20 * 900
    west, north = scores.grid.transform @ (6, 4)
    east, south = scores.grid.transform @ (10, 9)
    truth = box(west, south, east, north)
    assert projected(outline, scores.grid).symmetric_difference(truth).area < 1.0
    assert outline.polygon.is_valid
    assert projected(outline, scores.grid).area == pytest.approx(outline.area_m2, rel=1e-3)
    # Santa Barbara county, lon/lat in this order.
    assert -121 < outline.polygon.centroid.x < -119
    assert 34 < outline.polygon.centroid.y < 36


def test_hole_stays_a_hole() -> None:
    score = blank()
    score[4:9, 6:11] = 4.0
    score[6, 8] = 0.0
    scores = score_map(score)
    (outline,) = found(scores)
    assert outline.area_m2 == 24 * 900
    shape = projected(outline, scores.grid)
    assert len(shape.interiors) == 1
    assert shape.area == pytest.approx(24 * 900, rel=1e-3)
    assert not shape.contains(Point(scores.grid.transform @ (8.5, 6.5)))


def test_pixels_not_judged_are_holes() -> None:
    score = blank()
    score[4:9, 6:11] = 4.0
    score[6, 8] = np.nan
    (outline,) = found(score_map(score))
    assert outline.area_m2 == 24 * 900
    assert math.isfinite(outline.change_db)


@pytest.mark.parametrize("flip", [False, True])
def test_parts_that_touch_at_a_corner_are_one_valid_polygon(flip: bool) -> None:
    score = blank()
    score[3:6, 3:6] = score[6:9, 6:9] = 4.0
    scores = score_map(score[:, ::-1] if flip else score)
    (outline,) = found(scores)
    assert outline.polygon.is_valid
    assert outline.polygon.geom_type == "Polygon"
    assert outline.area_m2 == 18 * 900
    # The bridge is a hair: a hundredth of a pixel.
    assert projected(outline, scores.grid).area == pytest.approx(18 * 900, rel=0.02)


def test_ring_that_touches_itself_at_a_corner_is_valid() -> None:
    score = blank()
    score[4:9, 4:9] = 4.0
    score[5:8, 5:8] = 0.0
    score[6, 6] = 0.0
    score[4, 4] = 0.0
    (outline,) = found(score_map(score))
    assert outline.polygon.is_valid
    assert outline.area_m2 == 15 * 900


def test_area_follows_the_pixel() -> None:
    score = blank()
    score[4:12, 6:18] = 4.0
    grid = Grid(32733, make_grid(20, 24, pixel_m=10.0).transform, 20, 24)
    (outline,) = found(score_map(score, grid))
    assert outline.area_m2 == 96 * 100
    assert projected(outline, grid).area == pytest.approx(9_600, rel=1e-2)
    # Evidence counts in 30 m pixels, whatever the pixel.
    assert outline.evidence == pytest.approx(4.0 * math.sqrt(9_600 / 900))


def test_evidence_by_hand() -> None:
    score = blank()
    score[2:6, 2:6] = [[3, 3, 3, 3], [3, 9, -5, 3], [3, 4, 4, 3], [3, 3, 3, 3]]
    (outline,) = found(score_map(score))
    # Twelve at 3, four cut at the ceiling of 4; the root of 16 pixels.
    assert outline.evidence == pytest.approx((12 * 3 + 4 * 4) / 16 * 4)
    assert outline.score_max == 9
    assert outline.score_mean == pytest.approx((12 * 3 + 9 + 5 + 4 + 4) / 16)
    assert outline.change_db == pytest.approx((12 * 3 + 9 - 5 + 4 + 4) / 16 / 2)


def test_drop_counts_like_a_rise() -> None:
    score = blank()
    score[2:7, 2:6] = 3.7
    (rise,), (drop,) = found(score_map(score)), found(score_map(-score))
    assert drop.evidence == rise.evidence
    assert drop.change_db == -rise.change_db


@pytest.mark.parametrize(
    ("pixels", "value", "tier"),
    [
        (8, 4.0, None),
        (10, 4.0, None),  # evidence 12.6
        (11, 3.9, Tier.WATCH),  # 12.9
        (11, 4.0, Tier.WATCH),  # 13.27
        (11, 4.01, Tier.WATCH),  # cut at 4; 0.99 ha
        (12, 4.0, Tier.LIKELY),
        (12, 3.75, Tier.WATCH),  # 13.0
        (16, 3.6, Tier.LIKELY),
    ],
)
def test_levels_make_tiers(pixels: int, value: float, tier: Tier | None) -> None:
    score = blank()
    score.reshape(-1)[24 * 5 : 24 * 5 + pixels] = value
    assert [o.tier for o in found(score_map(score))] == ([tier] if tier else [])


def test_levels_are_the_ones_the_figures_were_measured_with() -> None:
    assert Levels() == Levels(
        grow=2.25, seed=3.25, ceiling=4.0, least_mean=3.0, watch=12.8,
        watch_incomplete=20.0, likely=13.3, likely_area_m2=10_000.0, minimum_pixels=6,
    )  # fmt: skip


@pytest.mark.parametrize(("value", "kept"), [(2.95, 0), (3.05, 1)])
def test_large_and_weak_is_half_dried_ground(value: float, kept: int) -> None:
    score = blank()
    score[3:13, 3:13] = value
    score[5, 5] = 3.6
    assert len(found(score_map(score))) == kept


def test_incomplete_judgement_never_rises_above_watch() -> None:
    score = blank()
    score[2:10, 2:10] = 6.0
    (outline,) = found(score_map(score, complete=False))
    assert outline.tier is Tier.WATCH


@pytest.mark.parametrize(("pixels", "kept"), [(24, 0), (25, 1)])
def test_incomplete_judgement_needs_more_evidence(pixels: int, kept: int) -> None:
    score = blank()
    score.reshape(-1)[24 * 5 : 24 * 5 + pixels] = 4.0
    assert len(found(score_map(score, complete=False))) == kept
    assert len(found(score_map(score))) == 1


def test_patch_grows_from_a_seed() -> None:
    score = blank()
    score[3:6, 3:9] = 2.8
    score[10:13, 3:9] = 2.8
    score[11, 5] = 3.6
    (outline,) = found(score_map(score), LOW)
    assert outline.area_m2 == 18 * 900
    assert outline.score_max == pytest.approx(3.6)


@pytest.mark.parametrize("value", [2.25, 2.2])
def test_patch_stops_at_the_lower_level(value: float) -> None:
    score = blank()
    score[3:6, 3:6] = 4.0
    score[3:6, 6:12] = value
    (outline,) = found(score_map(score), LOW)
    assert outline.area_m2 == 9 * 900


def test_seed_must_be_exceeded() -> None:
    score = blank()
    score[3:8, 3:8] = 3.25
    assert found(score_map(score), LOW) == []
    labels, count = patches(score_map(score), LOW)
    assert count == 1
    assert not labels.any()


@pytest.mark.parametrize(("pixels", "kept"), [(5, 0), (6, 1)])
def test_no_sensor_resolves_less_than_six_pixels(pixels: int, kept: int) -> None:
    score = blank()
    score[5, 3 : 3 + pixels] = 4.0
    assert len(found(score_map(score), LOW)) == kept


@pytest.mark.parametrize(("min_area_m2", "kept"), [(9_000.0, 1), (9_001.0, 0)])
def test_region_may_ask_for_larger_ones(min_area_m2: float, kept: int) -> None:
    score = blank()
    score[5, 3:13] = 4.0
    assert len(found(score_map(score), LOW, min_area_m2)) == kept


def test_order_is_that_of_the_first_pixel() -> None:
    score = blank()
    score[12:16, 2:6] = score[2:6, 12:16] = score[3:7, 2:6] = 4.0
    areas = [projected(o, make_grid(20, 24)).centroid for o in found(score_map(score))]
    assert [round(c.x) for c in areas] == [240_000 + 30 * c for c in (14, 4, 4)]


def test_patch_counts_if_any_of_it_lies_inside_the_region() -> None:
    score = blank()
    score[4:9, 6:11] = 4.0
    touched, beside = np.zeros(score.shape, bool), np.zeros(score.shape, bool)
    touched[:, :7] = True
    beside[:, :6] = True
    assert len(found(score_map(score), inside=touched)) == 1
    assert found(score_map(score), inside=beside) == []


def two_blocks(left: np.ndarray, right: np.ndarray, inside: np.ndarray) -> int:
    """Judge a 20 x 40 region in two blocks that share columns 12 to 28; the seam is at 20."""
    whole = make_grid(20, 40)
    count = 0
    for score, first, last, core_first, core_last in (
        (left, 0, 28, 0, 20),
        (right, 12, 40, 20, 40),
    ):
        transform = whole.transform @ type(whole.transform).translation(first, 0)
        grid = Grid(whole.epsg, transform, 20, last - first)
        core = np.zeros(whole.shape, bool)
        core[:, core_first:core_last] = True
        if not (core & inside).any():
            continue
        window = np.s_[:, first:last]
        count += len(
            found(score_map(score[window], grid), inside=inside[window], core=core[window])
        )
    return count


@pytest.mark.parametrize("start", range(12, 23))
def test_overlapping_blocks_report_a_patch_once(start: int) -> None:
    score = blank(20, 40)
    score[6:11, start : start + 6] = 4.0
    assert two_blocks(score, score, np.ones(score.shape, bool)) == 1


def test_blocks_agree_although_they_are_normalised_apart() -> None:
    left = blank(20, 40)
    left[6:12, 17:24] = 4.0
    right = left.copy()
    # Nearly level peaks on both sides of the seam: each block sees the other one as the higher.
    left[8, 22], left[8, 18] = 5.0, 4.9
    right[8, 22], right[8, 18] = 4.9, 5.0
    everywhere = np.ones(left.shape, bool)
    assert two_blocks(left, right, everywhere) == 1
    assert two_blocks(right, left, everywhere) == 1


def test_patch_at_the_border_of_the_region_belongs_to_a_block_that_is_read() -> None:
    score = blank(20, 40)
    score[6:12, 18:30] = 4.0
    inside = np.zeros(score.shape, bool)
    inside[:, :20] = True
    # Most of the patch, and its middle, lie where no block answers.
    assert two_blocks(score, score, inside) == 1


def test_patch_across_the_antimeridian_stays_small() -> None:
    # Taveuni, Fiji: UTM zone 60 south, pixels on both sides of 180 degrees.
    point = to_projected(Point(180.0, -16.85), 32760)
    transform = type(make_grid(1, 1).transform)(30.0, 0, point.x - 300, 0, -30.0, point.y + 300)
    score = blank(20, 20)
    score[8:13, 7:14] = 4.0
    scores = score_map(score, Grid(32760, transform, 20, 20))
    (outline,) = found(scores)
    west, _, east, _ = outline.polygon.bounds
    assert west < 180.0 < east
    assert east - west < 0.01
    assert outline.polygon.is_valid
    assert projected(outline, scores.grid).area == pytest.approx(35 * 900, rel=1e-3)


def test_projection_there_and_back() -> None:
    square = box(240_000, 3_850_000, 240_090, 3_850_060)
    back = to_projected(to_lonlat(square, 32611), 32611)
    assert back.symmetric_difference(square).area < 1e-3
