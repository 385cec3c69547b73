"""The reader of optical products: from catalogue items to masked reflectance on one grid.

``window_grid`` and ``plan_optical_blocks`` open one header and say what to read; ``read_optical``
reads it, one look of one window. Only the tiles of a file that the window touches are fetched, and
memory follows the window.

Items of one solar day that share ground (neighbouring tiles, two processings of one tile) show it
once: the first with data answers for a pixel, with all its bands and its mask.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import rasterio
from rasterio.windows import Window, from_bounds
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from detectors.errors import NothingObserved
from detectors.projections import to_projected
from detectors.reflectance import parse_baseline
from detectors.types import Acquisition, Grid, OpticalLook, Unseen, WatchedRegion
from flows.catalogs.base import Catalogue
from flows.optical_items import BANDS, DILATE_M, NUMBERS, read_item
from flows.rasters import Block, cut_blocks, product_grid
from flows.scene_tiles import known_grid
from flows.shelf import Shelf

#: Side of a block without its halo, pixels: twice the radar's, whose pixels are larger.
BLOCK_PIXELS = 1024
#: Band whose grid is the grid of a product: 10 m.
_GRID_BAND = "red"

__all__ = [
    "BANDS",
    "DILATE_M",
    "plan_optical_blocks",
    "read_optical",
    "window_grid",
]


def window_grid(
    acquisition: Acquisition,
    geometry: BaseGeometry,
    margin_m: float,
    catalogue: Catalogue,
    minimum_pixels: int = 128,
) -> Grid:
    """Return the part of a product's own 10 m grid around a geometry.

    It may reach over the edge of the product, where a neighbouring tile of the pass has data.

    Args:
        acquisition: the product.
        geometry: EPSG:4326, lon/lat.
        margin_m: ground around it that is read too, m.
        catalogue: signs the hrefs.
        minimum_pixels: smallest side of the window.

    Raises:
        NothingObserved: the product does not reach the geometry.
        UnreadableRaster: the product's header is broken or not usable.
        ImageryUnavailable: the product could not be fetched.
    """
    whole = product_grid(acquisition, _GRID_BAND, NUMBERS, catalogue)
    area = to_projected(geometry, whole.epsg)
    if not area.intersects(box(*whole.bounds)):
        raise NothingObserved(f"{acquisition.item_id} does not reach the place")
    wanted = from_bounds(*area.buffer(margin_m).bounds, transform=whole.transform)
    top, bottom = _edges(wanted.row_off, wanted.height, minimum_pixels)
    left, right = _edges(wanted.col_off, wanted.width, minimum_pixels)
    window = Window(left, top, right - left, bottom - top)
    transform = rasterio.windows.transform(window, whole.transform)
    return Grid(whole.epsg, transform, bottom - top, right - left)


def _edges(start: float, length: float, least: int) -> tuple[int, int]:
    """Return whole pixels that cover a span, at least so many, about its middle."""
    first, end = math.floor(start), math.ceil(start + length)
    missing = max(0, least - (end - first))
    return first - missing // 2, end + missing - missing // 2


def plan_optical_blocks(
    acquisition: Acquisition,
    region: WatchedRegion,
    catalogue: Catalogue,
    shelf: Shelf | None = None,
) -> Iterator[Block]:
    """Cut the part of a region that a product covers into blocks on the product's own grid.

    Raises:
        NothingObserved: the product does not reach into the region.
        UnreadableRaster: the product's header is broken or not usable.
        ImageryUnavailable: the product could not be fetched.
    """
    whole = known_grid(shelf, acquisition, _GRID_BAND, NUMBERS) if shelf else None
    whole = whole or product_grid(acquisition, _GRID_BAND, NUMBERS, catalogue)
    found = False
    for block in cut_blocks(whole, region.geometry, BLOCK_PIXELS):
        found = True
        yield block
    if not found:
        raise NothingObserved(f"{acquisition.item_id} does not reach into the region")


def read_optical(
    items: Sequence[Acquisition],
    grid: Grid,
    catalogue: Catalogue,
    bands: Sequence[str] = BANDS,
    shelf: Shelf | None = None,
) -> OpticalLook:
    """Read the items of one solar day onto a grid; pixels that none covers are ``NO_DATA``.

    Bands of the same grid are copied, others resampled bilinearly; masks take the nearest pixel.
    The offset that the catalogue stated is held against the darkest pixels before it is applied
    (``detectors.reflectance.settle``).

    Args:
        items: of one solar day, of one catalogue. The newest processing baseline goes first.
        grid: where.
        catalogue: signs the hrefs.
        bands: STAC common names.
        shelf: tiles that another region has read are taken from there; None: nothing is shared.

    Raises:
        UnreadableRaster: an item is broken, lacks a band, or has no scene classification.
        ImageryUnavailable: an item could not be fetched.
        IndexError: there is no item.
    """
    names = tuple(bands)
    ordered = _newest_processing_first(items)
    used = [ordered[0].item_id]
    reflectance, unseen = read_item(ordered[0], names, grid, catalogue, shelf)
    for item in ordered[1:]:
        missing = unseen == Unseen.NO_DATA
        if not missing.any():
            break
        used.append(item.item_id)
        seen, codes = read_item(item, names, grid, catalogue, shelf)
        new = missing & (codes != Unseen.NO_DATA)
        unseen[new] = codes[new]
        reflectance[:, new] = seen[:, new]
    np.copyto(reflectance, np.nan, where=unseen != Unseen.SEEN)
    return OpticalLook(
        grid=grid,
        bands=names,
        reflectance=reflectance,
        unseen=unseen,
        sensed_at=min(items, key=lambda item: item.sensed_at).sensed_at,
        item_ids=tuple(used),
    )


def _newest_processing_first(items: Sequence[Acquisition]) -> list[Acquisition]:
    def baseline(item: Acquisition) -> tuple[int, int]:
        return parse_baseline(item.processing_version) or (0, 0)

    return sorted(items, key=baseline, reverse=True)
