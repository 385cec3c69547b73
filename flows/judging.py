"""Judge one look: read, normalise, score, outline. No database, nothing stored.

The one way from an acquisition to detections; the poll, the replay, ``scarpwatch scene`` and the
picture of a landslide all go through ``judge``.

A landslide that is known is no part of its own ground's history: earlier looks that show it are
left out of the stack there (``flows.histories``), so that later looks see it again or fail to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from db.records import CompositeRecord
from detectors import ponding, registry
from detectors.bias import Bias
from detectors.conditions import Conditions
from detectors.drift import ScoreSummary
from detectors.errors import NotEnoughLooks, NothingObserved
from detectors.fusion import look_again, weighed
from detectors.levels import Levels
from detectors.normalise import MAXIMUM_LOOKS, Compared, Despeckle
from detectors.observability import Coverage, Tally
from detectors.ponding import Pond, PondingLevels, find_ponding, without_water
from detectors.radar_bias import BiasTally, ScoreTally
from detectors.types import (
    MINIMUM_LOOKS,
    SAME_PASS,
    Acquisition,
    Detection,
    FloatArray,
    Kind,
    Landslide,
    LookStack,
    RadarCheck,
    ScoreMap,
    Tier,
    WatchedRegion,
)
from detectors.vectorize import Outline, middle, outlines
from flows.catalogs.base import Catalogue
from flows.heights import Heights, NoHeights
from flows.histories import Changed, without_changes
from flows.imagery import group_passes
from flows.kept_open import keeping_open
from flows.rasters import Block
from flows.shared_scores import compare_and_score
from flows.shelf import Shelf
from flows.shown_blocks import shown_blocks

LEVELS = Levels()
PONDING = PondingLevels()
WET_SCENE = "wet scene: soil moisture, snow or frost moved the whole look"
SNOW = "snow: the ground lost 3 dB and more"
SNOW_ABOVE = "wet snow above {:.0f} m: not judged there"
WIND = "wind: open water is rougher than before; new water would hide"
INCOMPLETE = "one polarisation, or a detector stood back: stored as watch at most, never alerted"


@dataclass(frozen=True, slots=True)
class ScoredBlock:
    """One block of a look, scored."""

    block: Block
    """Where."""
    stack: Compared
    """What was compared."""
    scores: ScoreMap
    """What the detectors say."""
    pre: LookStack
    """Looks before, as they were read."""
    post: LookStack
    """The look."""
    clean: LookStack
    """Looks before, without what is known to have changed meanwhile: NaN there."""
    changed: tuple[Changed, ...] = ()
    """Known landslides of this block that were left out."""
    elevation: FloatArray | None = None
    """float32 (y, x), metres, NaN = not known; None where there is no elevation model."""
    careful: str | None = None
    """Why it was judged without the elevation that was asked for."""


class Keeper(Protocol):
    """Takes in the blocks of a look as they are judged."""

    def scored(self, scored: ScoredBlock) -> None:
        """Take a block that was judged."""
        ...

    def blind(self, block: Block, codes: NDArray[np.uint8] | None) -> None:
        """Take a block in which nothing could be judged; ``codes`` None means no data at all."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look says about a region."""

    detections: tuple[Detection, ...]
    """Everything from tier *watch* up."""
    coverage: Coverage
    """What could be seen of the region's ground in this product, and why not the rest."""
    advisory: str | None
    """Why to be careful with the look as a whole."""
    left_out: tuple[str, ...]
    """Earlier items that could not be read and were replaced by older ones."""
    checks: tuple[RadarCheck, ...] = field(default=())
    """What it says of landslides that are known, whether a detection joins them or not."""
    kept: tuple[CompositeRecord, ...] = field(default=())
    """Composites and score map, on disk already."""
    not_kept: str | None = None
    """Why they are not there although they should be."""
    biases: Mapping[str, Bias] = field(default_factory=dict)
    """By polarisation, or by band: how far the look departs on stable ground from its known
    peers."""
    said: ScoreSummary | None = None
    """What the radar detectors say of stable ground; None where there is too little of it."""

    @property
    def share_seen(self) -> float:
        """Share of the region's ground in this product that could be judged, 0 to 1."""
        return self.coverage.share_seen


