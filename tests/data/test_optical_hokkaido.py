"""The optical path on a bad pair: snow, cloud, 40 % no data, three bands, degrees, no mask."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform
from shapely.geometry import box

from detectors import ensemble
from detectors.compositing import d_ndvi, greenest, pair
from detectors.errors import IncomparableLooks
from detectors.masks import from_toa
from detectors.optical import picture_of, shares
from detectors.projections import to_lonlat
from detectors.types import Acquisition, OpticalLook, Sensor, Unseen
from flows.optical_imagery import read_optical, window_grid
from tests.data.conftest import Record
from tests.rasters import Signing, write

pytestmark = pytest.mark.data

BANDS = {"blue": "B2", "green": "B3", "red": "B4"}
EPSG = 32654
#: The dates are not documented; these only stand for their order.
SENSED = {"pre": datetime(2018, 4, 1, tzinfo=UTC), "post": datetime(2018, 11, 1, tzinfo=UTC)}
#: Scene classification that stands for a rough mask: cloud, or not classified.
SCL = {Unseen.NO_DATA: 0, Unseen.CLOUD: 9, Unseen.SEEN: 7}
#: Places: middle as a share of width and height, and half a side, m.
PLACES = {
    "everything": (0.5, 0.5, 4_600),
    "outside of the earlier granule": (0.72, 0.13, 500),
    "under the largest cloud": (0.45, 0.815, 100),
    "landslides": (0.30, 0.52, 500),
}


def _ten_metres(dataset: rasterio.DatasetReader) -> dict[str, Any]:
    transform, width, height = calculate_default_transform(
        dataset.crs, f"EPSG:{EPSG}", dataset.width, dataset.height, *dataset.bounds, resolution=10
    )
    return {"crs": f"EPSG:{EPSG}", "transform": transform, "width": width, "height": height}


def stored(folder: Path, when: str, to: Path) -> Acquisition:
    """Store one date as products are stored: 10 m in UTM 54N, with the rough mask as its SCL."""
    to.mkdir()
    numbers = []
    for name in BANDS.values():
        with (
            rasterio.open(folder / when / f"{name}.tif") as dataset,
            WarpedVRT(dataset, resampling=Resampling.bilinear, **_ten_metres(dataset)) as view,
        ):
            numbers.append(view.read(1))
            transform = view.transform
    codes = from_toa(*(np.where(n == 0, np.nan, n * 1e-4).astype(np.float32) for n in numbers))
    classes = np.select([codes == code for code in SCL], list(SCL.values())).astype(np.uint8)
    assets = {}
    for name, layer in zip((*BANDS, "scl"), (*numbers, classes), strict=True):
        place = {"crs": f"EPSG:{EPSG}", "transform": transform, "nodata": 0}
        assets[name] = str(write(to / f"{name}.tif", layer, **place))
    return Acquisition(
        source="local/l1c", item_id=when, platform="sentinel-2", sensor=Sensor.OPTICAL,
        sensed_at=SENSED[when], published_at=SENSED[when], footprint=box(141.8, 42.6, 142.1, 42.8),
        orbit_state=None, relative_orbit=None, polarisations=(), assets=assets,
        processing_version="02.06", scale=dict.fromkeys(BANDS, 1e-4),
        offset=dict.fromkeys(BANDS, 0.0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def items(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Acquisition]:
    folder, to = data_folder / "s2-prepost-hokkaido-iburi-2018", tmp_path_factory.mktemp("l1c")
    return [stored(folder, when, to / when) for when in SENSED]


def read(items: list[Acquisition], name: str) -> list[OpticalLook]:
    """Read both dates around a place."""
    across, down, half = PLACES[name]
    with rasterio.open(items[1].assets["red"]) as dataset:
        x, y = dataset.transform @ (across * dataset.width, down * dataset.height)
    corners = box(x - half, y - half, x + half, y + half)
    grid = window_grid(items[1], to_lonlat(corners, EPSG), 0, Signing(), minimum_pixels=1)
    return [read_optical([item], grid, Signing(), tuple(BANDS)) for item in items]


def test_what_a_bad_pair_cannot_see_is_said(items: list[Acquisition], record: Record) -> None:
    rows, said, comparable = [], {}, {}
    for name in PLACES:
        before, after = read(items, name)
        everywhere = np.ones(after.grid.shape, dtype=bool)
        pre, post = pair([before], [after])
        assert np.array_equal(pre.looks, post.looks)
        assert np.isnan(pre.reflectance[:, pre.looks == 0]).all()
        with pytest.raises(IncomparableLooks, match="nir and red from blue, green, red"):
            d_ndvi(pre, post)
        said[name] = [shares(look.unseen, everywhere) for look in (before, after)]
        comparable[name] = float((pre.looks > 0).mean())
        told = [", ".join(f"{k} {v:.1%}" for k, v in one.items()) or "-" for one in said[name]]
        rows.append([name, *told, f"{comparable[name]:.1%}"])
        for look, one in zip((before, after), said[name], strict=True):
            assert sum(one.values()) + (look.unseen == Unseen.SEEN).mean() == pytest.approx(1)
    record(
        "A bad optical pair (Hokkaido)",
        """Data set `s2-prepost-hokkaido-iburi-2018`, Atsuma, before and after the earthquake of
2018-09-06: three visible bands at the top of the atmosphere, in degrees, without any mask. Brought
to 10 m, masked by brightness alone (`masks.from_toa`, rough; snow counts as cloud), stored as a
product, read by `flows.optical_imagery`, composited. Not scored.""",
        ["place", "not seen before", "not seen after", "seen on both dates"],
        rows,
        """Without near infrared there is no NDVI: that is said (`IncomparableLooks`), and no change
is reported. Thin snow between trees and every shadow pass for clear ground in these bands; a
product without a mask of its own is refused by the system's reader.""",
    )
    assert said["outside of the earlier granule"][0] == {"no data": 1.0}
    assert comparable["outside of the earlier granule"] == 0
    assert said["under the largest cloud"][1]["cloud"] > 0.5
    assert 0.3 < said["everything"][0]["no data"] < 0.45
    assert 0.01 < said["everything"][0]["cloud"] < 0.15
    assert comparable["landslides"] > 0.9


def test_clear_ground_of_both_dates_fills_one_composite(items: list[Acquisition]) -> None:
    looks = read(items, "everything")
    made = greenest(looks)
    assert made.item_ids == ("pre", "post")
    seen = np.isfinite(made.reflectance).all(axis=0)
    assert np.array_equal(seen, made.date >= 0)
    assert np.array_equal(seen, np.logical_or(*(look.unseen == Unseen.SEEN for look in looks)))


def test_the_ensemble_looks_where_it_can(items: list[Acquisition]) -> None:
    network = ensemble.load("landslide-rgb")
    post = greenest([read(items, "everything")[1]])
    picture = picture_of(post)[:, -600:-88, :512]  # cloud and landslides in it
    found = network.predict(picture, orientations=1)
    clear = np.isfinite(picture).all(axis=0)
    assert not clear.all()
    assert np.array_equal(np.isfinite(found.mean), clear)
    assert 0 <= found.mean[clear].min() <= found.mean[clear].max() <= 1
