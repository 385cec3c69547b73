"""What a radar look and those before it show of a region, block by block: all that is read of them.

The next block is read while one is judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.types import Acquisition, FloatArray, Landslide, LookStack, WatchedRegion
from flows.catalogs.base import Catalogue, charges
from flows.heights import Heights
from flows.histories import Changed, changed_ground, read_history
from flows.imagery import plan_blocks, read_mask, read_pass, stack_looks
from flows.kept_open import one_ahead
from flows.rasters import Block
from flows.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Shown:
    """What is seen of one block."""

    post: LookStack
    """The look."""
    unseen: NDArray[np.uint8] | None
    """uint8 (y, x), what its source says could not be seen; None where it says nothing."""
    pre: LookStack
    """Looks before."""
    changed: tuple[Changed, ...]
    """Known landslides that are no history."""
    elevation: FloatArray | None
    """float32 (y, x), metres, NaN = not known; None where there is no elevation model."""
    careful: str | None
    """Why there is none although one was asked for."""


@contextmanager
def shown_blocks(
    region: WatchedRegion,
    acquisition: Acquisition,
    passes: Sequence[Sequence[Acquisition]],
    catalogue: Catalogue,
    left_out: set[str],
    *,
    forgiving: bool,
    known: Sequence[Landslide],
    heights: Heights,
    shelf: Shelf | None,
) -> Iterator[Iterator[tuple[Block, Shown | None]]]:
    """Read a look block by block; None where it shows no data inside the region.

    Args:
        region: what to look at.
        acquisition: the look.
        passes: of the track before it that have its bands, newest first.
        catalogue: signs the hrefs.
        left_out: receives the ids of earlier items that could not be read; whole at the end.
        forgiving: see ``read_history``.
        known: landslides that are left out of their ground's history.
        heights: tell snow from change, and basins from slopes.
        shelf: what other regions read; None: nothing.

    Raises:
        NothingObserved: the look does not reach into the region.
        UnreadableRaster, ImageryUnavailable: the look itself, or its stack just now; when the block
            is asked for.
    """
    polarisations = acquisition.polarisations

    def read(block: Block) -> tuple[Block, Shown | None]:
        gamma0 = read_pass([acquisition], polarisations, block.grid, catalogue, shelf)
        if not np.isfinite(gamma0).all(axis=0)[block.inside].any():
            return block, None
        post = stack_looks([gamma0], [[acquisition]], polarisations, block.grid)
        unseen = read_mask(acquisition, block.grid, catalogue, shelf)
        changed = changed_ground(known, passes, block)
        elevation, careful = heights.on(block.grid)
        pre = read_history(
            passes, polarisations, block, catalogue, left_out,
            forgiving=forgiving, changed=changed, elevation=elevation, shelf=shelf,
        )  # fmt: skip
        return block, Shown(post, unseen, pre, changed, elevation, careful)

    planned = plan_blocks(acquisition, region, catalogue, shelf)
    with one_ahead(map(read, planned), ahead=not charges(catalogue)) as blocks:
        yield blocks