def scored_blocks(
    region: WatchedRegion,
    acquisition: Acquisition,
    earlier: Sequence[Acquisition],
    catalogue: Catalogue,
    left_out: set[str],
    *,
    forgiving: bool = False,
    known: Sequence[Landslide] = (),
    tally: Tally | None = None,
    heights: Heights | None = None,
    keeper: Keeper | None = None,
    shelf: Shelf | None = None,
    despeckle: Despeckle | None = None,
) -> Iterator[ScoredBlock]:
    """Read and score a look block by block.

    Args:
        region: what to look at; chooses the detectors.
        acquisition: the look.
        earlier: items of the same track sensed before, from ``histories.PASSES_KNOWN`` passes at
            most.
        catalogue: signs the hrefs.
        left_out: receives the ids of earlier items that could not be read.
        forgiving: do without earlier items that cannot be fetched just now, while enough remain.
        known: landslides that are left out of their ground's history
            (``detectors.tracking.kept_out``).
        tally: counts what could be seen, of blocks without anything to judge as well.
        heights: tell snow from change, and basins from slopes; None without.
        keeper: takes in every block, judged or not; None: nobody.
        shelf: what other regions read and scored; None: nothing. The outcome is the same.
        despeckle: answers as ``despeckle_db`` does (``flows.despeckled``); None: that itself.

    Raises:
        NotEnoughLooks: fewer than ``MINIMUM_LOOKS`` readable passes.
        NothingObserved: no block holds a pixel that can be judged.
        UnreadableRaster, ImageryUnavailable: the look itself, or its stack just now.
    """
    detectors = [registry.create(name) for name in region.detectors]
    polarisations = acquisition.polarisations
    tally = Tally() if tally is None else tally
    heights = NoHeights() if heights is None else heights
    same = [a for a in earlier if set(polarisations) <= set(a.polarisations)]
    passes = group_passes(same)[::-1]
    if len(passes) < MINIMUM_LOOKS:
        raise NotEnoughLooks(
            f"{len(passes)} earlier looks of track {acquisition.track}, {MINIMUM_LOOKS} needed"
        )
    judged = False
    reason = f"{acquisition.item_id} shows no data inside the region"
    with shown_blocks(
        region, acquisition, passes, catalogue, left_out,
        forgiving=forgiving, known=known, heights=heights, shelf=shelf,
    ) as blocks:  # fmt: skip
        for block, shown in blocks:
            answering = block.core & block.inside
            if shown is None:
                tally.add_blind(block.grid, answering, None)
                if keeper is not None:
                    keeper.blind(block, None)
                continue
            pre, post, elevation = shown.pre, shown.post, shown.elevation
            clean = without_changes(pre, shown.changed)
            try:
                stack, scores = compare_and_score(
                    clean, post, shown.unseen, elevation, detectors, shelf, despeckle
                )
            except NothingObserved as error:
                reason = str(error)
                tally.add_blind(block.grid, answering, error.unseen)
                if keeper is not None:
                    keeper.blind(block, error.unseen)
                continue
            judged = True
            tally.add(scores.observability, answering)
            made = ScoredBlock(
                block, stack, scores, pre, post, clean, shown.changed, elevation, shown.careful
            )
            if keeper is not None:
                keeper.scored(made)
            yield made
            # The next block is in memory already, and the one after it on its way.
            del shown, pre, post, elevation, clean, stack, scores, made
    if not judged:
        raise NothingObserved(reason)


@keeping_open()
def judge(
    region: WatchedRegion,
    acquisition: Acquisition,
    earlier: Sequence[Acquisition],
    catalogue: Catalogue,
    *,
    forgiving: bool = False,
    at_work: Callable[[], None] = lambda: None,
    known: Sequence[Landslide] = (),
    heights: Heights | None = None,
    keeper: Keeper | None = None,
    peers: Collection[tuple[str, str]] = (),
    shelf: Shelf | None = None,
    despeckle: Despeckle | None = None,
) -> Judgement:
    """Return what one look says about a region; see ``scored_blocks`` for arguments and errors.

    ``at_work`` is called after each block, and may raise to end the work. ``peers`` are the
    platforms, with processing version, that the look is compared with on stable ground.
    """
    of_peers = {
        one.item_id for one in earlier if (one.platform, one.processing_version or "") in peers
    }
    bias, said = BiasTally(), ScoreTally()
    detections: list[Detection] = []
    checks: list[RadarCheck] = []
    left_out: set[str] = set()
    tally = Tally()
    advice: set[str] = set()
    for scored in scored_blocks(
        region, acquisition, earlier, catalogue, left_out,
        forgiving=forgiving, known=known, tally=tally, heights=heights, keeper=keeper,
        shelf=shelf, despeckle=despeckle,
    ):  # fmt: skip
        at_work()
        advice |= {scored.careful} if scored.careful else set()
        advice |= advisories(scored.scores, scored.stack.conditions, whole=True)
        _compare(scored, of_peers, bias, said)
        detections.extend(_detections(region, acquisition, earlier, scored))
        checks.extend(_checks(acquisition, scored))
        del scored  # see there
    return Judgement(
        tuple(detections), tally.coverage, "; ".join(sorted(advice)) or None,
        tuple(sorted(left_out)), tuple(checks), biases=bias.biases(), said=said.summary(),
    )  # fmt: skip


