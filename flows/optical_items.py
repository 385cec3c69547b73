"""One optical item on one grid: reflectance with the offset its pixels allow, and its mask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce

import numpy as np
import structlog
from numpy.typing import NDArray
from pyproj import Transformer

from detectors import masks
from detectors.errors import UnreadableRaster
from detectors.reflectance import OFFSET, SCALE, VISIBLE, asks, has_offset, settle
from detectors.types import Acquisition, BoolArray, FloatArray, Grid, Unseen
from flows.catalogs.base import Catalogue, Renderer
from flows.kept_open import reading_ahead
from flows.rasters import Stored, check_raster, open_asset, read_onto
from flows.scene_tiles import read_shared
from flows.shelf import Shelf

#: What a change of vegetation and a picture are made of, by STAC common name.
BANDS = ("blue", "green", "red", "nir")
#: How far clouds and cloud shadows are widened, m: three pixels of the classification.
DILATE_M = 60.0
#: What the files of bands and masks must hold.
NUMBERS = Stored(("uint8", "uint16", "int16"), "reflectance in whole numbers")
_CLASSES = Stored(("uint8", "uint16", "int16"), "a mask in whole numbers")
#: Percentile that stands for dark ground, and the pixels it takes to say so, and it takes at most.
_DARK, _ENOUGH, _PLENTY = 5.0, 100, 20_000
_NO_CLASS, _NO_PERCENTAGE = 0, 255
#: What a file that names none means by no data (Sentinel-2 products: 0).
_NO_NUMBER = 0

log = structlog.get_logger()


def read_item(
    item: Acquisition,
    bands: tuple[str, ...],
    grid: Grid,
    catalogue: Catalogue,
    shelf: Shelf | None = None,
) -> tuple[FloatArray, NDArray[np.uint8]]:
    """Read one item; with a shelf, tiles that another region has read are taken from there.

    Returns:
        Reflectance, float32 (band, y, x), wherever there is data; codes of ``Unseen``, uint8
        (y, x).

    Raises:
        UnreadableRaster: the item is broken, lacks a band, or has no scene classification.
        ImageryUnavailable: it could not be fetched.
    """
    mask_names = _mask_names(item)
    layers = _read(item, (*bands, *mask_names), grid, catalogue, shelf)
    numbers, (scl, *cloud) = layers[: len(bands)], layers[len(bands) :]
    codes = _codes(scl, cloud, grid)
    # NaN where one band is, infinite where one is and none is NaN.
    together = reduce(np.add, numbers)
    codes[(together == np.inf) & (codes == Unseen.SEEN)] = Unseen.SATURATED
    codes[np.isnan(together)] = Unseen.NO_DATA
    vegetation = scl == masks.VEGETATION
    offsets = _offsets(item, bands, numbers, codes == Unseen.SEEN, vegetation)
    reflectance = np.empty((len(bands), *grid.shape), dtype=np.float32)
    for band, stored, made in zip(bands, numbers, reflectance, strict=True):
        np.multiply(stored, np.float32(item.scale.get(band, SCALE)), out=made)
        made += np.float32(offsets[band])
    if "nir" in bands:
        _hide_shadow(item, reflectance[bands.index("nir")], codes, grid)
    return reflectance, codes


def _mask_names(item: Acquisition) -> tuple[str, ...]:
    """Return which masks an item has.

    Raises:
        UnreadableRaster: none that can be trusted.
    """
    if "scl" not in item.assets:
        raise UnreadableRaster(
            f"{item.item_id}: no scene classification (surface reflectance, L2A, is needed): cloud "
            "could not be told from ground"
        )
    return ("scl", "cloud") if "cloud" in item.assets else ("scl",)


def _codes(scl: FloatArray, cloud: Sequence[FloatArray], grid: Grid) -> NDArray[np.uint8]:
    """Return codes of ``Unseen`` from the masks of one item."""
    percentage = _whole(cloud[0], _NO_PERCENTAGE) if cloud else None
    return masks.from_scl(
        _whole(scl, _NO_CLASS),
        cloud_probability=percentage,
        dilate_m=DILATE_M,
        pixel_m=grid.transform.a,
    )


def _whole(layer: FloatArray, missing: int) -> NDArray[np.uint8]:
    return np.where(np.isnan(layer), np.float32(missing), layer).clip(0, 255).astype(np.uint8)


def _read(
    item: Acquisition, names: Sequence[str], grid: Grid, catalogue: Catalogue, shelf: Shelf | None
) -> list[FloatArray]:
    """Read bands and masks as stored, float32 (y, x); NaN = no data, inf = saturated."""
    for name in names:
        if name not in item.assets:
            raise UnreadableRaster(f"{item.item_id}: no asset {name}")
    if isinstance(catalogue, Renderer):
        return list(catalogue.render(item, tuple(names), grid))
    read = partial(_read_asset, item, grid=grid, catalogue=catalogue, shelf=shelf)
    apart = len({item.assets[name] for name in names}) == len(names)
    with reading_ahead(read, names, len(names) if apart else 0) as reads:
        return [layer() for layer in reads]


def _read_asset(
    item: Acquisition, name: str, grid: Grid, catalogue: Catalogue, shelf: Shelf | None
) -> FloatArray:
    """Read one asset as stored."""
    is_band = name in BANDS
    stored, nodata = NUMBERS if is_band else _CLASSES, float(_NO_NUMBER)
    shared = None
    if shelf is not None:
        shared = read_shared(shelf, item, name, grid, stored, catalogue, nodata)
    if shared is not None:
        most, layer = np.iinfo(shared.dtype).max, shared.astype(np.float32)
    else:
        with open_asset(item, name, catalogue) as dataset:
            check_raster(dataset, f"{item.item_id} {name}", stored)
            nodata = nodata if dataset.nodata is None else dataset.nodata
            most = np.iinfo(dataset.dtypes[0]).max
            layer = read_onto(dataset, grid, nodata, np.float32, nearest=not is_band)
    np.copyto(layer, np.nan, where=layer == nodata)
    if is_band:
        np.copyto(layer, np.inf, where=layer >= most)
    return layer


def _offsets(
    item: Acquisition,
    bands: tuple[str, ...],
    numbers: Sequence[FloatArray],
    seen: BoolArray,
    vegetation: BoolArray,
) -> dict[str, float]:
    """Return the offsets that the pixels of an item allow."""
    baseline = item.processing_version
    assumed = OFFSET if has_offset(baseline) else 0.0
    stated = {band: item.offset.get(band, assumed) for band in bands}
    scale = {band: item.scale.get(band, SCALE) for band in bands}

    def darkest(where: BoolArray) -> dict[str, float]:
        at = _spread(where)
        return {
            band: float(np.percentile(layer.ravel()[at], _DARK))
            for band, layer in zip(bands, numbers, strict=True)
            if band in VISIBLE and at.size >= _ENOUGH
        }

    ground, plants = asks(stated, baseline)
    dark = darkest(seen) if ground else {}
    green_dark = darkest(seen & vegetation) if plants else {}
    settled = settle(dark, green_dark, scale, stated, baseline)
    if settled != stated:
        log.warning("offset overruled by the pixels", item=item.item_id, stated=stated, by=settled)
    return settled


def _spread(where: BoolArray) -> NDArray[np.intp]:
    """Return flat indices of such pixels, spread over all of them where there are plenty."""
    found = np.flatnonzero(where)
    return found[:: max(1, found.size // _PLENTY)]


def _hide_shadow(item: Acquisition, nir: FloatArray, codes: NDArray[np.uint8], grid: Grid) -> None:
    """Mark dark ground that a cloud in the window can throw its shadow on."""
    cloud = codes == Unseen.CLOUD
    if not cloud.any():
        return
    west, south, east, north = grid.bounds
    to_lonlat = Transformer.from_crs(grid.epsg, 4326, always_xy=True)
    lon, lat = to_lonlat.transform((west + east) / 2, (south + north) / 2)
    sun = masks.sun_at(item.sensed_at, lon, lat)
    shadow = masks.cast_shadow(cloud, nir, sun, grid.transform.a)
    codes[shadow & (codes == Unseen.SEEN)] = Unseen.CLOUD_SHADOW
