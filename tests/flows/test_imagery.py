"""Reading rasters: blocks that cover a region, and passes on one grid."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import MultiPolygon, box

from detectors.errors import NothingObserved
from detectors.projections import to_lonlat, to_projected
from flows.imagery import BLOCK_PIXELS, group_passes, plan_blocks, read_pass, stack_looks
from flows.rasters import CONTEXT_M, HALO_PIXELS
from tests.rasters import (
    EPSG,
    NORTH,
    SENSED,
    STEP,
    TRANSFORM,
    WEST,
    Signing,
    grid,
    look,
    place,
    region,
    speckle,
    write,
)


@pytest.fixture
def catalogue() -> Signing:
    return Signing()


# --- blocks


def test_a_small_region_is_read_with_the_ground_around_it(tmp_path, catalogue) -> None:
    path = write(tmp_path / "a.tif", speckle(400, 400))
    (block,) = plan_blocks(look(path), region(180, 220, 220, 180), catalogue)
    around = math.ceil(CONTEXT_M / STEP)
    assert block.grid.shape == pytest.approx((40 + 2 * around, 40 + 2 * around), abs=2)
    assert block.core.all()
    assert int(block.inside.sum()) == pytest.approx(40 * 40, rel=0.11)
    row, column = place(block.grid)
    rows, columns = np.nonzero(block.inside)
    assert 179 <= row + rows.min() <= row + rows.max() <= 220
    assert 179 <= column + columns.min() <= column + columns.max() <= 220


def test_a_region_larger_than_a_burst_is_read_as_far_as_it_reaches(tmp_path, catalogue) -> None:
    path = write(tmp_path / "a.tif", speckle(90, 120))
    (block,) = plan_blocks(look(path), region(-500, 500, 500, -500), catalogue)
    assert block.grid == grid(90, 120)
    assert block.core.all()
    assert block.inside.all()


def test_a_region_across_the_edge_of_a_burst(tmp_path, catalogue) -> None:
    path = write(tmp_path / "a.tif", speckle(90, 120))
    (block,) = plan_blocks(look(path), region(-50, 45, 60, -50), catalogue)
    assert block.grid == grid(90, 120)
    assert block.inside[:44, :59].all()
    assert not block.inside[47:].any()
    assert not block.inside[:, 62:].any()


@pytest.mark.parametrize("shape", [(1_200, 1_300), (513, 40), (512, 1_024)])
def test_blocks_of_a_large_raster_answer_for_every_pixel_once(tmp_path, catalogue, shape) -> None:
    path = write(tmp_path / "a.tif", np.ones(shape, np.float32))
    answered = np.zeros(shape, dtype=int)
    covered = np.zeros(shape, dtype=int)
    for block in plan_blocks(look(path), region(-9, shape[0] + 9, shape[1] + 9, -9), catalogue):
        row, column = place(block.grid)
        height, width = block.grid.shape
        assert max(height, width) <= BLOCK_PIXELS + 2 * HALO_PIXELS
        here = np.s_[row : row + height, column : column + width]
        answered[here] += block.core & block.inside
        covered[here] += 1
    assert (answered == 1).all()
    # Neighbours overlap, so that no filter sees an edge where there is none.
    assert covered.max() > 1 or max(shape) <= BLOCK_PIXELS


def test_blocks_come_one_at_a_time_and_only_where_the_region_is(tmp_path, catalogue) -> None:
    # 40 000 x 40 000 pixels, as a whole scene at 5 m would have; nothing of it is on disk.
    profile = {
        "height": 40_000,
        "width": 40_000,
        "tiled": True,
        "sparse_ok": True,
        "bigtiff": "YES",
    }
    path = tmp_path / "scene.tif"
    rasterio.open(
        path, "w", driver="GTiff", count=1, dtype="float32", crs=f"EPSG:{EPSG}",
        transform=TRANSFORM, **profile,
    ).close()  # fmt: skip
    whole = plan_blocks(look(path), region(-9, 40_009, 40_009, -9), catalogue)
    first = next(whole)
    assert max(first.grid.shape) <= BLOCK_PIXELS + 2 * HALO_PIXELS
    near, far = region(100, 110, 110, 100), region(3_000, 3_010, 3_010, 3_000)
    both = replace(near, geometry=MultiPolygon([*near.geometry.geoms, *far.geometry.geoms]))
    found = list(plan_blocks(look(path), both, catalogue))
    assert len(found) == 2
    assert all((block.core & block.inside).any() for block in found)


def test_a_region_elsewhere(tmp_path, catalogue) -> None:
    path = write(tmp_path / "a.tif", speckle(40, 40))
    with pytest.raises(NothingObserved, match="item does not reach into the region"):
        next(plan_blocks(look(path), region(100, 120, 120, 100), catalogue))


# --- passes


def test_items_of_one_pass_belong_together() -> None:
    looks = [look("a", "b", 25), look("a", "c", 12 * 86_400), look("a", "a", 0)]
    assert [[one.item_id for one in group] for group in group_passes(looks)] == [["a", "b"], ["c"]]


def test_products_on_the_same_grid_are_copied_bit_for_bit(tmp_path, catalogue) -> None:
    values = speckle(60, 80)
    item = look(write(tmp_path / "a.tif", values))
    whole = read_pass([item], ("VV",), grid(60, 80), catalogue)
    assert (whole.dtype, whole.shape) == (np.float32, (1, 60, 80))
    assert np.array_equal(whole[0], values)
    part = read_pass([item], ("VV",), grid(20, 30, 7, 9), catalogue)
    assert np.array_equal(part[0], values[7:27, 9:39])


def test_two_items_of_a_pass_fill_each_other_up(tmp_path, catalogue) -> None:
    first, second = speckle(60, 80, 1), speckle(60, 80, 2)
    first[:, 50:] = np.nan
    one = look(write(tmp_path / "a.tif", first), "a")
    moved = TRANSFORM @ Affine.translation(30, 0)
    two = look(write(tmp_path / "b.tif", second, transform=moved), "b", 25)
    found = read_pass([one, two], ("VV",), grid(60, 120), catalogue)[0]
    assert np.array_equal(found[:, :50], first[:, :50])
    assert np.array_equal(found[:, 50:110], second[:, 20:80])
    assert np.isnan(found[:, 110:]).all()


def test_both_polarisations_in_their_order(tmp_path, catalogue) -> None:
    vv, vh = speckle(20, 20, 1), speckle(20, 20, 2)
    assets = {"VH": str(write(tmp_path / "h.tif", vh)), "VV": str(write(tmp_path / "v.tif", vv))}
    item = look("", polarisations=("VV", "VH"), assets=assets)
    assert np.array_equal(read_pass([item], ("VV", "VH"), grid(20, 20), catalogue), [vv, vh])


def test_a_grid_shifted_by_half_a_pixel_is_resampled(tmp_path, catalogue) -> None:
    ramp = np.tile(np.arange(80, dtype=np.float32), (60, 1))
    path = write(tmp_path / "a.tif", ramp, transform=TRANSFORM @ Affine.translation(0.5, 0))
    found = read_pass([look(path)], ("VV",), grid(60, 80), catalogue)[0]
    assert found[:, 5:75] == pytest.approx(ramp[:, 5:75] - 0.5, abs=1e-3)


def test_finer_pixels_are_averaged_not_picked(tmp_path, catalogue) -> None:
    checks = np.indices((180, 180)).sum(axis=0) % 2
    fine = Affine(10, 0, WEST, 0, -10, NORTH)
    path = write(tmp_path / "a.tif", checks.astype(np.float32), transform=fine)
    found = read_pass([look(path)], ("VV",), grid(60, 60), catalogue)[0]
    assert found[5:55, 5:55] == pytest.approx(np.full((50, 50), 0.5), abs=0.1)


def test_a_neighbouring_zone_is_reprojected(tmp_path, catalogue) -> None:
    """Level ground keeps its value, and lies where it is."""
    here = box(WEST, NORTH - 60 * STEP, WEST + 80 * STEP, NORTH)
    west, _, _, north = to_projected(to_lonlat(here, EPSG), 32610).bounds
    other = Affine(STEP, 0, west - 600, 0, -STEP, north + 600)
    values = np.full((140, 160), 0.25, dtype=np.float32)
    item = look(write(tmp_path / "a.tif", values, crs="EPSG:32610", transform=other))
    found = read_pass([item], ("VV",), grid(60, 80), catalogue)[0]
    assert found == pytest.approx(np.full((60, 80), 0.25))
    (block,) = plan_blocks(item, region(30, 40, 40, 30), catalogue)
    assert block.grid.epsg == 32610


def test_no_data_stays_no_data(tmp_path, catalogue) -> None:
    values = speckle(30, 30)
    values[:, :10] = -32_768
    item = look(write(tmp_path / "a.tif", values, nodata=-32_768))
    found = read_pass([item], ("VV",), grid(30, 40), catalogue)[0]
    assert np.isnan(found[:, :10]).all()
    assert np.isnan(found[:, 30:]).all()
    assert np.array_equal(found[:, 10:30], values[:, 10:])


def test_a_raster_that_names_no_nodata(tmp_path, catalogue) -> None:
    values = speckle(30, 30)
    values[4, 5] = np.nan
    item = look(write(tmp_path / "a.tif", values, nodata=None))
    found = read_pass([item], ("VV",), grid(30, 40), catalogue)[0]
    assert np.isnan(found[4, 5])
    assert np.isnan(found[:, 30:]).all()
    assert np.array_equal(found[:, :30], values, equal_nan=True)


def test_a_scene_without_any_data(tmp_path, catalogue) -> None:
    item = look(write(tmp_path / "a.tif", np.full((30, 30), np.nan, np.float32)))
    (block,) = plan_blocks(item, region(-9, 40, 40, -9), catalogue)
    assert np.isnan(read_pass([item], ("VV",), block.grid, catalogue)).all()


def test_looks_are_stacked_oldest_first(tmp_path) -> None:
    passes = [[look("b", "b", 864_000)], [look("a", "a", 0), look("c", "c", 25)]]
    looks = [np.full((1, 2, 2), value, np.float32) for value in (2, 1)]
    stack = stack_looks(looks, passes, ("VV",), grid(2, 2))
    assert stack.gamma0[:, 0, 0, 0].tolist() == [1, 2]
    assert stack.item_ids == (("a", "c"), ("b",))
    assert stack.sensed_at == (SENSED, SENSED + timedelta(days=10))
    assert len(stack_looks([], [], ("VV",), grid(2, 2))) == 0
