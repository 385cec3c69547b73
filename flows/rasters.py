"""Opening rasters, wherever they lie, and cutting what they cover into blocks.

What the readers of radar (``imagery``) and optical products (``optical_imagery``) share: GDAL's
failures become ours, signed addresses never reach a message, and files that would put pixels in
the wrong place are refused.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import DTypeLike, NDArray
from rasterio import features
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window, from_bounds
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from detectors.errors import ImageryUnavailable, UnreadableRaster
from detectors.projections import to_projected
from detectors.types import Acquisition, BoolArray, Grid
from flows.catalogs.base import Catalogue, Renderer
from flows.hostile import REMOTE_DRIVERS, check_raster_size, open_dataset
from flows.kept_open import KEPT
from flows.meter import GDAL_COUNTS

#: Ground around a region that is read too, so that wide shifts can be told from landslides, m.
CONTEXT_M = 3_000.0
#: Overlap of neighbouring blocks on each side, pixels; wider than filters and windows reach.
HALO_PIXELS = 32

#: HTTP without directory listings, with patience, and without a cache that remembers a 404: a
#: product announced early is not there yet, and must be found when it is asked for again.
HTTP_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http",
    # Bytes of unpacked tiles; a twentieth of the machine's memory unless told. A row of blocks
    # 100 km wide takes 340 MB (eleven looks, two polarisations): with less, each tile is fetched
    # twice.
    "GDAL_CACHEMAX": 384 * 2**20,
    **GDAL_COUNTS,
}

#: A catalogue's tokens are asked for by one thread at a time.
_SIGNING = threading.Lock()

#: Kinds of masks that say no more than the pixels do.
_PLAIN = ([MaskFlags.all_valid], [MaskFlags.nodata])


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a region that is judged at once."""

    grid: Grid
    """Pixels to read, halo included."""
    core: BoolArray
    """(y, x), True where this block and no other answers."""
    inside: BoolArray
    """(y, x), True inside the region."""
    whole: Grid
    """All the ground that the blocks of one look are cut from."""
    at: tuple[int, int]
    """Row and column of the upper left pixel of ``core`` in ``whole``."""

    @property
    def answering(self) -> tuple[slice, slice]:
        """Where in (y, x) this block and no other answers: ``core`` as slices."""
        rows, columns = (np.flatnonzero(self.core.any(axis=axis)) for axis in (1, 0))
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


@dataclass(frozen=True, slots=True)
class Stored:
    """What numbers an asset must hold."""

    kinds: tuple[str, ...]
    """Beginnings of the names of their types."""
    meaning: str
    """In words, for the refusal of others."""


@contextmanager
def open_asset(
    acquisition: Acquisition, asset: str, catalogue: Catalogue
) -> Iterator[rasterio.DatasetReader]:
    """Open one asset of an acquisition; see ``open_href``."""
    where = f"{acquisition.item_id} {asset}"
    with open_href(acquisition.assets[asset], where, catalogue) as dataset:
        yield dataset


@contextmanager
def open_href(href: str, where: str, catalogue: Catalogue) -> Iterator[rasterio.DatasetReader]:
    """Open what lies at an href, signing just before; GDAL's failures become ours.

    Within ``keeping_open`` it may be open already. A refusal (403) may mean a signature that ran
    out, or a host that does not answer HEAD: both get one more try. HEAD comes first because GDAL
    would begin to fetch the whole file instead.

    Args:
        href: unsigned.
        where: what it is, for messages, which must not repeat a signed address.
        catalogue: that named it.
    """
    options = {**HTTP_OPTIONS, **catalogue.gdal_environment()}
    try:
        with rasterio.Env(**options):
            kept = KEPT.get()
            if kept is None:
                with _opened(href, where, catalogue) as dataset:
                    yield dataset
                return
            dataset, since = kept.take(href) or (_opened(href, where, catalogue), time.monotonic())
            try:
                yield dataset
            except BaseException:
                dataset.close()  # whatever is wrong with it, the next one shall open it anew
                raise
            kept.give_back(href, dataset, since)
    except RasterioError as error:
        raise named(error, where, remote="://" in href) from error


