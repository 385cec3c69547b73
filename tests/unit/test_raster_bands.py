"""Bands of recipes: computed as their sources say, wherever their rasters lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given as for_all
from hypothesis import strategies as st
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from detectors import terrain
from detectors.errors import InvalidSamples, MissingBand, UnreadableRaster
from detectors.training import bands, raster_recipes
from detectors.training.indices import INDICES
from flows.places import Source, open_place

PLACE = from_origin(500_000, 5_000_000, 10, 10)


def write(path: Path, values: np.ndarray, names=(), transform=PLACE, crs="EPSG:32633", nodata=None):
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=values.shape[1],
        width=values.shape[2], dtype=values.dtype.name, crs=crs, transform=transform, nodata=nodata,
    ) as raster:  # fmt: skip
        raster.write(values)
        for index, name in enumerate(names, start=1):
            raster.set_band_description(index, name)
    return Source(path)


def hill(size: int = 80) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    return (50 * np.sin(rows / 9) + 30 * np.cos(columns / 7) + columns).astype(np.float32)


# By hand, from the printed formulas (GNDVI and red-green as meant).
BY_HAND = {
    "ndvi": (0.4 - 0.1) / 0.5, "nbr": (0.4 - 0.2) / 0.6, "red_green": (0.1 - 0.08) / 0.18,
    "psri": (0.1 - 0.05) / 0.3, "grvi": (0.08 - 0.1) / 0.18, "rervi": 0.16 / 0.4,
    "evi": 2.5 * 0.3 / (0.4 + 0.6 - 0.375 + 1), "cri1": 1 / 0.05 - 1 / 0.08,
    "gndvi": (0.4 - 0.08) / 0.48, "pssr": 4.0,
}  # fmt: skip
REFLECTANCE = {"B02": 0.05, "B03": 0.08, "B04": 0.1, "B05": 0.16, "B06": 0.3, "B08": 0.4,
               "B12": 0.2}  # fmt: skip


@pytest.mark.parametrize("name", INDICES)
def test_indices_by_hand(name: str) -> None:
    index = INDICES[name]
    seen = [np.full((1, 1), REFLECTANCE[band], np.float32) for band in index.needs]
    assert index.of(seen)[0, 0] == pytest.approx(BY_HAND[name], rel=1e-5)
    nothing = index.of([np.zeros((1, 1), np.float32)] * len(seen))
    assert np.isnan(nothing[0, 0]) or np.isfinite(nothing[0, 0])


@for_all(st.integers(1, 6), st.sampled_from(list(bands.STATISTICS)), st.integers(0, 99))
def test_statistics_over_looks_are_those_of_numpy(looks: int, over: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(looks, 4, 5)).astype(np.float32)
    values[draw.random(values.shape) < 0.3] = np.nan
    band = bands.Band("b", "", over=over)
    made = band.make([[one] for one in values], 10.0)
    seen = np.isfinite(values).any(axis=0)
    assert (np.isfinite(made) == seen).all()
    wanted = np.nanpercentile(values[:, seen], bands.STATISTICS[over], axis=0)
    np.testing.assert_allclose(made[seen], wanted, atol=1e-5)


def test_terrain_of_a_window_is_that_of_the_whole(tmp_path: Path) -> None:
    source = write(tmp_path / "dem.tif", hill()[None])
    wanted = raster_recipes.get("outcrop").bands
    with open_place("hill", [source]) as place:
        assert place.names == ("elevation",)
        whole = place.read(wanted, slice(0, 80), slice(0, 80))
        part = place.read(wanted, slice(20, 45), slice(30, 62))
    np.testing.assert_allclose(part, whole[:, 20:45, 30:62], atol=1e-3)
    np.testing.assert_allclose(whole[0], terrain.slope(hill(), 10.0), atol=1e-5)
    # The sum of slopes is what a loop adds up.
    at = terrain.slope(hill(), 10.0)[40 - 6 : 40 + 6, 40 - 6 : 40 + 6].sum()
    assert whole[2, 40, 40] == pytest.approx(float(at), rel=1e-4)


def test_rasters_of_any_grid_come_onto_one(tmp_path: Path) -> None:
    first = write(tmp_path / "dem.tif", hill()[None])
    fine = np.repeat(np.repeat(hill(), 4, 0), 4, 1)[None] * 2
    other = write(tmp_path / "fine.tif", fine, ["fine"], from_origin(500_000, 5_000_000, 2.5, 2.5))
    degrees = np.full((1, 90, 120), np.nan, np.float32)
    transform = from_origin(14.999, 45.1545, 1e-4, 1e-4)
    reproject(
        hill()[None], degrees, src_crs="EPSG:32633", dst_crs="EPSG:4326", src_transform=PLACE,
        dst_transform=transform, resampling=Resampling.bilinear, dst_nodata=np.nan,
    )  # fmt: skip
    third = write(tmp_path / "degrees.tif", degrees, ["warped"], transform, "EPSG:4326", np.nan)
    codes = (np.arange(20 * 20).reshape(1, 20, 20) % 5 + 1).astype(np.uint8)
    cover = write(tmp_path / "land_cover.tif", codes, (), from_origin(500_000, 5_000_000, 40, 40))
    cut = slice(8, 60), slice(8, 60)
    with open_place("all", [first, other, third, cover]) as place:
        assert place.grid.shape == (80, 80)
        wanted = (bands.ELEVATION, *bands.given("fine", "warped"), bands.LAND_COVER)
        ground, fine_, warped, classes = place.read(wanted, *cut)
    np.testing.assert_allclose(fine_, 2 * ground, atol=1e-3)
    # Twice interpolated: within what 10 m of this ground differ.
    assert np.nanmedian(abs(warped - ground)) < 1.5
    assert set(np.unique(classes)) <= {1, 2, 3, 4, 5}
    with open_place("degrees", [third]) as place:
        assert place.grid.epsg == 32633


def test_bands_that_lack_say_where_they_come_from(tmp_path: Path) -> None:
    source = write(tmp_path / "dem.tif", hill()[None])
    with open_place("hill", [source]) as place:
        place.check((bands.SLOPE,))
        hints = {
            bands.CLIMATE: "Beck et al", bands.TREE_HEIGHT: "Potapov",
            bands.LAYOVER: "scarpwatch terrain", bands.D_VV: "post_vv, pre_vv",
        }  # fmt: skip
        for band, hint in hints.items():
            with pytest.raises(MissingBand, match=hint):
                place.check((band,))
    twice = [source, write(tmp_path / "other.tif", hill()[None], ["elevation"])]
    with open_place("two", twice) as place, pytest.raises(InvalidSamples, match="of one look"):
        place.check((bands.SLOPE,))
    with pytest.raises(UnreadableRaster), open_place("no", [Source(tmp_path / "no.tif")]):
        pass


def test_a_band_that_is_there_is_believed(tmp_path: Path) -> None:
    named = write(tmp_path / "n.tif", np.full((2, 9, 9), 7, np.float32), ["pre_vv", "post_vv"])
    typed = Source.typed(f"d_vv={write(tmp_path / 'x.tif', np.ones((1, 9, 9), np.float32)).path}")
    whole = slice(0, 9), slice(0, 9)
    with open_place("p", [named]) as place:
        assert (place.read((bands.D_VV,), *whole) == 0).all()
    with open_place("p", [named, typed]) as place:
        assert (place.read((bands.D_VV,), *whole) == 1).all()


def test_looks_of_one_place_become_medians(tmp_path: Path) -> None:
    looks = [
        write(tmp_path / f"{n}.tif", np.full((2, 9, 9), value, np.float32), ["B03", "B04"])
        for n, value in enumerate((0.1, 0.5, 0.2))
    ]
    band = raster_recipes.get("wetland").bands[0]
    with open_place("p", looks) as place:
        assert place.read((band,), slice(0, 9), slice(0, 9)) == pytest.approx(0.2)
