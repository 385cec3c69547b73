"""Pixels of a raster on a grid, and rasters that stay open while one look is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.vrt import WarpedVRT

from detectors.errors import ImageryUnavailable, UnreadableRaster
from detectors.types import Grid
from flows import kept_open
from flows.hostile import open_raster
from flows.kept_open import keeping_open
from flows.rasters import open_href, read_onto
from tests.rasters import EPSG, Signing, grid, speckle, write
from tests.watching import Files


def warped(dataset: rasterio.DatasetReader, where: Grid, nodata: float, dtype: str) -> np.ndarray:
    """Return what GDAL's warper makes of it, which is slower and never wrong."""
    with WarpedVRT(
        dataset, crs=f"EPSG:{EPSG}", transform=where.transform, height=where.height,
        width=where.width, nodata=nodata,
    ) as seen:  # fmt: skip
        return seen.read(1, out_dtype=dtype)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Rasters of every sort of number and no-data value that catalogues deliver."""
    folder = tmp_path_factory.mktemp("stored")
    power = speckle(40, 50)
    power[5:20, 30:45] = np.nan
    whole = (np.nan_to_num(power) * 1e4).astype(np.uint16)
    made = {
        "float, NaN": (power, np.nan),
        "float, -9999": (np.nan_to_num(power, nan=-9999.0), -9999.0),
        "float, lowest": (np.nan_to_num(power, nan=-3.4028234663852886e38), -3.4028234663852886e38),
        "float, none": (np.nan_to_num(power), None),
        "whole, 0": (whole, 0),
        "whole, none": (whole, None),
        "bytes, 255": (np.where(np.isnan(power), 255, 3).astype(np.uint8), 255),
    }
    return {
        name: str(write(folder / f"{number}.tif", values, nodata=nodata))
        for number, (name, (values, nodata)) in enumerate(made.items())
    }


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(
        ["float, NaN", "float, -9999", "float, lowest", "float, none", "whole, 0", "whole, none",
         "bytes, 255"]
    ),
    row=st.integers(-60, 60), column=st.integers(-60, 60),
    height=st.integers(1, 70), width=st.integers(1, 70),
)  # fmt: skip
def test_pixels_of_the_same_raster_are_what_the_warper_says(
    stored: dict[str, str], name: str, row: int, column: int, height: int, width: int
) -> None:
    where = grid(height, width, row, column)
    with rasterio.open(stored[name]) as dataset:
        nodata, dtype = (255, "uint8") if "bytes" in name else (np.nan, "float32")
        if "whole" in name:
            nodata = 0 if name.endswith("0") else 65_535  # else the warper makes ones of zeros
        np.testing.assert_array_equal(
            read_onto(dataset, where, nodata, dtype), warped(dataset, where, nodata, dtype)
        )


@pytest.mark.parametrize("aligned", [True, False])
def test_zero_is_no_data_where_nothing_is_said(tmp_path, aligned) -> None:
    values = np.full((20, 20), 900, dtype=np.uint16)
    values[:, :10] = 0
    path = write(tmp_path / "silent.tif", values, nodata=None)
    where = grid(20, 20)
    if not aligned:
        where = replace(where, transform=where.transform @ Affine.translation(0.5, 0.5))
    with rasterio.open(path) as dataset:
        found = read_onto(dataset, where, 0, "float32")
    assert set(np.unique(found)) == {0, 900}


def test_a_mask_beside_the_pixels_is_believed(tmp_path) -> None:
    path = tmp_path / "masked.tif"
    write(path, speckle(20, 20), nodata=None)
    with rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.arange(400).reshape(20, 20) % 3 > 0)
    with rasterio.open(path) as dataset:
        found = read_onto(dataset, grid(20, 20), np.nan, "float32")
    assert (np.isnan(found).ravel() == (np.arange(400) % 3 == 0)).all()


# --- staying open


@pytest.fixture
def product(files: Files) -> str:
    """Address of a COG of four tiles; what is asked for is counted from here on."""
    values = speckle(512, 512)
    write(files.root / "cog.tif", values, driver="COG", blocksize=256, compress="deflate")
    files.rules()
    return f"{files.url}/cog.tif"


def blocks(href: str) -> list[np.ndarray]:
    """Read four blocks that have tiles in common, one after the other."""
    catalogue, found = Signing(), []
    for row, column in ((0, 0), (0, 200), (200, 0), (200, 200)):
        with open_href(href, "cog", catalogue) as dataset:
            found.append(read_onto(dataset, grid(300, 300, row, column), np.nan, "float32"))
    return found


def test_blocks_of_one_look_fetch_each_tile_once(files: Files, product: str) -> None:
    apart = blocks(product)
    asked, sent = len(files.seen()), files.sent()
    files.rules()
    with keeping_open():
        together = blocks(product)
    assert (len(files.seen()), files.sent()) < (asked / 2, sent / 2)
    np.testing.assert_array_equal(together, apart)
    again = len(files.seen())
    blocks(product)  # nothing is kept behind the end
    assert len(files.seen()) - again == asked


def refused(href: str, known: rasterio.DatasetReader) -> None:
    with open_href(href, "cog", Signing()) as dataset:
        assert dataset is known
        dataset.read(1)


def test_what_fails_or_is_stale_is_opened_anew(
    files: Files, product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeping_open():
        with open_href(product, "cog", Signing()) as dataset:
            first = dataset
        files.rules({"match": "GET", "status": 500})
        with pytest.raises(ImageryUnavailable):
            refused(product, first)
        assert first.closed
        files.rules()
        with open_href(product, "cog", Signing()) as dataset:
            assert dataset.read(1).shape == (512, 512)
            second = dataset
        monkeypatch.setattr(kept_open, "STAYS_OPEN_S", 0.0)
        with open_href(product, "cog", Signing()) as dataset:
            assert second.closed
    assert dataset.closed


def test_a_header_that_is_no_text_is_damage(tmp_path: Path) -> None:
    own = "+proj=tmerc +lat_0=0 +lon_0=11.3 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m"
    named = rasterio.CRS.from_string(own).to_wkt().replace('"unknown"', '"Odd name"', 1)
    path = tmp_path / "odd.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=8, width=8, count=1, dtype="float32", crs=named,
        transform=Affine(30, 0, 5e5, 0, -30, 4e6),
    ) as out:  # fmt: skip
        out.write(np.ones((1, 8, 8), np.float32))
    path.write_bytes(path.read_bytes().replace(b"Odd name", b"Odd\xffname"))
    with pytest.raises(UnreadableRaster, match="damaged"), open_href(str(path), "odd", Signing()):
        pass
    with pytest.raises(rasterio.RasterioIOError, match="no text"), open_raster(path):
        pass
