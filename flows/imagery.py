"""The only reader of rasters: from catalogue items to looks on one grid.

Plan first, read last: ``plan_blocks`` opens one header and cuts the region into blocks of bounded
size, one at a time, ``read_pass`` fills one look of one block. Memory follows the block, not the
region.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import rasterio
from affine import Affine
from rasterio import features
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window, from_bounds
from shapely.geometry import box

from detectors.errors import ImageryUnavailable, NothingObserved, UnreadableRaster
from detectors.types import (
    SAME_PASS,
    Acquisition,
    BoolArray,
    FloatArray,
    Grid,
    LookStack,
    WatchedRegion,
)
from detectors.vectorize import to_projected
from flows.catalogs.base import Catalogue

#: Ground around a region that is read too, so that wide shifts can be told from landslides, m.
CONTEXT_M = 3_000.0
#: Side of a block without its halo, pixels.
BLOCK_PIXELS = 512
#: Overlap of neighbouring blocks on each side, pixels; wider than filters and windows reach.
HALO_PIXELS = 32

#: HTTP without directory listings, with patience, and without a cache that remembers a 404: a
#: product announced early is not there yet, and must be found when it is asked for again.
_HTTP_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a region that is judged at once."""

    grid: Grid
    """Pixels to read, halo included."""
    core: BoolArray
    """(y, x), True where this block and no other answers."""
    inside: BoolArray
    """(y, x), True inside the region."""


def group_passes(acquisitions: Sequence[Acquisition]) -> list[list[Acquisition]]:
    """Group items of one track by pass, oldest first; items of a pass are mosaicked."""
    passes: list[list[Acquisition]] = []
    for acquisition in sorted(acquisitions, key=lambda a: (a.sensed_at, a.item_id)):
        start = passes[-1][0].sensed_at if passes else None
        if start is not None and acquisition.sensed_at - start < SAME_PASS:
            passes[-1].append(acquisition)
        else:
            passes.append([acquisition])
    return passes


@contextmanager
def _open(
    acquisition: Acquisition, polarisation: str, catalogue: Catalogue
) -> Iterator[rasterio.DatasetReader]:
    """Open one asset, signing just before; GDAL's failures become ours.

    A refusal (403) may mean a signature that ran out, or a host that does not answer HEAD: both
    get one more try. HEAD comes first because GDAL would begin to fetch the whole file instead.
    """
    href = acquisition.assets[polarisation]
    where = f"{acquisition.item_id} {polarisation}"
    options = {**_HTTP_OPTIONS, **catalogue.gdal_environment()}
    try:
        with rasterio.Env(**options):
            for renew in (False, True):
                rasterio.env.setenv(CPL_VSIL_CURL_USE_HEAD=not renew)
                try:
                    dataset = rasterio.open(catalogue.sign(href, renew=renew))
                    break
                except RasterioIOError as error:
                    if renew or "403" not in str(error):
                        raise
            with dataset:
                yield dataset
    except RasterioError as error:
        raise _named(error, where, remote="://" in href) from error


def _named(error: RasterioError, where: str, *, remote: bool) -> Exception:
    """Tell a file that is broken from one that could not be fetched; never repeat a signed URL.

    Over a network the two cannot be told apart: a header that was cut off, or a page that asks to
    log in, is no raster either, and may be one at the next try.
    """
    text = f"{error} {error.__cause__ or ''}"
    no_raster = "not recognized as being in a supported file format" in text
    if remote and no_raster:
        return ImageryUnavailable(f"{where}: what came is not a raster")
    if remote:
        status = next((w for w in text.replace(":", " ").split() if w in _STATUS), None)
        hint = f"HTTP {status}" if status else "the transfer broke off or the file is cut short"
        return ImageryUnavailable(f"{where}: {hint}")
    if no_raster:
        return UnreadableRaster(f"{where}: not a raster")
    if "No such file" in text:
        return ImageryUnavailable(f"{where}: the file is not there")
    return UnreadableRaster(f"{where}: truncated or damaged")


_STATUS = frozenset({"400", "401", "403", "404", "408", "410", "429", "500", "502", "503", "504"})


def _check(dataset: rasterio.DatasetReader, where: str) -> None:
    """Refuse what would put pixels in the wrong place.

    Raises:
        UnreadableRaster: no georeference, not projected in metres, rotated, or not float.
    """
    crs = dataset.crs
    if crs is None:
        gcps = " (only ground control points: not terrain-corrected)" if dataset.gcps[0] else ""
        raise UnreadableRaster(f"{where}: no coordinate reference system{gcps}")
    if not crs.is_projected or crs.linear_units_factor[1] != 1.0 or crs.to_epsg() is None:
        raise UnreadableRaster(f"{where}: {crs} is not an EPSG system in metres")
    transform = dataset.transform
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise UnreadableRaster(f"{where}: rotated or upside down")
    if not dataset.dtypes[0].startswith("float"):
        raise UnreadableRaster(f"{where}: {dataset.dtypes[0]} is not linear gamma0 in float")


