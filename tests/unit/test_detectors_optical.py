"""What optical looks say: agreement, disagreement, and the many ways not to know."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon

from detectors.ensemble import EnsembleMap
from detectors.optical import (
    OpticalEvidence,
    OpticalRule,
    compare,
    connected_patches,
    judge,
    measure,
    shares,
)
from detectors.projections import to_lonlat
from detectors.types import Composite, Finding, Grid, Unseen
from detectors.vectorize import trace
from tests.optical_world import tongue

GRID = Grid(32611, Affine(10, 0, 240_000, 0, -10, 3_830_000), 160, 160)
RULE = OpticalRule()
BANDS = ("blue", "green", "red", "nir")
FOREST = (0.03, 0.05, 0.03, 0.30)
SOIL = (0.10, 0.13, 0.17, 0.24)
WATER = (0.05, 0.06, 0.04, 0.02)
#: Rows and columns of HERE on GRID.
SLIDE = (slice(60, 80), slice(60, 80))
HERE = trace(tongue(SLIDE), GRID, SLIDE)
SOON = timedelta(days=5)


def composite(
    *, cover=FOREST, slide=None, seed=0, noise=0.004, gap=None, straight=False
) -> Composite:
    """A scene of one cover with another one inside the outline."""
    picture = np.empty((4, *GRID.shape), dtype=np.float32)
    picture[:] = np.array(cover, dtype=np.float32)[:, None, None]
    if slide is not None:
        where = np.ones((20, 20), dtype=bool) if straight else tongue(SLIDE)
        picture[:, *SLIDE][:, where] = np.array(slide, dtype=np.float32)[:, None]
    picture += np.random.default_rng(seed).normal(0, noise, picture.shape).astype(np.float32)
    if gap is not None:
        picture[:, gap] = np.nan
    clear = np.isfinite(picture[0])
    return Composite(
        grid=GRID, bands=BANDS, reflectance=picture, looks=clear.astype(np.uint8),
        date=np.where(clear, 0, -1).astype(np.int16),
        sensed_at=(datetime(2024, 6, 1, tzinfo=UTC),), item_ids=("S2",),
    )  # fmt: skip


def said(score: float) -> EnsembleMap:
    return EnsembleMap(
        np.full(GRID.shape, score, dtype=np.float32), np.zeros(GRID.shape, dtype=np.float32),
        0.5, "test",
    )  # fmt: skip


def outcome(pre: Composite, post: Composite, score: float, *, unseen=None, since=SOON):
    if unseen is None:
        seen = np.isfinite(post.reflectance[0])
        unseen = np.where(seen, Unseen.SEEN, Unseen.CLOUD).astype(np.uint8)
    compared = compare(HERE, pre, post, unseen, RULE)
    evidence = measure(compared, said(score), RULE)
    return judge(evidence, 0.5, since, RULE), evidence


def test_lost_vegetation_that_the_ensemble_agrees_with_confirms() -> None:
    (finding, reason), evidence = outcome(composite(), composite(slide=SOIL, seed=1), 0.8)
    assert finding is Finding.AGREES, reason
    assert evidence.d_ndvi == pytest.approx(0.07 / 0.41 - 0.27 / 0.33, abs=0.02)
    assert evidence.area_m2 == pytest.approx(tongue(SLIDE).sum() * 100, rel=0.02)
    found = evidence.outline
    assert found is not None
    truth = HERE
    assert found.intersection(truth).area / found.union(truth).area > 0.95


def test_season_and_haze_of_the_whole_scene_change_nothing() -> None:
    yellow = tuple(np.array(FOREST) * (1.6, 1.5, 2.2, 0.8))
    (finding, reason), evidence = outcome(composite(), composite(cover=yellow, seed=2), 0.1)
    assert finding is Finding.DISAGREES, reason
    assert evidence.d_ndvi == pytest.approx(0, abs=0.02)


def test_unchanged_vegetation_refutes() -> None:
    (finding, reason), _ = outcome(composite(), composite(seed=1), 0.1)
    assert finding is Finding.DISAGREES, reason


@pytest.mark.parametrize(
    ("cover", "name"), [(SOIL, "bare field, quarry or old scar"), (WATER, "water")]
)
def test_ground_that_was_bare_before_neither_confirms_nor_refutes(cover, name) -> None:
    pre, post = composite(slide=cover), composite(slide=cover, seed=1)
    (finding, reason), _ = outcome(pre, post, 0.9)
    assert finding is Finding.UNDECIDED, f"{name}: {reason}"


def test_a_harvested_field_does_not_confirm() -> None:
    crop = (0.03, 0.06, 0.04, 0.40)
    post = composite(cover=crop, slide=(0.08, 0.11, 0.14, 0.22), seed=1, straight=True)
    (finding, reason), _ = outcome(composite(cover=crop), post, 0.9)
    assert finding is Finding.UNDECIDED
    assert "shape of a field" in reason


def test_flooded_ground_does_not_confirm() -> None:
    (finding, reason), _ = outcome(composite(), composite(slide=WATER, seed=1), 0.9)
    assert finding is Finding.UNDECIDED, reason


def test_what_the_ensemble_does_not_agree_with_waits() -> None:
    (finding, reason), _ = outcome(composite(), composite(slide=SOIL, seed=1), 0.2)
    assert finding is Finding.UNDECIDED
    assert "does not agree" in reason


def test_a_cloud_over_the_outline_says_nothing_of_it() -> None:
    gap = np.zeros(GRID.shape, dtype=bool)
    gap[50:90, 50:90] = True
    for slide in (None, SOIL):
        (finding, reason), evidence = outcome(
            composite(), composite(slide=slide, seed=1, gap=gap), 0.9
        )
        assert finding is Finding.NOT_SEEN
        assert evidence.unseen == {"cloud": 1.0}
        assert "cloud 100%" in reason


def test_a_cloudy_region_does_not_hide_clear_ground_of_its_own() -> None:
    gap = np.ones(GRID.shape, dtype=bool)
    gap[40:100, 40:100] = False
    (finding, reason), _ = outcome(composite(), composite(slide=SOIL, seed=1, gap=gap), 0.8)
    assert finding is Finding.AGREES, reason


def test_half_a_cloud_can_confirm_but_not_refute() -> None:
    gap = np.zeros(GRID.shape, dtype=bool)
    gap[:, 72:] = True
    (finding, _), evidence = outcome(composite(), composite(slide=SOIL, seed=1, gap=gap), 0.8)
    assert finding is Finding.AGREES
    assert 0.5 < evidence.share_clear < 0.8
    (finding, reason), _ = outcome(composite(), composite(seed=1, gap=gap), 0.1)
    assert finding is Finding.UNDECIDED
    assert "of it was clear" in reason


def test_a_loss_within_the_scatter_of_the_surroundings_does_not_refute() -> None:
    patchwork = np.random.default_rng(3).normal(0, 0.08, GRID.shape).astype(np.float32)
    pre, post = composite(), composite(slide=(0.06, 0.08, 0.09, 0.24), seed=1)
    post.reflectance[3] += patchwork
    post.reflectance[3, *SLIDE] -= patchwork[SLIDE]
    (finding, reason), evidence = outcome(pre, post, 0.1)
    assert evidence.d_ndvi is not None
    assert evidence.d_ndvi < -0.3
    assert finding is Finding.UNDECIDED, reason


def test_patches_apart_are_told_apart() -> None:
    changed = np.zeros((40, 60), dtype=bool)
    changed[2:10, 2:10] = changed[20:30, 5:15] = changed[5:8, 40:43] = changed[20:30, 40:50] = True
    touching = np.zeros_like(changed)
    touching[:, :45] = True
    touching[20:30, 5:15] = False
    found = connected_patches(changed, touching, 30)
    assert np.unique(found).tolist() == [0, 1, 2]
    assert (found[2:10, 2:10] == 1).all()
    assert (found[20:30, 40:50] == 2).all()
    assert int((found > 0).sum()) == 164


def test_a_look_that_came_late_does_not_refute() -> None:
    (finding, reason), _ = outcome(composite(), composite(seed=1), 0.1, since=timedelta(days=61))
    assert finding is Finding.UNDECIDED
    assert "61 days" in reason


def test_no_clear_ground_around_says_nothing() -> None:
    gap = np.ones(GRID.shape, dtype=bool)
    gap[60:80, 60:80] = False
    (finding, reason), _ = outcome(composite(), composite(slide=SOIL, seed=1, gap=gap), 0.9)
    assert finding is Finding.UNDECIDED
    assert "too little clear ground" in reason


def test_a_single_look_of_nothing_new_is_not_judged_again() -> None:
    unseen = np.full(GRID.shape, Unseen.CLOUD, dtype=np.uint8)
    (finding, _), _ = outcome(composite(), composite(slide=SOIL, seed=1), 0.9, unseen=unseen)
    assert finding is Finding.NOT_SEEN


def test_an_outline_smaller_than_a_pixel_is_still_looked_at() -> None:
    tiny = Polygon([(240_701, 3_829_301), (240_703, 3_829_301), (240_702, 3_829_303)])
    seen = np.zeros(GRID.shape, dtype=np.uint8)
    compared = compare(to_lonlat(tiny, GRID.epsg), composite(), composite(seed=1), seen, RULE)
    assert compared.inside.sum() == 1


EVIDENCE = st.builds(
    OpticalEvidence,
    pixels=st.integers(1, 500),
    share_clear=st.floats(0, 1),
    unseen=st.just({}),
    ndvi_before=st.floats(-1, 1),
    d_ndvi=st.floats(-2, 2),
    share_changed=st.floats(0, 1),
    ensemble_score=st.none() | st.floats(0, 1),
    ensemble_spread=st.floats(0, 0.5),
    outline=st.none(),
)


@given(EVIDENCE, st.floats(0, 1), st.integers(0, 200))
def test_nothing_refutes_without_the_power_to_see(evidence, threshold, days) -> None:
    finding, reason = judge(evidence, threshold, timedelta(days=days), RULE)
    assert reason
    if finding is Finding.DISAGREES:
        assert evidence.share_clear >= 0.8
        assert evidence.ndvi_before >= 0.4
        assert evidence.share_changed <= RULE.changed_to_refute
        assert days <= 60
        assert evidence.pixels >= RULE.minimum_pixels
    assert finding is not Finding.AGREES, "nothing is confirmed without an outline"


@given(EVIDENCE, st.floats(0, 1), st.floats(0, 1), st.integers(0, 200))
def test_a_cloudier_look_never_refutes_more(evidence, threshold, share, days) -> None:
    cloudier = replace(evidence, share_clear=evidence.share_clear * share)
    since = timedelta(days=days)
    if judge(cloudier, threshold, since, RULE)[0] is Finding.DISAGREES:
        assert judge(evidence, threshold, since, RULE)[0] is Finding.DISAGREES


def test_shares_name_the_reasons() -> None:
    unseen = np.array([[0, 0, 2, 2], [2, 4, 0, 0]], dtype=np.uint8)
    assert shares(unseen, np.ones((2, 4), dtype=bool)) == {"cloud": 0.375, "snow": 0.125}
