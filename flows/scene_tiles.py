"""Tiles of products that several regions read: from the archive once, then from the shelf.

A tile is what a cloud-optimised file stores together, so that reading whole ones asks the archive
for no more than it sends anyway. Only pixels that are copied are shared; what has to be resampled,
and what lies on this machine's disks, is read as if there were no shelf.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import DTypeLike, NDArray
from rasterio.windows import Window

from detectors.types import Acquisition, Grid
from flows.catalogs.base import Catalogue
from flows.rasters import Stored, check_raster, open_asset, same_pixels
from flows.shelf import Shelf, digest

#: Tiles of the file are put together to about this side, pixels.
SIDE = 512


@dataclass(frozen=True, slots=True)
class _Product:
    """What a file says of itself."""

    grid: Grid
    tile: tuple[int, int]
    dtype: str

    @classmethod
    def of(cls, dataset: rasterio.DatasetReader, nodata: float) -> Self | None:
        """Return it of an open file; None of one that is not tiled, or masked beyond no data.

        None, too, where the reader's no data would be a value like any other in the file.
        """
        high, wide = dataset.block_shapes[0]
        masks = set(dataset.mask_flag_enums[0])
        plain = masks <= {rasterio.enums.MaskFlags.all_valid, rasterio.enums.MaskFlags.nodata}
        plain &= dataset.nodata in {None, nodata} or math.isnan(nodata)
        if not plain or max(high, wide) > 2 * SIDE or dataset.count != 1:
            return None
        grid = Grid(int(dataset.crs.to_epsg()), dataset.transform, dataset.height, dataset.width)
        tile = (high * max(1, SIDE // high), wide * max(1, SIDE // wide))
        return cls(grid, tile, dataset.dtypes[0])

    def to_bytes(self) -> bytes:
        grid = self.grid
        told = [grid.epsg, list(grid.transform)[:6], grid.height, grid.width, self.tile, self.dtype]
        return json.dumps(told).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        epsg, transform, height, width, tile, dtype = json.loads(content)
        return cls(Grid(epsg, Affine(*transform), height, width), tuple(tile), dtype)


def read_shared(
    shelf: Shelf,
    item: Acquisition,
    asset: str,
    grid: Grid,
    stored: Stored,
    catalogue: Catalogue,
    nodata: float,
    dtype: DTypeLike | None = None,
) -> NDArray[Any] | None:
    """Read one asset onto a grid, tile by tile; the same as ``rasters.view`` shows.

    Args:
        shelf: where tiles are.
        item: acquisition.
        asset: its name.
        grid: where.
        stored: what numbers it must hold.
        catalogue: signs the href.
        nodata: what stands outside, and where the file has no data.
        dtype: of the result; None: the file's own.

    Returns:
        (y, x); None where its pixels cannot be shared.

    Raises:
        UnreadableRaster: the file is broken; ImageryUnavailable: it could not be fetched.
    """
    href = item.assets[asset]
    if "://" not in href:
        return None
    key = _key(item, asset, stored)
    head = shelf.get(key)
    if head is not None and not head:
        return None
    if head:
        product = _Product.from_bytes(head)
        known = _wanted(product, grid)
        if known is None:
            return None
        tiles = {at: shelf.get(digest(key, at)) for at in known}
        if None not in tiles.values():
            return _whole(product, grid, tiles, nodata, dtype)
    with shelf.alone(key), open_asset(item, asset, catalogue) as dataset:
        check_raster(dataset, f"{item.item_id} {asset}", stored)
        told = _Product.of(dataset, nodata)
        shelf.put(key, told.to_bytes() if told else b"")
        if told is None or (wanted := _wanted(told, grid)) is None:
            return None
        product = told
        tiles = {at: shelf.get(digest(key, at)) for at in wanted}
        _fetch(shelf, key, product, tiles, dataset, nodata)
    return _whole(product, grid, tiles, nodata, dtype)


def known_grid(shelf: Shelf, item: Acquisition, asset: str, stored: Stored) -> Grid | None:
    """Return the grid of a product that was read before; None where its header must be asked."""
    head = shelf.get(_key(item, asset, stored))
    return _Product.from_bytes(head).grid if head else None


def _key(item: Acquisition, asset: str, stored: Stored) -> str:
    """Return what names one file of one product, as it was published."""
    published = item.published_at.isoformat()
    return digest("tiles", item.source, item.item_id, item.assets[asset], published, stored)


def _wanted(product: _Product, grid: Grid) -> list[tuple[int, int]] | None:
    """Return the tiles that a grid meets, by row and column; None where pixels do not coincide."""
    whole = product.grid
    if whole.epsg != grid.epsg or not same_pixels(whole.transform, grid.transform):
        return None
    row, column = _offset(product, grid)
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + grid.height, whole.height), min(column + grid.width, whole.width)
    high, wide = product.tile
    return [
        (y, x)
        for y in range(top // high, math.ceil(bottom / high))
        for x in range(left // wide, math.ceil(right / wide))
        if bottom > top and right > left
    ]


def _offset(product: _Product, grid: Grid) -> tuple[int, int]:
    """Return row and column of a grid's first pixel in the product."""
    column, row = ~product.grid.transform @ (grid.transform.c, grid.transform.f)
    return round(row), round(column)


def _fetch(
    shelf: Shelf, key: str, product: _Product, tiles: dict[tuple[int, int], bytes | None],
    dataset: rasterio.DatasetReader, nodata: float,
) -> None:  # fmt: skip
    """Read the missing tiles, at once, and put them on the shelf."""
    missing = [at for at, content in tiles.items() if content is None]
    if not missing:
        return
    high, wide = product.tile
    top, left = (min(at[axis] for at in missing) for axis in (0, 1))
    bottom, right = (max(at[axis] for at in missing) + 1 for axis in (0, 1))
    rows = min(bottom * high, product.grid.height) - top * high
    columns = min(right * wide, product.grid.width) - left * wide
    values = dataset.read(1, window=Window(left * wide, top * high, columns, rows))
    if dataset.nodata is not None and not math.isnan(dataset.nodata):
        values[values == dataset.nodata] = nodata
    for row, column in missing:
        y, x = (row - top) * high, (column - left) * wide
        content = np.ascontiguousarray(values[y : y + high, x : x + wide]).tobytes()
        tiles[row, column] = content
        shelf.put(digest(key, (row, column)), content)


def _whole(
    product: _Product, grid: Grid, tiles: dict[tuple[int, int], bytes | None], nodata: float,
    dtype: DTypeLike | None,
) -> NDArray[Any]:  # fmt: skip
    """Put tiles together on a grid."""
    seen = np.full(grid.shape, nodata, dtype=dtype or product.dtype)
    row, column = _offset(product, grid)
    high, wide = product.tile
    for (y, x), content in tiles.items():
        rows = min(high, product.grid.height - y * high)
        columns = min(wide, product.grid.width - x * wide)
        values = np.frombuffer(content or b"", dtype=product.dtype).reshape(rows, columns)
        top, left = y * high - row, x * wide - column
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + rows, grid.height), min(left + columns, grid.width)
        seen[y0:y1, x0:x1] = values[y0 - top : y1 - top, x0 - left : x1 - left]
    return seen