def plan_blocks(
    acquisition: Acquisition, region: WatchedRegion, catalogue: Catalogue
) -> Iterator[Block]:
    """Cut the part of a region that a product covers into blocks on the product's own grid.

    Raises:
        NothingObserved: the product does not reach into the region.
        UnreadableRaster: the product's header is broken or not usable.
        ImageryUnavailable: the product could not be fetched.
    """
    polarisation = acquisition.polarisations[0]
    with _open(acquisition, polarisation, catalogue) as dataset:
        _check(dataset, f"{acquisition.item_id} {polarisation}")
        epsg, transform = int(dataset.crs.to_epsg()), dataset.transform
        height, width, frame = dataset.height, dataset.width, box(*dataset.bounds)
    area = to_projected(region.geometry, epsg)
    if not area.intersects(frame):
        raise NothingObserved(f"{acquisition.item_id} does not reach into the region")
    wide = area.intersection(frame).buffer(CONTEXT_M).bounds
    wanted = from_bounds(*wide, transform=transform)
    top, left = max(0, math.floor(wanted.row_off)), max(0, math.floor(wanted.col_off))
    bottom = min(height, math.ceil(wanted.row_off + wanted.height))
    right = min(width, math.ceil(wanted.col_off + wanted.width))
    found = False
    for row, row_end in _cuts(top, bottom):
        for column, column_end in _cuts(left, right):
            y0, y1 = max(top, row - HALO_PIXELS), min(bottom, row_end + HALO_PIXELS)
            x0, x1 = max(left, column - HALO_PIXELS), min(right, column_end + HALO_PIXELS)
            window = Window(x0, y0, x1 - x0, y1 - y0)
            grid = Grid(epsg, rasterio.windows.transform(window, transform), y1 - y0, x1 - x0)
            inside = features.geometry_mask(
                [area], out_shape=grid.shape, transform=grid.transform, invert=True,
                all_touched=True,
            )  # fmt: skip
            core = np.zeros(grid.shape, dtype=bool)
            core[row - y0 : row_end - y0, column - x0 : column_end - x0] = True
            if (core & inside).any():
                found = True
                yield Block(grid, core, inside)
    if not found:
        raise NothingObserved(f"{acquisition.item_id} does not reach into the region")


def _cuts(start: int, end: int) -> list[tuple[int, int]]:
    """Cut a range into pieces of equal size, none over ``BLOCK_PIXELS``."""
    pieces = max(1, math.ceil((end - start) / BLOCK_PIXELS))
    edges = np.linspace(start, end, pieces + 1).round().astype(int).tolist()
    return list(itertools.pairwise(edges))


def read_pass(
    items: Sequence[Acquisition], polarisations: Sequence[str], grid: Grid, catalogue: Catalogue
) -> FloatArray:
    """Read one pass onto a grid: the first item with data wins, NaN where none has.

    Products of one burst share a grid and are copied; others are resampled bilinearly.

    Returns:
        float32 (polarisation, y, x), linear gamma0.

    Raises:
        UnreadableRaster: an item is broken; ImageryUnavailable: an item could not be fetched.
    """
    look = np.full((len(polarisations), *grid.shape), np.nan, dtype=np.float32)
    for item in items:
        for band, polarisation in enumerate(polarisations):
            missing = np.isnan(look[band])
            if missing.any():
                look[band][missing] = _read(item, polarisation, grid, catalogue)[missing]
    return look


def _read(item: Acquisition, polarisation: str, grid: Grid, catalogue: Catalogue) -> FloatArray:
    """Read one band of one item onto a grid, NaN outside."""
    with _open(item, polarisation, catalogue) as dataset:
        _check(dataset, f"{item.item_id} {polarisation}")
        aligned = dataset.crs.to_epsg() == grid.epsg and _same_pixels(
            dataset.transform, grid.transform
        )
        with WarpedVRT(
            dataset,
            crs=f"EPSG:{grid.epsg}",
            transform=grid.transform,
            height=grid.height,
            width=grid.width,
            nodata=math.nan,
            resampling=rasterio.enums.Resampling.nearest
            if aligned
            else rasterio.enums.Resampling.bilinear,
        ) as view:
            band: FloatArray = view.read(1, out_dtype="float32")
    return band


def _same_pixels(one: Affine, other: Affine) -> bool:
    """Tell whether two north-up grids differ by whole pixels only."""
    column, row = ~one @ (other.c, other.f)
    return (one.a, one.e) == (other.a, other.e) and all(
        abs(offset - round(offset)) < 1e-3 for offset in (column, row)
    )


def stack_looks(
    looks: Sequence[FloatArray],
    passes: Sequence[Sequence[Acquisition]],
    polarisations: tuple[str, ...],
    grid: Grid,
) -> LookStack:
    """Put looks of one track together, oldest first."""
    order = sorted(range(len(passes)), key=lambda k: passes[k][0].sensed_at)
    shape = (0, len(polarisations), *grid.shape)
    return LookStack(
        grid=grid,
        track=passes[0][0].track if passes else "",
        polarisations=polarisations,
        gamma0=np.stack([looks[k] for k in order]) if order else np.zeros(shape, dtype=np.float32),
        sensed_at=tuple(passes[k][0].sensed_at for k in order),
        item_ids=tuple(tuple(item.item_id for item in passes[k]) for k in order),
    )
