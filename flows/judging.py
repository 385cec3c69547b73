"""Judge one look: read, normalise, score, outline. No database, nothing stored.

The one way from an acquisition to detections; the poll, the replay, ``scarpwatch scene`` and the
picture of a landslide all go through ``judge``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detectors import registry
from detectors.errors import (
    ImageryUnavailable,
    NotEnoughLooks,
    NothingObserved,
    QuotaSpent,
    UnreadableRaster,
)
from detectors.normalise import MAXIMUM_LOOKS, MINIMUM_LOOKS, NormalisedStack, normalise
from detectors.types import Acquisition, Detection, FloatArray, LookStack, ScoreMap, WatchedRegion
from detectors.vectorize import Levels, outlines
from flows.catalogs.base import Catalogue
from flows.imagery import group_passes, plan_blocks, read_pass, stack_looks
from flows.rasters import Block

#: Passes to know of beyond those a stack holds, to replace unreadable ones.
SPARE_PASSES = 3
LEVELS = Levels()
WET_SCENE = "wet scene: soil moisture, snow or frost moved the whole look"
INCOMPLETE = "one polarisation, or a detector stood back: stored as watch at most, never alerted"


@dataclass(frozen=True, slots=True)
class ScoredBlock:
    """One block of a look, scored."""

    block: Block
    """Where."""
    stack: NormalisedStack
    """What was compared."""
    scores: ScoreMap
    """What the detectors say."""
    pre: LookStack
    """Looks before."""
    post: LookStack
    """The look."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look says about a region."""

    detections: tuple[Detection, ...]
    """Everything from tier *watch* up."""
    share_seen: float
    """Share of the region's pixels in this product that could be judged, 0 to 1."""
    advisory: str | None
    """Why to be careful with the look as a whole."""
    left_out: tuple[str, ...]
    """Earlier items that could not be read and were replaced by older ones."""


def scored_blocks(
    region: WatchedRegion,
    acquisition: Acquisition,
    earlier: Sequence[Acquisition],
    catalogue: Catalogue,
    left_out: set[str],
    *,
    forgiving: bool = False,
) -> Iterator[ScoredBlock]:
    """Read and score a look block by block.

    Args:
        region: what to look at; chooses the detectors.
        acquisition: the look.
        earlier: items of the same track sensed before, from ``MAXIMUM_LOOKS + SPARE_PASSES`` passes
            at most.
        catalogue: signs the hrefs.
        left_out: receives the ids of earlier items that could not be read.
        forgiving: do without earlier items that cannot be fetched just now, while enough remain.

    Raises:
        NotEnoughLooks: fewer than ``MINIMUM_LOOKS`` readable passes.
        NothingObserved: no block holds a pixel that can be judged.
        UnreadableRaster, ImageryUnavailable: the look itself, or its stack just now.
    """
    detectors = [registry.create(name) for name in region.detectors]
    polarisations = acquisition.polarisations
    same = [a for a in earlier if set(polarisations) <= set(a.polarisations)]
    passes = group_passes(same)[::-1]
    if len(passes) < MINIMUM_LOOKS:
        raise NotEnoughLooks(
            f"{len(passes)} earlier looks of track {acquisition.track}, {MINIMUM_LOOKS} needed"
        )
    judged = False
    reason = f"{acquisition.item_id} shows no data inside the region"
    for block in plan_blocks(acquisition, region, catalogue):
        gamma0 = read_pass([acquisition], polarisations, block.grid, catalogue)
        if not np.isfinite(gamma0).all(axis=0)[block.inside].any():
            continue
        post = stack_looks([gamma0], [[acquisition]], polarisations, block.grid)
        pre = _read_stack(passes, polarisations, block, catalogue, left_out, forgiving)
        try:
            stack = normalise(pre, post)
        except NothingObserved as error:
            reason = str(error)
            continue
        judged = True
        yield ScoredBlock(block, stack, registry.judge(stack, detectors), pre, post)
    if not judged:
        raise NothingObserved(reason)