def _opened(href: str, where: str, catalogue: Catalogue) -> rasterio.DatasetReader:
    """Return what lies at an href, opened and looked at."""
    for renew in (False, True):
        rasterio.env.setenv(CPL_VSIL_CURL_USE_HEAD=not renew)
        try:
            with _SIGNING:
                signed = catalogue.sign(href, renew=renew)
            dataset = open_dataset(signed, REMOTE_DRIVERS)
            break
        except RasterioIOError as error:
            if renew or "403" not in str(error):
                raise
    try:
        check_raster_size(dataset, where)
    except BaseException:
        dataset.close()
        raise
    return dataset


def named(error: RasterioError, where: str, *, remote: bool) -> Exception:
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


def check_raster(dataset: rasterio.DatasetReader, where: str, stored: Stored) -> None:
    """Refuse what would put pixels in the wrong place, or mean something else.

    Raises:
        UnreadableRaster: no georeference, not projected in metres, rotated, or other numbers than
            expected.
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
    if not dataset.dtypes[0].startswith(stored.kinds):
        raise UnreadableRaster(f"{where}: {dataset.dtypes[0]} is not {stored.meaning}")


def product_grid(
    acquisition: Acquisition, asset: str, stored: Stored, catalogue: Catalogue
) -> Grid:
    """Return the grid of a whole product, from its header alone.

    Raises:
        UnreadableRaster: the header is broken or not usable.
        ImageryUnavailable: it could not be fetched.
    """
    if isinstance(catalogue, Renderer):
        return catalogue.native_grid(acquisition)
    with open_asset(acquisition, asset, catalogue) as dataset:
        check_raster(dataset, f"{acquisition.item_id} {asset}", stored)
        return Grid(int(dataset.crs.to_epsg()), dataset.transform, dataset.height, dataset.width)


def cut_blocks(whole: Grid, region: BaseGeometry, side: int) -> Iterator[Block]:
    """Cut the part of a region that a grid covers into blocks, one at a time; none is no error.

    Args:
        whole: of the product.
        region: EPSG:4326, lon/lat.
        side: longest side of a block without its halo, pixels.
    """
    area, transform = to_projected(region, whole.epsg), whole.transform
    frame = box(*whole.bounds)
    if not area.intersects(frame):
        return
    wide = area.intersection(frame).buffer(CONTEXT_M).bounds
    wanted = from_bounds(*wide, transform=transform)
    top, left = max(0, math.floor(wanted.row_off)), max(0, math.floor(wanted.col_off))
    bottom = min(whole.height, math.ceil(wanted.row_off + wanted.height))
    right = min(whole.width, math.ceil(wanted.col_off + wanted.width))
    cut = _part(whole, Window(left, top, right - left, bottom - top))
    origin_row, origin_column = round(transform.f / transform.e), round(transform.c / transform.a)
    for row, row_end in _cuts(top, bottom, origin_row, side):
        for column, column_end in _cuts(left, right, origin_column, side):
            y0, y1 = max(top, row - HALO_PIXELS), min(bottom, row_end + HALO_PIXELS)
            x0, x1 = max(left, column - HALO_PIXELS), min(right, column_end + HALO_PIXELS)
            window = Window(x0, y0, x1 - x0, y1 - y0)
            grid = _part(whole, window)
            inside = features.geometry_mask(
                [area], out_shape=grid.shape, transform=grid.transform, invert=True,
                all_touched=True,
            )  # fmt: skip
            core = np.zeros(grid.shape, dtype=bool)
            core[row - y0 : row_end - y0, column - x0 : column_end - x0] = True
            if (core & inside).any():
                yield Block(grid, core, inside, cut, (row - top, column - left))


def _part(whole: Grid, window: Window) -> Grid:
    """Return the grid of a window of whole pixels."""
    transform = rasterio.windows.transform(window, whole.transform)
    return Grid(whole.epsg, transform, int(window.height), int(window.width))


def _cuts(start: int, end: int, origin: int, side: int) -> list[tuple[int, int]]:
    """Cut a range into pieces, none over ``side``, where the world is cut.

    Lines lie at whole multiples of ``side`` from the origin of the map projection, so that
    overlapping regions have blocks in common. No piece is under an eighth of a block: the last line
    before an end that is too near gives way, and what is then too long is halved. A range that one
    block holds is not cut.

    Args:
        start: first pixel of the product.
        end: behind the last one.
        origin: number of the product's pixel 0, counted from the origin of the projection.
        side: longest piece.
    """
    if end - start <= side:
        return [(start, end)]
    first = -(-(start + origin) // side) * side - origin
    near = side // 8
    lines = [n for n in range(first, end, side) if start + near <= n <= end - near]
    edges = [start, *lines, end]
    halves = [(a + b) // 2 for a, b in itertools.pairwise(edges) if b - a > side]
    return list(itertools.pairwise(sorted([*edges, *halves])))


def read_onto(
    dataset: rasterio.DatasetReader,
    grid: Grid,
    nodata: float,
    dtype: DTypeLike,
    *,
    nearest: bool = False,
) -> NDArray[Any]:
    """Return the first band as it looks on a grid.

    Pixels of the same raster are copied; others are resampled, bilinearly unless told otherwise.

    Args:
        dataset: to read.
        grid: where.
        nodata: what stands where it has no data.
        dtype: of the result.
        nearest: never make a value between two others.
    """
    aligned = dataset.crs.to_epsg() == grid.epsg and same_pixels(dataset.transform, grid.transform)
    mask = dataset.mask_flag_enums[0]
    if aligned and mask in _PLAIN:
        return _copied(dataset, grid, nodata, dtype)
    # A file that names no such value means the usual one, or zeros would be mixed into their
    # neighbours, and those left over made ones of.
    stated = {"src_nodata": nodata} if mask == [MaskFlags.all_valid] else {}
    with WarpedVRT(
        dataset,
        crs=f"EPSG:{grid.epsg}",
        transform=grid.transform,
        height=grid.height,
        width=grid.width,
        nodata=nodata,
        resampling=Resampling.nearest if aligned or nearest else Resampling.bilinear,
        **stated,
    ) as seen:
        warped: NDArray[Any] = seen.read(1, out_dtype=dtype)
    return warped


def _copied(
    dataset: rasterio.DatasetReader, grid: Grid, nodata: float, dtype: DTypeLike
) -> NDArray[Any]:
    """Return the pixels of the same raster, which need no warping."""
    column, row = (round(v) for v in ~dataset.transform @ (grid.transform.c, grid.transform.f))
    top, left = max(row, 0), max(column, 0)
    bottom = min(row + grid.height, dataset.height)
    right = min(column + grid.width, dataset.width)
    if bottom <= top or right <= left:
        return np.full(grid.shape, nodata, dtype=dtype)
    window = Window(left, top, right - left, bottom - top)
    values: NDArray[Any] = dataset.read(1, window=window, out_dtype=dtype)
    stated = dataset.nodata
    if stated is not None and not math.isnan(stated) and stated != nodata:
        values[values == stated] = nodata
    if values.shape == grid.shape:
        return values
    found = np.full(grid.shape, nodata, dtype=dtype)
    found[top - row : bottom - row, left - column : right - column] = values
    return found


def same_pixels(one: Affine, other: Affine) -> bool:
    """Tell whether two north-up grids differ by whole pixels only."""
    column, row = ~one @ (other.c, other.f)
    return (one.a, one.e) == (other.a, other.e) and all(
        abs(offset - round(offset)) < 1e-3 for offset in (column, row)
    )