def _compare(
    scored: ScoredBlock, of_peers: Collection[str], bias: BiasTally, said: ScoreTally
) -> None:
    """Hold a block of a look against the looks of its known peers, on ground that stays."""
    theirs = [
        number
        for number, items in enumerate(scored.pre.item_ids)
        if all(item in of_peers for item in items)
    ]
    usable = scored.stack.judged & scored.block.core
    for one in scored.changed:
        usable &= ~one.around
    pre = scored.pre.gamma0[theirs[-MAXIMUM_LOOKS:]]
    stable = bias.add(pre, scored.post.gamma0[0], scored.post.polarisations, usable)
    said.add(scored.scores.score, stable)


def advisories(scores: ScoreMap, weather: Conditions, *, whole: bool = False) -> set[str]:
    """Return why to be careful with a detection, or with the look as a ``whole``.

    Wind moves open water, which is never judged: it says nothing against a landslide.
    """
    line = weather.snow_line_m
    reasons = (
        (SNOW, weather.snow),
        (SNOW_ABOVE.format(line or 0.0), whole and line is not None),
        (WET_SCENE, scores.wet_scene and not weather.snow),
        (WIND, whole and weather.wind),
        (INCOMPLETE, not scores.complete),
    )
    return {text for text, holds in reasons if holds}


def _checks(acquisition: Acquisition, scored: ScoredBlock) -> Iterator[RadarCheck]:
    """Ask the look about the known landslides whose middle this block answers for."""
    for one in scored.changed:
        landslide, own = one.landslide, one.own
        later = acquisition.sensed_at - landslide.not_after > SAME_PASS
        if not (later and weighed(landslide) and own.any() and scored.block.core[middle(own)]):
            continue
        check = look_again(
            landslide, acquisition.id, scored.scores, own, LEVELS,
            steady=scored.stack.conditions.steady,
        )  # fmt: skip
        if check is not None:
            yield replace(check, sensed_at=acquisition.sensed_at)


def _detections(
    region: WatchedRegion,
    acquisition: Acquisition,
    earlier: Sequence[Acquisition],
    scored: ScoredBlock,
) -> Iterator[Detection]:
    """Turn the outlines of one block into records that say where they came from."""
    scores, block = scored.scores, scored.block
    items = [item for look in scored.pre.item_ids for item in look]
    simulated = (
        region.simulated
        or acquisition.simulated
        or any(a.simulated for a in earlier if a.item_id in items)
    )
    landslide_config = registry.configuration_hash(
        scores.config_hash, LEVELS, region.min_area_m2, region.detectors
    )
    pond_config = registry.configuration_hash(registry.PREPARATION, PONDING, region.min_area_m2)
    ponds = list(
        find_ponding(
            scored.clean, scored.stack, PONDING,
            inside=block.inside, core=block.core, min_area_m2=region.min_area_m2,
            elevation=scored.elevation,
        )
    )  # fmt: skip
    found: list[Outline] = list(
        outlines(scores, LEVELS, region.min_area_m2, block.inside, block.core)
    )
    if scored.stack.conditions.snow:
        # Snow over the whole ground: what darkened there more than the rest need not have moved.
        found = [replace(o, tier=Tier.WATCH) if o.change_db < 0 else o for o in found]
    for outline in (*without_water(found, ponds), *ponds):
        advice = advisories(scores, scored.stack.conditions)
        before = last_without(scored, outline)
        pond = outline if isinstance(outline, Pond) else None
        if pond is not None:
            advice |= {pond.advisory} if pond.advisory else set()
            before = min(before, pond.last_dry)
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
            not_before=before,
            not_after=acquisition.sensed_at,
            item_ids=(*items, acquisition.item_id),
            detector=scores.detector if pond is None else ponding.NAME,
            weights_version=scores.weights_version if pond is None else "none",
            config_hash=landslide_config if pond is None else pond_config,
            advisory="; ".join(sorted(advice)) or None,
            simulated=simulated,
            kind=Kind.LANDSLIDE if pond is None else Kind.PONDING,
        )


def last_without(scored: ScoredBlock, outline: Outline) -> datetime:
    """Return when the newest look of an outline's history was taken, UTC."""
    since = [one.since for one in scored.changed if one.ground.intersects(outline.polygon)]
    sensed = scored.pre.sensed_at
    return max((at for at in sensed if all(at <= s for s in since)), default=sensed[0])
