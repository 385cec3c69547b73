"""Examine one landslide in one optical look: read its own pixels, compare, ask the ensemble.

No database, nothing stored; the flow, the picture and the tests all go through ``examine``. Only
the ground around one landslide is read, so that a verdict takes seconds and nobody waits for a
region without clouds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.compositing import choose_before, pair
from detectors.ensemble import EnsembleMap
from detectors.errors import (
    ImageryUnavailable,
    NothingObserved,
    QuotaSpent,
    UnreadableRaster,
)
from detectors.optical import (
    Comparison,
    OpticalEvidence,
    OpticalRule,
    compare,
    covered,
    judge,
    measure,
    picture_of,
    widened,
)
from detectors.projections import to_projected
from detectors.registry import configuration_hash
from detectors.types import (
    Acquisition,
    BoolArray,
    Composite,
    Finding,
    Grid,
    Landslide,
    OpticalCheck,
    OpticalLook,
    Unseen,
)
from detectors.weights import MODELS
from flows.catalogs.base import Catalogue
from flows.imagery import group_passes
from flows.inferring import Asked
from flows.kept_open import keeping_open
from flows.optical_imagery import read_optical, window_grid
from flows.shelf import Shelf

RULE = OpticalRule()
#: The ensemble that is asked; an operator may have promoted a version of his own.
ENSEMBLE = "landslide-rgb"
SHIPPED = Asked(MODELS / ENSEMBLE)
#: Looks after the event that make one composite, each of which shows some of the landslide: more
#: would show ground that is green again.
POST_LOOKS = 3
#: Looks before that are read at most until every pixel has as many as after; more only while most
#: of the ground that is judged has been clear in none of them.
PRE_LOOKS = 12

CatalogueOf = Callable[[Acquisition], Catalogue]


@dataclass(frozen=True, slots=True)
class Examination:
    """What one optical look says of one landslide, with the pixels it is read from."""

    check: OpticalCheck
    """The record."""
    pre: Composite
    """Before."""
    post: Composite
    """After."""
    unseen: NDArray[np.uint8]
    """uint8 (y, x), why the judged look could not see a pixel."""
    compared: Comparison
    """What changed."""
    said: EnsembleMap | None
    """What the ensemble says; None where it was not worth asking."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What there is to see of one landslide before and after."""

    grid: Grid
    """Where the pixels are."""
    pre: Composite
    """Before."""
    post: Composite
    """After."""
    unseen: NDArray[np.uint8]
    """uint8 (y, x), why the look could not see a pixel."""
    own: BoolArray
    """(y, x), pixels of the landslide."""


@keeping_open()
def examine(
    landslide: Landslide,
    look: Acquisition,
    before: Sequence[Acquisition],
    after: Sequence[Acquisition],
    catalogue_of: CatalogueOf,
    *,
    forgiving: bool = False,
    asked: Asked = SHIPPED,
) -> Examination:
    """Judge one landslide by one optical look and those around it.

    Args:
        landslide: version whose outline is judged.
        look: the optical look.
        before: looks that end at or before ``not_before``, the preferred first.
        after: looks from ``not_after`` up to ``look``.
        catalogue_of: signs the hrefs.
        forgiving: do without other looks that cannot be fetched just now.
        asked: the ensemble.

    Raises:
        NothingObserved: the look does not reach the outline.
        NotEnoughLooks: no look before.
        UnreadableRaster, ImageryUnavailable: the look cannot be read, or an earlier one just now.
    """
    seen = look_at(landslide, look, before, after, catalogue_of, forgiving=forgiving)
    pre, post = seen.pre, seen.post
    compared = compare(landslide.geometry, pre, post, seen.unseen, RULE)
    said = ask(post, seen.own, asked) if compared.change is not None else None
    evidence = measure(compared, said, RULE)
    # Described, not loaded: most looks show clouds, and then nobody asks the networks.
    model = asked.model
    since = look.sensed_at - landslide.not_after
    verdict = judge(evidence, model.threshold, since, RULE)
    items = tuple(dict.fromkeys((*pre.item_ids, *post.item_ids, look.item_id)))
    check = _check(landslide, look, evidence, verdict, items, model.version)
    return Examination(check, pre, post, seen.unseen, compared, said)


