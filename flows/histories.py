"""What a look is held against: the earlier passes of its track, and what of them is no history.

A landslide that its own looks are held against hides: the stack takes it in, and after some passes
it is the usual state. So the looks since it happened are left out inside its outline, a pixel
around it included, and as many older passes are read as it takes to have enough.

At most ``MAXIMUM_LOOKS`` passes are left out. After that the newest ten all show the ground as it
is now: a new failure there would be seen against them, and the old one is history. So never more
than twice ``MAXIMUM_LOOKS`` passes of a block are in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np
from rasterio import features
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from detectors.errors import ImageryUnavailable, QuotaSpent, UnreadableRaster
from detectors.normalise import MAXIMUM_LOOKS
from detectors.projections import to_lonlat, to_projected
from detectors.snow import snow_lines
from detectors.types import MINIMUM_LOOKS, Acquisition, BoolArray, FloatArray, Landslide, LookStack
from flows.catalogs.base import Catalogue, charges
from flows.imagery import read_pass, stack_looks
from flows.kept_open import reading_ahead
from flows.rasters import Block
from flows.shelf import Shelf

#: Passes to know of beyond those a stack holds, to replace unreadable ones.
SPARE_PASSES = 3
#: Passes to know of in all: those that count, those that may be left out, and spare ones.
PASSES_KNOWN = 2 * MAXIMUM_LOOKS + SPARE_PASSES


@dataclass(frozen=True, slots=True)
class Changed:
    """Ground of a block that is known to have changed."""

    landslide: Landslide
    """What happened there."""
    since: datetime
    """Looks sensed after this are no history, UTC."""
    own: BoolArray
    """(y, x), pixels of the landslide."""
    around: BoolArray
    """(y, x), these and what touches them: what is left out."""
    ground: BaseGeometry
    """The same as a polygon, EPSG:4326, lon/lat."""


def changed_ground(
    known: Iterable[Landslide], passes: Sequence[Sequence[Acquisition]], block: Block
) -> tuple[Changed, ...]:
    """Return the landslides of a block that at most ``MAXIMUM_LOOKS`` of its passes show.

    Args:
        known: landslides that are to be left out, wherever they are.
        passes: of the track before the look, newest first.
        block: what is judged.
    """
    grid = block.grid
    frame = box(*grid.bounds)
    found = []
    for landslide in known:
        since = landslide.not_before
        if sum(items[0].sensed_at > since for items in passes) > MAXIMUM_LOOKS:
            continue
        outline = to_projected(landslide.geometry, grid.epsg)
        wide = outline.buffer(grid.transform.a)
        if not wide.intersects(frame):
            continue
        around = features.geometry_mask(
            [wide], out_shape=grid.shape, transform=grid.transform, invert=True
        )
        own = features.geometry_mask(
            [outline], out_shape=grid.shape, transform=grid.transform, invert=True
        )
        found.append(Changed(landslide, since, own, around | own, to_lonlat(wide, grid.epsg)))
    return tuple(found)


def without_changes(pre: LookStack, changed: Sequence[Changed]) -> LookStack:
    """Return the looks with no data where they show what is known to have changed."""
    hidden = [
        (number, one.around)
        for number, at in enumerate(pre.sensed_at)
        for one in changed
        if at > one.since
    ]
    if not hidden:
        return pre
    gamma0 = pre.gamma0.copy()
    for number, around in hidden:
        gamma0[number][:, around] = np.nan
    return replace(pre, gamma0=gamma0)


def read_history(
    passes: Sequence[Sequence[Acquisition]],
    polarisations: tuple[str, ...],
    block: Block,
    catalogue: Catalogue,
    left_out: set[str],
    *,
    forgiving: bool,
    changed: Sequence[Changed] = (),
    elevation: FloatArray | None = None,
    shelf: Shelf | None = None,
) -> LookStack:
    """Read the newest passes that can be read; a broken old file must not silence a new look.

    Args:
        passes: of the track, newest first.
        polarisations: bands to read.
        block: where.
        catalogue: signs the hrefs.
        left_out: receives the ids of items that could not be read.
        forgiving: do without what cannot be fetched just now, while enough remain. What only serves
            known landslides is done without in any case.
        changed: ground that needs older passes.
        elevation: (y, x), metres, NaN = not known; None where there is none. Above the snow line of
            a pass an older one takes its place.
        shelf: where tiles are that other regions read; None = read the archive.

    Returns:
        ``MAXIMUM_LOOKS`` passes, or as many more as show the changed ground before it changed, or
        twice as many where some show snow.

    Raises:
        ImageryUnavailable: a pass could not be fetched, or too few remain.
    """
    looks: list[FloatArray] = []
    used: list[Sequence[Acquisition]] = []
    unavailable: ImageryUnavailable | None = None
    snowy = False
    since = min((one.since for one in changed), default=None)
    read = partial(
        read_pass, polarisations=polarisations, grid=block.grid, catalogue=catalogue, shelf=shelf
    )
    sure = 0 if charges(catalogue) else MAXIMUM_LOOKS
    with reading_ahead(read, passes, sure) as reads:
        for items, look in zip(passes, reads, strict=True):
            if len(used) == MAXIMUM_LOOKS and elevation is not None and not snowy:
                snowy = any(one is not None for one in snow_lines(np.stack(looks), elevation))
            if _enough(used, since, snowy=snowy):
                break
            try:
                looks.append(look())
            except UnreadableRaster:
                left_out.update(item.item_id for item in items)
                continue
            except QuotaSpent:
                # It ends for the whole look; a stack that thins from block to block helps nobody.
                raise
            except ImageryUnavailable as error:
                if not forgiving and len(used) < MAXIMUM_LOOKS:
                    raise
                unavailable = error
                left_out.update(item.item_id for item in items)
                continue
            used.append(items)
    if unavailable is not None and len(used) < MINIMUM_LOOKS:
        raise unavailable
    return stack_looks(looks, used, polarisations, block.grid)


def _enough(used: Sequence[Sequence[Acquisition]], since: datetime | None, *, snowy: bool) -> bool:
    """Tell whether the passes that were read make a history; see ``read_history``."""
    if len(used) == 2 * MAXIMUM_LOOKS:
        return True
    if snowy or len(used) < MAXIMUM_LOOKS:
        return False
    return since is None or sum(one[0].sensed_at <= since for one in used) >= MAXIMUM_LOOKS
