"""Reading optical products: windows, offsets, masks, and observations that count once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from shapely.geometry import MultiPolygon, box

from detectors.errors import ImageryUnavailable, NothingObserved, UnreadableRaster
from detectors.projections import to_lonlat, to_projected
from detectors.reflectance import OFFSET
from detectors.types import Acquisition, FloatArray, Grid, Sensor, Unseen, WatchedRegion
from flows.catalogs.base import Renderer
from flows.optical_imagery import (
    BANDS,
    BLOCK_PIXELS,
    DILATE_M,
    plan_optical_blocks,
    read_optical,
    window_grid,
)
from flows.rasters import HALO_PIXELS
from tests.optical import DAY, EPSG, NORTH, STEP, TRANSFORM, WEST, optical_grid
from tests.rasters import Signing, write

#: Reflectance of each band of the made ground.
LEVELS = {"blue": 0.04, "green": 0.06, "red": 0.05, "nir": 0.35}
COARSE = TRANSFORM @ Affine.scale(2)


@pytest.fixture
def catalogue() -> Signing:
    return Signing()


def numbers(band: str, height: int, width: int, *, added: int = 1_000) -> np.ndarray:
    """Return stored numbers: gently rising ground, so that a wrong place shows."""
    rise = np.add.outer(np.arange(height), np.arange(width))
    return (added + LEVELS[band] * 10_000 + rise).astype(np.uint16)


def product(
    folder: Path,
    height: int = 60,
    width: int = 80,
    *,
    scl: np.ndarray | None = None,
    cloud: np.ndarray | None = None,
    bands: dict[str, np.ndarray] | None = None,
    added: int = 1_000,
    transform: Affine = TRANSFORM,
    crs: str = f"EPSG:{EPSG}",
    **fields: Any,
) -> Acquisition:
    """Write one product as catalogues serve it, masks at 20 m, and return its item."""
    folder.mkdir(parents=True, exist_ok=True)
    layers = {name: numbers(name, height, width, added=added) for name in BANDS} | (bands or {})
    place = {"crs": crs, "nodata": 0}
    assets = {
        name: str(write(folder / f"{name}.tif", values, transform=transform, **place))
        for name, values in layers.items()
    }
    shape = (-(-height // 2), -(-width // 2))
    coarse = {"scl": np.full(shape, 4, np.uint8) if scl is None else scl, "cloud": cloud}
    for name, values in coarse.items():
        if values is not None:
            profile = place | {"nodata": None if name == "cloud" else 0}
            path = write(
                folder / f"{name}.tif", values, transform=transform @ Affine.scale(2), **profile
            )
            assets[name] = str(path)
    given: dict[str, Any] = {
        "source": "local/sentinel-2-l2a", "item_id": folder.name, "platform": "sentinel-2a",
        "sensor": Sensor.OPTICAL, "sensed_at": DAY, "published_at": DAY,
        "footprint": box(141, 42, 143, 43), "orbit_state": None, "relative_orbit": None,
        "polarisations": (), "assets": assets, "tile": "T54TWN", "processing_version": "05.11",
        "scale": dict.fromkeys(BANDS, 1e-4), "offset": dict.fromkeys(BANDS, -added / 10_000),
    }  # fmt: skip
    return Acquisition(**(given | fields))


def lonlat(west: float, south: float, east: float, north: float) -> MultiPolygon:
    """Return a box given in pixels, columns to the right and rows down, in degrees."""
    corners = box(
        WEST + west * STEP, NORTH - south * STEP, WEST + east * STEP, NORTH - north * STEP
    )
    return MultiPolygon([to_lonlat(corners, EPSG)])


# --- where to read


def test_a_window_lies_on_the_grid_of_the_product(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a", 400, 500)
    found = window_grid(item, lonlat(200, 150, 220, 140), 500, catalogue)
    assert found == optical_grid(128, 128, 81, 146)
    wide = window_grid(item, lonlat(200, 150, 220, 140), 1_000, catalogue)
    column, row = ~TRANSFORM @ (wide.transform.c, wide.transform.f)
    assert (row, column) == pytest.approx((40, 100), abs=2)
    assert wide.shape == pytest.approx((210, 220), abs=4)


def test_a_window_reaches_over_the_edge_of_its_product(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a")
    grid = window_grid(item, lonlat(75, 40, 85, 30), 100, catalogue)
    assert grid.bounds[2] > WEST + 80 * STEP
    look = read_optical([item], grid, catalogue)
    assert (look.unseen == Unseen.NO_DATA).any()
    assert (look.unseen == Unseen.SEEN).any()


def test_a_place_that_the_product_does_not_reach(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a")
    with pytest.raises(NothingObserved, match="a does not reach the place"):
        window_grid(item, lonlat(300, 310, 310, 300), 100, catalogue)


def region(geometry: MultiPolygon) -> WatchedRegion:
    return WatchedRegion("here", "Here", geometry, ("local/any",))


def test_a_region_is_cut_into_blocks_that_answer_once(tmp_path, catalogue) -> None:
    height, width = 1_100, 700
    item = product(tmp_path / "a", height, width)
    answered = np.zeros((height, width), dtype=int)
    for block in plan_optical_blocks(item, region(lonlat(-9, 1_109, 709, -9)), catalogue):
        column, row = map(round, ~TRANSFORM @ (block.grid.transform.c, block.grid.transform.f))
        rows, columns = block.grid.shape
        assert max(rows, columns) <= BLOCK_PIXELS + 2 * HALO_PIXELS
        answered[row : row + rows, column : column + columns] += block.core & block.inside
    assert (answered == 1).all()
    with pytest.raises(NothingObserved):
        next(plan_optical_blocks(item, region(lonlat(2e3, 2.1e3, 2.1e3, 2e3)), catalogue))


# --- what is read


def test_numbers_become_reflectance_where_they_lie(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a")
    look = read_optical([item], optical_grid(20, 30, 7, 9), catalogue)
    assert (look.bands, look.reflectance.dtype) == (BANDS, np.float32)
    for band, values in zip(BANDS, look.reflectance, strict=True):
        stored = numbers(band, 60, 80)[7:27, 9:39]
        assert values == pytest.approx(stored * 1e-4 - 0.1, abs=1e-6)
    assert (look.unseen == Unseen.SEEN).all()
    assert (look.sensed_at, look.item_ids) == (DAY, ("a",))


def test_bands_in_the_order_they_are_asked_for(tmp_path, catalogue) -> None:
    look = read_optical([product(tmp_path / "a")], optical_grid(9, 9), catalogue, ("nir", "red"))
    assert look.bands == ("nir", "red")
    assert look.reflectance[:, 0, 0] == pytest.approx([0.35, 0.05], abs=1e-6)


def test_old_baselines_have_no_offset(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a", added=0, processing_version="02.12")
    look = read_optical([item], optical_grid(60, 80), catalogue)
    assert look.reflectance[:, 0, 0] == pytest.approx(list(LEVELS.values()), abs=1e-6)


@pytest.mark.parametrize(("added", "stated"), [(0, OFFSET), (1_000, 0.0)])
def test_an_offset_that_the_catalogue_has_wrong(tmp_path, catalogue, added, stated) -> None:
    """Taken already and stated again, or stated as taken and not: the pixels decide."""
    item = product(tmp_path / "a", added=added, offset=dict.fromkeys(BANDS, stated))
    look = read_optical([item], optical_grid(60, 80), catalogue)
    assert look.reflectance[:, 0, 0] == pytest.approx(list(LEVELS.values()), abs=1e-6)


def test_an_item_that_states_no_scaling(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a", scale={}, offset={})
    look = read_optical([item], optical_grid(60, 80), catalogue)
    assert look.reflectance[:, 0, 0] == pytest.approx(list(LEVELS.values()), abs=1e-6)


def test_coarse_masks_hide_the_pixels_below_them(tmp_path, catalogue) -> None:
    scl = np.full((30, 40), 4, np.uint8)
    scl[:5], scl[10, 10], scl[20:, 30:] = 11, 0, 6
    item = product(tmp_path / "a", scl=scl)
    look = read_optical([item], optical_grid(60, 80), catalogue)
    assert (look.unseen[:10] == Unseen.SNOW).all()
    assert (look.unseen[20:22, 20:22] == Unseen.NO_DATA).all()
    assert (look.unseen[40:, 60:] == Unseen.WATER).all()
    assert np.array_equal(np.isnan(look.reflectance).any(axis=0), look.unseen != Unseen.SEEN)


def test_clouds_are_widened_and_cloud_probability_counts(tmp_path, catalogue) -> None:
    scl = np.full((30, 40), 4, np.uint8)
    scl[14:16, 19:21] = 9
    likely = np.zeros((30, 40), np.uint8)
    likely[14:16, 32:34] = 80
    item = product(tmp_path / "a", scl=scl, cloud=likely)
    found = read_optical([item], optical_grid(60, 80), catalogue).unseen == Unseen.CLOUD
    reach = round(DILATE_M / STEP)
    rows, columns = np.nonzero(found)
    assert (rows.min(), rows.max()) == (28 - reach, 31 + reach)
    assert (columns.min(), columns.max()) == (38 - reach, 67 + reach)


def test_dark_ground_away_from_the_sun_is_hidden_too(tmp_path, catalogue) -> None:
    """In the morning of a June day in Japan the sun stands in the south-east."""
    scl = np.full((100, 100), 4, np.uint8)
    scl[60:66, 60:66] = 9
    nir = numbers("nir", 200, 200)
    nir[80:90, 100:110] = 1_600  # north-west of the cloud
    nir[170:180, 170:180] = 1_600  # south-east of it
    item = product(tmp_path / "a", 200, 200, scl=scl, bands={"nir": nir})
    look = read_optical([item], optical_grid(200, 200), catalogue)
    assert (look.unseen[80:90, 100:110] == Unseen.CLOUD_SHADOW).any()
    assert (look.unseen[170:180, 170:180] == Unseen.SEEN).all()


def test_no_data_and_saturation_in_a_band(tmp_path, catalogue) -> None:
    red = numbers("red", 60, 80)
    red[3, 4], red[5, 6] = 0, 65_535
    item = product(tmp_path / "a", bands={"red": red})
    look = read_optical([item], optical_grid(60, 80), catalogue)
    assert look.unseen[3, 4] == Unseen.NO_DATA
    assert look.unseen[5, 6] == Unseen.SATURATED
    assert (look.unseen != Unseen.SEEN).sum() == 2
    assert np.isnan(look.reflectance[:, 3, 4]).all()


def test_a_product_that_names_no_nodata(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a", 20, 20)
    write(tmp_path / "a/red.tif", numbers("red", 20, 20), transform=TRANSFORM, nodata=None,
          crs=f"EPSG:{EPSG}")  # fmt: skip
    look = read_optical([item], optical_grid(20, 30), catalogue)
    assert (look.unseen[:, 20:] == Unseen.NO_DATA).all()
    assert (look.unseen[:, :20] == Unseen.SEEN).all()


# --- tiles of one day


def test_an_overlap_of_two_tiles_is_one_observation(tmp_path, catalogue) -> None:
    """The first with data answers, with all its bands and its mask."""
    snow = np.full((30, 40), 11, np.uint8)
    one = product(tmp_path / "a")
    two = product(
        tmp_path / "b", transform=TRANSFORM @ Affine.translation(60, 0), scl=snow, tile="T54TXN"
    )
    look = read_optical([one, two], optical_grid(60, 150), catalogue)
    assert (look.unseen[:, :80] == Unseen.SEEN).all()
    assert (look.unseen[:, 80:140] == Unseen.SNOW).all()
    assert (look.unseen[:, 140:] == Unseen.NO_DATA).all()
    assert look.item_ids == ("a", "b")


def test_the_newest_processing_of_a_tile_answers(tmp_path, catalogue) -> None:
    old = product(tmp_path / "old", added=0, processing_version="02.12",
                  bands={"red": np.full((60, 80), 900, np.uint16)})  # fmt: skip
    new = product(tmp_path / "new")
    look = read_optical([old, new], optical_grid(60, 80), catalogue)
    assert look.reflectance[2, 0, 0] == pytest.approx(0.05, abs=1e-6)
    assert look.item_ids == ("new",)


def test_jpeg_2000_as_esa_delivers_it(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a")
    for name in (*BANDS, "scl"):
        rasterio.shutil.copy(
            item.assets[name], tmp_path / f"{name}.jp2", driver="JP2OpenJPEG", QUALITY="100",
            REVERSIBLE="YES",
        )  # fmt: skip
    packed = replace(item, assets={k: str(tmp_path / f"{k}.jp2") for k in item.assets})
    one, other = (read_optical([k], optical_grid(60, 80), catalogue) for k in (item, packed))
    assert np.array_equal(one.reflectance, other.reflectance)


def test_a_tile_of_the_neighbouring_zone_is_warped(tmp_path, catalogue) -> None:
    here = box(WEST, NORTH - 60 * STEP, WEST + 80 * STEP, NORTH)
    west, _, _, north = to_projected(to_lonlat(here, EPSG), 32653).bounds
    other = Affine(STEP, 0, west - 400, 0, -STEP, north + 400)
    level = {
        name: np.full((240, 240), 1_000 + value * 10_000).astype(np.uint16)
        for name, value in LEVELS.items()
    }
    item = product(tmp_path / "a", 240, 240, bands=level, transform=other, crs="EPSG:32653")
    look = read_optical([item], optical_grid(60, 80), catalogue)
    assert (look.unseen == Unseen.SEEN).all()
    for band, value in enumerate(LEVELS.values()):
        assert look.reflectance[band] == pytest.approx(np.full((60, 80), value), abs=2e-4)


def test_ground_that_no_item_covers_is_no_data(tmp_path, catalogue) -> None:
    look = read_optical([product(tmp_path / "a")], optical_grid(9, 9, 500, 500), catalogue)
    assert (look.unseen == Unseen.NO_DATA).all()
    assert np.isnan(look.reflectance).all()


# --- what cannot be read


def test_a_product_without_a_mask_is_refused(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a")
    bare = replace(item, assets={name: item.assets[name] for name in BANDS})
    with pytest.raises(UnreadableRaster, match="a: no scene classification"):
        read_optical([bare], optical_grid(9, 9), catalogue)


def test_a_missing_band(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a")
    lacking = replace(item, assets={k: v for k, v in item.assets.items() if k != "nir"})
    with pytest.raises(UnreadableRaster, match="a: no asset nir"):
        read_optical([lacking], optical_grid(9, 9), catalogue)


@pytest.mark.parametrize("dtype", ["float32", "uint32"])
def test_other_numbers_are_refused(tmp_path, catalogue, dtype) -> None:
    item = product(tmp_path / "a", bands={"red": numbers("red", 60, 80).astype(dtype)})
    with pytest.raises(UnreadableRaster, match=f"a red: {dtype} is not reflectance"):
        read_optical([item], optical_grid(9, 9), catalogue)


def test_degrees_are_refused(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a", crs="EPSG:4326", transform=Affine(1e-4, 0, 142, 0, -1e-4, 42.8))
    with pytest.raises(UnreadableRaster, match="not an EPSG system in metres"):
        window_grid(item, lonlat(10, 20, 20, 10), 100, catalogue)


def test_a_file_that_is_not_there(tmp_path, catalogue) -> None:
    item = product(tmp_path / "a")
    (tmp_path / "a/green.tif").unlink()
    with pytest.raises(ImageryUnavailable, match="a green: the file is not there"):
        read_optical([item], optical_grid(9, 9), catalogue)


# --- how much is read


def tiled(folder: Path, size: int) -> Acquisition:
    """Write a product as big as tiles are, with tiles inside as COGs have them."""
    rng = np.random.default_rng(4)
    folder.mkdir()
    assets = {}
    for name in (*BANDS, "scl"):
        path, side, step = (
            folder / f"{name}.tif",
            size // (1 + (name == "scl")),
            1 + (name == "scl"),
        )
        profile = {
            "driver": "GTiff", "height": side, "width": side, "count": 1,
            "dtype": "uint8" if name == "scl" else "uint16", "crs": f"EPSG:{EPSG}", "nodata": 0,
            "transform": TRANSFORM @ Affine.scale(step), "tiled": True, "blockxsize": 256,
            "blockysize": 256, "compress": "deflate",
        }  # fmt: skip
        with rasterio.open(path, "w", **profile) as dataset:
            if name == "scl":
                values = np.full((side, side), 4, np.uint8)
            else:
                values = rng.integers(1_200, 1_900, (side, side)).astype(np.uint16)
            dataset.write(values, 1)
        assets[name] = path.name
    return product(folder / "other", assets=assets, item_id="big")


def test_one_landslide_costs_its_own_tiles_only(tmp_path, files, catalogue) -> None:
    item = tiled(files.root / "big", 2_560)
    whole = sum(path.stat().st_size for path in (files.root / "big").glob("*.tif"))
    item = replace(item, assets={k: f"{files.url}/big/{v}" for k, v in item.assets.items()})
    grid = window_grid(item, lonlat(1_300, 1_320, 1_320, 1_300), 500, catalogue)
    look = read_optical([item], grid, catalogue)
    assert (look.unseen == Unseen.SEEN).all()
    assert 0 < files.sent() < whole / 15


def test_memory_follows_the_window_not_the_product(tmp_path, catalogue) -> None:
    def peak(size: int) -> int:
        item = tiled(tmp_path / str(size), size)
        item = replace(
            item, assets={k: str(tmp_path / str(size) / v) for k, v in item.assets.items()}
        )
        tracemalloc.start()
        blocks = plan_optical_blocks(item, region(lonlat(-9, size + 9, size + 9, -9)), catalogue)
        for block in blocks:
            read_optical([item], block.grid, catalogue)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(2_048) < 1.5 * peak(1_024)


# --- services that render


class Rendering(Signing):
    """A service that draws stored numbers on any grid."""

    def render(self, acquisition: Acquisition, bands: Sequence[str], grid: Grid) -> FloatArray:
        levels = {"scl": 4.0} | {band: 1_000 + value * 10_000 for band, value in LEVELS.items()}
        return np.stack([np.full(grid.shape, levels[band], np.float32) for band in bands])

    def native_grid(self, acquisition: Acquisition) -> Grid:
        return optical_grid(200, 300)


def test_a_service_that_renders_is_asked_for_pixels(tmp_path) -> None:
    service = Rendering()
    assert isinstance(service, Renderer)
    item = product(tmp_path / "a", assets=dict.fromkeys((*BANDS, "scl"), "rendered"))
    grid = window_grid(item, lonlat(100, 110, 110, 100), 100, service)
    look = read_optical([item], grid, service)
    assert look.reflectance[:, 0, 0] == pytest.approx(list(LEVELS.values()), abs=1e-6)
    (block,) = plan_optical_blocks(item, region(lonlat(0, 200, 300, 0)), service)
    assert block.grid == optical_grid(200, 300)