def look_at(
    landslide: Landslide,
    look: Acquisition,
    before: Sequence[Acquisition],
    after: Sequence[Acquisition],
    catalogue_of: CatalogueOf,
    *,
    forgiving: bool = False,
) -> Pair:
    """Read what one look shows of one landslide, and what there was before; nobody judges it.

    Arguments and errors are those of ``examine``.
    """
    grid = window_grid(look, landslide.geometry, RULE.surroundings_m, catalogue_of(look))
    known = {one.id: one for one in (look, *after)}
    newest, *older = group_passes(tuple(known.values()))[::-1]
    judged = read([one for one in newest if one.source == look.source], grid, catalogue_of)
    own = covered(to_projected(landslide.geometry, grid.epsg), grid)
    shown = own & (judged.unseen == Unseen.SEEN)
    looks = [judged]
    if shown.any():
        others = readable(older, grid, catalogue_of, forgiving=forgiving)
        seeing = (one for one in others if (one.unseen[own] == Unseen.SEEN).any())
        looks += islice(seeing, POST_LOOKS - 1)
    chosen = in_order(before, landslide.not_before, look.sensed_at)
    earlier = readable(chosen, grid, catalogue_of, forgiving=forgiving)
    pre, post = pair(until_clear(earlier, shown), looks)
    return Pair(grid, pre, post, judged.unseen, own)


def ask(post: Composite, own: BoolArray, asked: Asked) -> EnsembleMap:
    """Ask an ensemble about a composite, where it matters: NaN away from the own pixels (y, x)."""
    window = widened(ndimage.find_objects(own.astype(np.uint8))[0], own.shape)
    said = asked.predict(picture_of(post)[:, *window])
    mean, spread = (np.full(own.shape, np.nan, dtype=np.float32) for _ in range(2))
    mean[window], spread[window] = said.mean, said.spread
    return replace(said, mean=mean, spread=spread)


def read(
    items: Sequence[Acquisition], grid: Grid, catalogue_of: CatalogueOf, shelf: Shelf | None = None
) -> OpticalLook:
    """Read the items that one catalogue brought of one pass."""
    return read_optical(items, grid, catalogue_of(items[0]), shelf=shelf)


def readable(
    passes: Sequence[Sequence[Acquisition]],
    grid: Grid,
    catalogue_of: CatalogueOf,
    *,
    forgiving: bool = False,
    shelf: Shelf | None = None,
) -> Iterator[OpticalLook]:
    """Read passes one after the other; a broken old file must not silence a new look.

    Where several catalogues bring a pass, the first one that can be read counts.

    Args:
        passes: the preferred first.
        grid: where.
        catalogue_of: signs the hrefs.
        forgiving: leave out what cannot be fetched just now, too.
        shelf: what other regions read; None: nothing.

    Raises:
        ImageryUnavailable: a pass could not be fetched; a quota that is spent is never forgiven.
    """
    for items in passes:
        failed: ImageryUnavailable | None = None
        for source in dict.fromkeys(item.source for item in items):
            try:
                mine = [one for one in items if one.source == source]
                look = read(mine, grid, catalogue_of, shelf)
            except (UnreadableRaster, NothingObserved):
                continue
            except QuotaSpent:
                raise
            except ImageryUnavailable as error:
                failed = error
                continue
            yield look
            break
        else:
            if failed is not None and not forgiving:
                raise failed


def until_clear(looks: Iterable[OpticalLook], ground: BoolArray) -> Iterator[OpticalLook]:
    """Pass on ``PRE_LOOKS`` looks, and more until most of some ground has been clear in one.

    Args:
        looks: the preferred first.
        ground: (y, x), what is judged; none where there is nothing to judge.
    """
    clear = ~ground
    for number, look in enumerate(looks, start=1):
        yield look
        clear |= look.unseen == Unseen.SEEN
        if number >= PRE_LOOKS and clear[ground].sum() >= RULE.clear_to_refute * ground.sum():
            return


def in_order(
    looks: Sequence[Acquisition], not_before: datetime, season: datetime
) -> list[list[Acquisition]]:
    """Return the passes to compare with, the preferred first."""
    passes = group_passes(looks)
    chosen = choose_before([items[0].sensed_at for items in passes], not_before, season)
    return [passes[index] for index in chosen]


def _check(
    landslide: Landslide,
    look: Acquisition,
    evidence: OpticalEvidence,
    verdict: tuple[Finding, str],
    items: tuple[str, ...],
    weights: str,
) -> OpticalCheck:
    finding, reason = verdict
    return OpticalCheck(
        landslide_id=landslide.id,
        revision=landslide.revision,
        acquisition_id=look.id,
        sensed_at=look.sensed_at,
        finding=finding,
        reason=reason,
        share_clear=evidence.share_clear,
        unseen=evidence.unseen,
        ndvi_before=evidence.ndvi_before,
        d_ndvi=evidence.d_ndvi,
        share_changed=evidence.share_changed,
        ensemble_score=evidence.ensemble_score,
        ensemble_spread=evidence.ensemble_spread,
        outline=evidence.outline,
        outline_area_m2=evidence.area_m2,
        item_ids=items,
        weights_version=weights,
        config_hash=configuration_hash(RULE, ENSEMBLE, POST_LOOKS, PRE_LOOKS),
    )
