"""The reader of radar products: from catalogue items to looks on one grid.

Plan first, read last: ``plan_blocks`` opens one header and cuts the region into blocks of bounded
size, one at a time, ``read_pass`` fills one look of one block, ``read_mask`` and
``read_local_incidence`` what the source itself says of the geometry there. Memory follows the
block, not the region.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.errors import NothingObserved
from detectors.types import (
    SAME_PASS,
    Acquisition,
    FloatArray,
    Grid,
    LookStack,
    Unseen,
    WatchedRegion,
)
from flows.catalogs.base import Catalogue, Renderer
from flows.catalogs.opera import MASK
from flows.rasters import (
    Block,
    Stored,
    check_raster,
    cut_blocks,
    open_asset,
    product_grid,
    read_onto,
)
from flows.scene_tiles import known_grid, read_shared
from flows.shelf import Shelf

GAMMA0 = Stored(("float",), "linear gamma0 in float")
FLAGS = Stored(("uint8",), "flags of layover and shadow in uint8")
#: Side of a block without its halo, pixels: what is normalised together.
BLOCK_PIXELS = 512

#: What OPERA's flags mean here; anything but these is no data, like their own 255.
_OPERA_FLAGS = np.full(256, Unseen.NO_DATA, dtype=np.uint8)
_OPERA_FLAGS[:4] = (Unseen.SEEN, Unseen.RADAR_SHADOW, Unseen.LAYOVER, Unseen.LAYOVER)


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


def plan_blocks(
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
    band = acquisition.polarisations[0]
    whole = known_grid(shelf, acquisition, band, GAMMA0) if shelf else None
    whole = whole or product_grid(acquisition, band, GAMMA0, catalogue)
    found = False
    for block in cut_blocks(whole, region.geometry, BLOCK_PIXELS):
        found = True
        yield block
    if not found:
        raise NothingObserved(f"{acquisition.item_id} does not reach into the region")


def read_pass(
    items: Sequence[Acquisition],
    polarisations: Sequence[str],
    grid: Grid,
    catalogue: Catalogue,
    shelf: Shelf | None = None,
) -> FloatArray:
    """Read one pass onto a grid: the first item with data wins, NaN where none has.

    Products of one burst share a grid and are copied; others are resampled bilinearly. With a
    shelf, tiles that another region has read are taken from there.

    Returns:
        float32 (polarisation, y, x), linear gamma0.

    Raises:
        UnreadableRaster: an item is broken; ImageryUnavailable: an item could not be fetched.
    """
    look = np.full((len(polarisations), *grid.shape), np.nan, dtype=np.float32)
    for item in items:
        if isinstance(catalogue, Renderer):
            _fill(look, item, polarisations, grid, catalogue)
            continue
        for band, polarisation in enumerate(polarisations):
            missing = np.isnan(look[band])
            if missing.any():
                one = _read(item, polarisation, grid, catalogue, shelf)
                np.copyto(look[band], one, where=missing)
    return look


def _fill(
    look: FloatArray,
    item: Acquisition,
    polarisations: Sequence[str],
    grid: Grid,
    catalogue: Renderer,
) -> None:
    """Have all bands rendered at once, where any is missing: one request instead of one each."""
    missing = np.isnan(look)
    if missing.any():
        look[missing] = catalogue.render(item, polarisations, grid)[missing]


def _read(
    item: Acquisition, polarisation: str, grid: Grid, catalogue: Catalogue, shelf: Shelf | None
) -> FloatArray:
    """Read one band of one item onto a grid, NaN outside."""
    if shelf is not None:
        shared: FloatArray | None = read_shared(
            shelf, item, polarisation, grid, GAMMA0, catalogue, math.nan, np.float32
        )
        if shared is not None:
            return shared
    with open_asset(item, polarisation, catalogue) as dataset:
        check_raster(dataset, f"{item.item_id} {polarisation}", GAMMA0)
        band: FloatArray = read_onto(dataset, grid, math.nan, np.float32)
    return band


def read_mask(
    acquisition: Acquisition, grid: Grid, catalogue: Catalogue, shelf: Shelf | None = None
) -> NDArray[np.uint8] | None:
    """Return what the source itself says could not be seen, None where it says nothing.

    OPERA RTC-S1 brings layover and shadow as a layer of the product (product specification:
    0 neither, 1 shadow, 2 layover, 3 both, 255 no data); a processing service tells the shadow with
    the very answer that ``read_pass`` is filled from, so that with its disk cache nothing is asked
    for twice.

    Returns:
        uint8 (y, x), codes of ``Unseen``; pixels outside the product are no data.

    Raises:
        UnreadableRaster: the layer is broken; ImageryUnavailable: it could not be fetched.
    """
    if isinstance(catalogue, Renderer):
        bands = (*acquisition.polarisations, "shadow")
        shadow = catalogue.render(acquisition, bands, grid)[-1]
        codes = np.where(shadow != 0, Unseen.RADAR_SHADOW, Unseen.SEEN).astype(np.uint8)
        codes[np.isnan(shadow)] = Unseen.NO_DATA
        return codes
    if MASK not in acquisition.assets:
        return None
    if shelf is not None:
        flags = read_shared(shelf, acquisition, MASK, grid, FLAGS, catalogue, 255, np.uint8)
        if flags is not None:
            shared: NDArray[np.uint8] = _OPERA_FLAGS[flags]
            return shared
    with open_asset(acquisition, MASK, catalogue) as dataset:
        check_raster(dataset, f"{acquisition.item_id} {MASK}", FLAGS)
        # A flag between two flags is a third one that nobody raised.
        found: NDArray[np.uint8] = _OPERA_FLAGS[
            read_onto(dataset, grid, 255, np.uint8, nearest=True)
        ]
    return found


def read_local_incidence(
    acquisition: Acquisition, grid: Grid, catalogue: Catalogue
) -> FloatArray | None:
    """Return the local incidence angle where the source tells it, None elsewhere.

    Returns:
        float32 (y, x), degrees, NaN = no data; ``detectors.look_geometry`` makes it from elevation
        where this is None.

    Raises:
        UnreadableRaster: what came is broken; ImageryUnavailable: it could not be fetched.
    """
    if isinstance(catalogue, Renderer):
        angle: FloatArray = catalogue.render(acquisition, ("lia",), grid)[0]
        return angle
    return None


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
