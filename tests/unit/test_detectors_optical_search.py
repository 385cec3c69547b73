"""Landslides that only an optical look shows."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine

from detectors.ensemble import EnsembleMap
from detectors.optical import OpticalRule
from detectors.optical_search import Find, search
from detectors.types import BoolArray, Composite, FloatArray, Grid
from tests.optical_world import tongue

BANDS = ("blue", "green", "red", "nir")
FOREST = (0.03, 0.05, 0.03, 0.30)
SOIL = (0.10, 0.13, 0.17, 0.24)
RULE = OpticalRule()


def composite(
    shape: tuple[int, int], *patches: tuple[slice, slice], seed: int = 0, dates: int = 1
) -> Composite:
    """Forest with patches of bare soil; the left half from the older of two dates."""
    picture = np.empty((4, *shape), dtype=np.float32)
    picture[:] = np.array(FOREST, dtype=np.float32)[:, None, None]
    for patch in patches:
        where = tongue(patch) if min(tongue(patch).shape) < 60 else np.ones(shape, dtype=bool)
        picture[:, *patch][:, where] = np.array(SOIL, dtype=np.float32)[:, None]
    picture += np.random.default_rng(seed).normal(0, 0.004, picture.shape).astype(np.float32)
    date = np.zeros(shape, dtype=np.int16)
    if dates == 2:
        date[:, shape[1] // 2 :] = 1
    grid = Grid(32611, Affine(10, 0, 240_000, 0, -10, 3_830_000), *shape)
    moments = tuple(datetime(2024, 5, day + 1, tzinfo=UTC) for day in range(dates))
    looks = np.ones(shape, dtype=np.uint8)
    return Composite(grid, BANDS, picture, looks, date, moments, ("S2",))


def seen(score: float) -> tuple[list[tuple[int, ...]], object]:
    """An ensemble that says the same everywhere and keeps what it was asked."""
    asked: list[tuple[int, ...]] = []

    def ask(picture: FloatArray) -> EnsembleMap:
        asked.append(picture.shape)
        said = np.full(picture.shape[1:], score, dtype=np.float32)
        return EnsembleMap(said, said * 0, 0.5, "test")

    return asked, ask


def find(
    pre: Composite, post: Composite, score: float = 0.8, core: BoolArray | None = None
) -> tuple[list[Find], list[tuple[int, ...]]]:
    asked, ask = seen(score)
    whole = np.ones(post.grid.shape, dtype=bool)
    core = whole if core is None else core
    return list(search(pre, post, whole, core, ask, 30, RULE)), asked


SLIDE = (slice(100, 130), slice(60, 80))


def test_lost_vegetation_is_found_where_the_ensemble_agrees() -> None:
    shape = (200, 240)
    (found,), asked = find(composite(shape), composite(shape, SLIDE, seed=1))
    assert found.area_m2 == pytest.approx(tongue(SLIDE).sum() * 100, rel=0.02)
    assert found.d_ndvi == pytest.approx(-0.65, abs=0.03)
    assert found.ensemble_score == pytest.approx(0.8)
    assert found.evidence > 12
    assert asked == [(3, 128, 128)], "the ensemble is asked about the patch's surroundings alone"


def test_nothing_is_found_where_the_ensemble_does_not_agree() -> None:
    shape = (200, 240)
    assert find(composite(shape), composite(shape, SLIDE, seed=1), score=0.3)[0] == []


def test_quiet_ground_costs_nothing() -> None:
    shape = (200, 240)
    assert find(composite(shape), composite(shape, seed=1)) == ([], [])


def test_small_losses_are_left_out() -> None:
    shape = (200, 240)
    tiny = (slice(50, 55), slice(50, 55))
    assert find(composite(shape), composite(shape, tiny, seed=1)) == ([], [])


def test_a_patch_on_a_seam_belongs_to_one_block() -> None:
    shape = (200, 240)
    pre, post = composite(shape), composite(shape, SLIDE, seed=1)
    left = np.zeros(shape, dtype=bool)
    left[:, :69] = True
    halves = [len(find(pre, post, core=core)[0]) for core in (left, ~left)]
    assert sorted(halves) == [0, 1]


def test_the_oldest_look_of_its_pixels_bounds_the_time() -> None:
    shape = (200, 240)
    across = (slice(100, 124), slice(108, 132))
    (found,), _ = find(composite(shape, dates=2), composite(shape, across, seed=1))
    assert found.oldest == 0


@pytest.mark.parametrize("shape", [(60, 60), (128, 90), (20, 300)])
def test_small_blocks_are_searched_whole(shape: tuple[int, int]) -> None:
    patch = (slice(2, 18), slice(20, 36))
    found, asked = find(composite(shape), composite(shape, patch, seed=1))
    assert len(found) == 1
    assert all(side <= limit for side, limit in zip(asked[0][1:], shape, strict=True))


def test_bare_ground_is_no_place_to_look() -> None:
    shape = (100, 100)
    bare = composite(shape, (slice(0, 100), slice(0, 100)))
    assert find(bare, composite(shape, (slice(0, 100), slice(0, 100)), seed=1)) == ([], [])