def _read_stack(
    passes: Sequence[Sequence[Acquisition]],
    polarisations: tuple[str, ...],
    block: Block,
    catalogue: Catalogue,
    left_out: set[str],
    forgiving: bool,
) -> LookStack:
    """Read the newest passes that can be read; a broken old file must not silence a new look."""
    looks: list[FloatArray] = []
    used: list[Sequence[Acquisition]] = []
    unavailable: ImageryUnavailable | None = None
    for items in passes:
        if len(used) == MAXIMUM_LOOKS:
            break
        try:
            looks.append(read_pass(items, polarisations, block.grid, catalogue))
        except UnreadableRaster:
            left_out.update(item.item_id for item in items)
            continue
        except QuotaSpent:
            # It ends for the whole look; a stack that thins from block to block helps nobody.
            raise
        except ImageryUnavailable as error:
            if not forgiving:
                raise
            unavailable = error
            left_out.update(item.item_id for item in items)
            continue
        used.append(items)
    if unavailable is not None and len(used) < MINIMUM_LOOKS:
        raise unavailable
    return stack_looks(looks, used, polarisations, block.grid)


def judge(
    region: WatchedRegion,
    acquisition: Acquisition,
    earlier: Sequence[Acquisition],
    catalogue: Catalogue,
    *,
    forgiving: bool = False,
    at_work: Callable[[], None] = lambda: None,
) -> Judgement:
    """Return what one look says about a region; see ``scored_blocks`` for arguments and errors.

    ``at_work`` is called after each block, and may raise to end the work.
    """
    detections: list[Detection] = []
    left_out: set[str] = set()
    seen = wanted = 0
    advice: set[str] = set()
    for scored in scored_blocks(
        region, acquisition, earlier, catalogue, left_out, forgiving=forgiving
    ):
        at_work()
        answering = scored.block.core & scored.block.inside
        wanted += int(answering.sum())
        seen += int((scored.stack.judged & answering).sum())
        advice |= advisories(scored.scores)
        detections.extend(_detections(region, acquisition, earlier, scored))
    return Judgement(
        tuple(detections),
        seen / wanted if wanted else 0.0,
        "; ".join(sorted(advice)) or None,
        tuple(sorted(left_out)),
    )


def advisories(scores: ScoreMap) -> set[str]:
    """Return why to be careful with a look."""
    reasons = ((WET_SCENE, scores.wet_scene), (INCOMPLETE, not scores.complete))
    return {text for text, holds in reasons if holds}


def _detections(
    region: WatchedRegion,
    acquisition: Acquisition,
    earlier: Sequence[Acquisition],
    scored: ScoredBlock,
) -> Iterator[Detection]:
    """Turn the outlines of one block into records that say where they came from."""
    scores = scored.scores
    items = [item for look in scored.pre.item_ids for item in look]
    simulated = (
        region.simulated
        or acquisition.simulated
        or any(a.simulated for a in earlier if a.item_id in items)
    )
    configuration = registry.configuration_hash(
        scores.config_hash, LEVELS, region.min_area_m2, region.detectors
    )
    for outline in outlines(
        scores, LEVELS, region.min_area_m2, scored.block.inside, scored.block.core
    ):
        yield Detection(
            region_id=region.id,
            acquisition_id=acquisition.id,
            polygon=outline.polygon,
            area_m2=outline.area_m2,
            score_max=outline.score_max,
            score_mean=outline.score_mean,
            evidence=outline.evidence,
            change_db=outline.change_db,
            tier=outline.tier,
            not_before=scored.pre.sensed_at[-1],
            not_after=acquisition.sensed_at,
            item_ids=(*items, acquisition.item_id),
            detector=scores.detector,
            weights_version=scores.weights_version,
            config_hash=configuration,
            advisory="; ".join(sorted(advisories(scores))) or None,
            simulated=simulated,
        )
