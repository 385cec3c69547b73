"""A small real L2A product, bands at 10 m and its classification at 20 m, through the reader."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box

from detectors.compositing import ndvi
from detectors.reflectance import OFFSET
from detectors.types import Acquisition, Grid, Sensor, Unseen
from flows.optical_imagery import BANDS, read_optical
from tests.rasters import Signing, write

pytestmark = pytest.mark.data

#: Layers of the stacked file: B1 to B9 without B8A, B11, B12, and B8 as the eighth.
LAYERS = {"blue": 2, "green": 3, "red": 4, "nir": 8}
GRID = Grid(32632, Affine(10, 0, 580_560, 0, -10, 5_102_120), 42, 24)


def item(folder: Path, day: str, to: Path, stated: float) -> Acquisition:
    """Split the stacked file into one file per band, as catalogues serve them."""
    data = folder / "s2-l2a-sen2r-barbellino-alps"
    assets = {"scl": str(data / f"S2A2A_{day}_022_Barbellino_SCL_10.tif")}
    with rasterio.open(data / f"S2A2A_{day}_022_Barbellino_BOA_10.tif") as dataset:
        for name, layer in LAYERS.items():
            place = {"crs": dataset.crs, "transform": dataset.transform, "nodata": dataset.nodata}
            assets[name] = str(write(to / f"{day}-{name}.tif", dataset.read(layer), **place))
    moment = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    return Acquisition(
        source="local/l2a", item_id=day, platform="sentinel-2a", sensor=Sensor.OPTICAL,
        sensed_at=moment, published_at=moment, footprint=box(10, 46, 10.1, 46.1),
        orbit_state=None, relative_orbit=22, polarisations=(), assets=assets,
        processing_version="02.05", scale=dict.fromkeys(BANDS, 1e-4),
        offset=dict.fromkeys(BANDS, stated),
    )  # fmt: skip


@pytest.mark.parametrize("day", ["20170703", "20190723"])
def test_a_real_product_is_read_as_it_is(data_folder: Path, tmp_path: Path, day: str) -> None:
    look = read_optical([item(data_folder, day, tmp_path, 0.0)], GRID, Signing())
    assert (look.unseen == Unseen.WATER).any()  # the lake
    seen = look.unseen == Unseen.SEEN
    assert seen.mean() > 0.3
    assert 0.4 < np.median(ndvi(look.reflectance, BANDS)[seen]) < 0.95
    assert np.nanmin(look.reflectance) >= 0
    assert np.array_equal(np.isnan(look.reflectance).any(axis=0), ~seen)


@pytest.mark.parametrize("day", ["20170703", "20190723"])
def test_an_offset_that_is_not_there_is_not_taken(
    data_folder: Path, tmp_path: Path, day: str
) -> None:
    """Its dark ground would be negative."""
    right, wrong = (
        read_optical([item(data_folder, day, tmp_path, stated)], GRID, Signing())
        for stated in (0.0, OFFSET)
    )
    assert np.array_equal(right.reflectance, wrong.reflectance, equal_nan=True)
