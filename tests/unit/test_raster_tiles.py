"""Tiles, their split, losses of known pixels, outlines: what the engine of rasters stands on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from shapely.geometry import LineString, box

from detectors.errors import InvalidSamples
from detectors.inference import Windows, predict_classes
from detectors.networks import Network
from detectors.training import losses, outlines, tiles
from detectors.training.dataset import Split
from detectors.training.losses import UNKNOWN
from detectors.training.raster_models import choose, classify
from detectors.training.raster_recipes import Finish


def ground(seed: int, shape: tuple[int, int]) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (ndimage.gaussian_filter(draw.normal(size=shape), 4) > 0.03).astype(np.int16)


@given(st.integers(0, 50), st.integers(150, 260), st.integers(120, 260))
def test_strips_never_touch_and_hold_every_class(seed: int, height: int, width: int) -> None:
    codes = ground(seed, (height, width))
    areas = tiles.areas([codes], 32)
    assert sorted(area.side for area in areas) == sorted(Split)
    used = np.zeros(codes.shape, dtype=int)
    for area in areas:
        assert set(np.unique(codes[area.rows, area.columns])) == {0, 1}
        # Nobody else is nearer than half a tile.
        wide = np.zeros(codes.shape, dtype=bool)
        wide[area.rows, area.columns] = True
        used += ndimage.binary_dilation(wide, iterations=8)
        for top, left in tiles.origins(codes, area, 32, 16, 50, seed):
            assert area.rows.start <= top <= area.rows.stop - 32
            assert area.columns.start <= left <= area.columns.stop - 32
    assert used.max() == 1


def test_three_places_are_kept_whole() -> None:
    codes = [ground(n, (64, 64)) for n in range(4)]
    areas = tiles.areas(codes, 32)
    assert sorted(area.side for area in areas) == sorted([*Split, Split.TRAIN])
    assert {(area.rows, area.columns) for area in areas} == {(slice(0, 64), slice(0, 64))}
    with pytest.raises(InvalidSamples, match="three parts"):
        tiles.areas(codes[:1], 64)


def test_tiles_with_a_rare_class_come_first() -> None:
    codes = np.zeros((256, 64), dtype=np.int16)
    codes[200:204, 10:14] = 1
    area = tiles.Area(0, slice(0, 256), slice(0, 64), Split.TRAIN)
    found = tiles.origins(codes, area, 32, 16, 100, 0)
    rare = [at for at in found if codes[at[0] : at[0] + 32, at[1] : at[1] + 32].any()]
    assert len(rare) == 2
    assert len(found) == 2 * len(rare)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", losses.names())
def test_losses_do_not_see_what_is_unknown(name: str, outputs: int) -> None:
    torch.manual_seed(0)
    loss = losses.of_known(name, outputs)
    logits = torch.randn(2, outputs, 8, 8)
    codes = torch.randint(max(outputs, 2), (2, 8, 8))
    codes[:, :, 5:] = UNKNOWN
    other = logits.clone()
    other[:, :, :, 5:] = 50.0
    assert torch.equal(loss(logits, codes), loss(other, codes))
    right = 12.0 * (
        torch.nn.functional.one_hot(codes.clamp(min=0), outputs).movedim(-1, 1) - 0.5
        if outputs > 1
        else (codes[:, None].clamp(min=0) - 0.5)
    )
    assert loss(right, codes) < loss(-right, codes)
    nothing = logits.requires_grad_()
    loss(nothing, torch.full_like(codes, UNKNOWN)).backward()
    assert (nothing.grad == 0).all()


def test_scaling_ignores_gaps_and_bounds_what_is_wild() -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(5, 2, (4, 2, 16, 16)).astype(np.float32)
    values[:, 1] = 3.0
    values[0, 0, :8] = np.nan
    part = tiles.Tiles(values, np.zeros((4, 16, 16), np.int16), np.array(["train"] * 4))
    scaling = part.scaling()
    assert scaling.means == pytest.approx((5, 3), abs=0.2)
    assert scaling.spreads == (pytest.approx(2, abs=0.2), 1.0)
    scaled = scaling.apply(np.array([[[1e9]], [[3.0]]], dtype=np.float32))
    assert scaled[:, 0, 0] == pytest.approx((8.0, 0.0))
    assert tiles.observed(values[0], part.codes[0])[:8].max() == UNKNOWN


def test_classes_share_one_and_gaps_stay_gaps() -> None:
    torch.manual_seed(0)
    network = Network(
        "Unet", "tu-test_resnet", {"encoder_depth": 2, "decoder_channels": (16, 12)}
    ).build(2, 3).eval()  # fmt: skip
    picture = np.random.default_rng(0).normal(size=(2, 70, 90)).astype(np.float32)
    picture[0, :10] = np.nan

    def prepare(windows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.nan_to_num(windows))

    scores = predict_classes(network, picture, Windows(32, 16, 1), prepare, 3)
    assert np.isnan(scores[:, :10]).all()
    np.testing.assert_allclose(scores[:, 10:].sum(axis=0), 1.0, atol=1e-5)
    said = classify(scores, 0.5)
    assert (said[:10] == UNKNOWN).all()
    assert (said[10:] == scores[:, 10:].argmax(axis=0)).all()


def test_the_best_members_are_averaged() -> None:
    codes = np.array([[[0, 1], [1, UNKNOWN]]], dtype=np.int16)
    good = np.array([[[[0.1, 0.9], [0.8, 0.0]]]], dtype=np.float32)
    chosen = choose([1 - good, good], codes)
    assert chosen.members == (1,)
    assert chosen.f1_by_size[0] == 1.0
    assert 0.1 < chosen.threshold <= 0.8


def test_outlines_grow_together_and_small_ones_go() -> None:
    parts = [box(0, 0, 60, 60), box(68, 0, 130, 60), box(500, 500, 520, 520)]
    merged = outlines.finish(parts, Finish(buffer_m=5, least_m2=5000, merged=True))
    assert len(merged) == 1
    # Two squares that meet once widened, with round corners.
    assert merged[0].area == pytest.approx(140 * 70 - (4 - np.pi) * 25, rel=0.01)
    assert outlines.finish([], Finish()) == []


def test_lines_count_by_their_length() -> None:
    polygons = [box(0, 0, 10, 10), box(100, 0, 110, 30)]
    lines = [LineString([(-10, 5), (20, 5)]), LineString([(50, 0), (50, 70)])]
    found = outlines.overlap(polygons, lines)
    assert found.length_weighted == pytest.approx(10 / 100)
    assert found.coverage == pytest.approx(100 / 400)
    assert outlines.overlap([], lines).coverage is None
    assert outlines.overlap(polygons, []).length_weighted is None
