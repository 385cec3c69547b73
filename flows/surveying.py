"""Search one optical look of a region for landslides that no radar look has suspected.

Block by block, so that memory does not grow with the region. The ensemble is only asked about
windows around lost vegetation: most looks of most regions have none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np

from detectors.compositing import pair
from detectors.ensemble import EnsembleMap
from detectors.errors import NothingObserved
from detectors.observability import Tally
from detectors.optical_bias import OpticalTally
from detectors.optical_search import Find, search
from detectors.registry import configuration_hash
from detectors.types import (
    SAME_PASS,
    Acquisition,
    BoolArray,
    Composite,
    Detection,
    FloatArray,
    Observability,
    OpticalLook,
    Sensor,
    Tier,
    Unseen,
    WatchedRegion,
)
from flows.catalogs.base import charges
from flows.examining import (
    ENSEMBLE,
    PRE_LOOKS,
    RULE,
    SHIPPED,
    CatalogueOf,
    in_order,
    read,
    readable,
)
from flows.inferring import Asked
from flows.judging import Judgement
from flows.kept_open import keeping_open, one_ahead
from flows.optical_imagery import BLOCK_PIXELS, plan_optical_blocks
from flows.rasters import Block
from flows.shelf import Shelf

DETECTOR = "optical_change+landslide-rgb"
#: Turns of a picture that are averaged: a verdict takes eight, a search that a second look has to
#: confirm anyway takes one.
ORIENTATIONS = 1


@keeping_open()
def survey(
    region: WatchedRegion,
    look: Acquisition,
    before: Sequence[Acquisition],
    catalogue_of: CatalogueOf,
    *,
    forgiving: bool = False,
    at_work: Callable[[], None] = lambda: None,
    asked: Asked = SHIPPED,
    peers: Collection[tuple[str, str]] = (),
    shelf: Shelf | None = None,
) -> Judgement:
    """Return what one optical look shows that nothing was known of.

    Args:
        region: what to look at.
        look: the look.
        before: optical looks before it.
        catalogue_of: signs the hrefs.
        forgiving: do without earlier looks that cannot be fetched just now.
        at_work: called for each block and each earlier look of it, and before each question to the
            ensemble, all of which take seconds; may raise to end the work.
        asked: the ensemble.
        peers: platforms, with processing version, that the look is compared with on stable ground;
            none where its own is known, since that takes reading more looks.
        shelf: what other regions read; None: nothing. The outcome is the same.

    Raises:
        NotEnoughLooks: no look before.
        NothingObserved: the look shows no clear pixel inside the region.
        UnreadableRaster, ImageryUnavailable: the look cannot be read, or an earlier one just now.
    """
    version = asked.model.version
    preferred = in_order(before, look.sensed_at - SAME_PASS, look.sensed_at)

    def ask(picture: FloatArray) -> EnsembleMap:
        """Ask the networks, which are loaded only once there is something to ask about."""
        at_work()
        return asked.predict(picture, ORIENTATIONS)

    finds: list[Detection] = []
    tally, bias = Tally(), OpticalTally()
    of_peers = {
        one.item_id for one in before if (one.platform, one.processing_version or "") in peers
    }

    def show(block: Block) -> tuple[Block, OpticalLook, Iterator[OpticalLook]]:
        """Read the look and, where it is clear, the first one before it."""
        now = read([look], block.grid, catalogue_of, shelf)
        earlier = readable(preferred, block.grid, catalogue_of, forgiving=forgiving, shelf=shelf)
        sure = islice(earlier, int(_clear(now, block).any()))
        return block, now, chain(list(sure), earlier)

    catalogue = catalogue_of(look)
    planned = plan_optical_blocks(look, region, catalogue, shelf)
    with one_ahead(map(show, planned), ahead=not charges(catalogue)) as blocks:
        for block, now, earlier in blocks:
            at_work()
            answering = block.core & block.inside
            clear = _clear(now, block)
            if not clear.any():
                tally.add(Observability(block.grid, now.unseen), answering)
                continue
            bias.begin(now, answering)
            shown = _shown(islice(earlier, PRE_LOOKS), bias, of_peers, at_work)
            pre, post = pair(shown, [now])
            if of_peers:
                deque(shown, maxlen=0)  # a pair takes what one look needs; comparing takes them all
            bias.end()
            fresh = clear & (pre.looks == 0)
            codes = np.where(fresh, np.uint8(Unseen.TOO_FEW_LOOKS), now.unseen)
            tally.add(Observability(block.grid, codes), answering)
            pixel_m2 = block.grid.pixel_area_m2
            smallest = max(RULE.minimum_pixels, round(region.min_area_m2 / pixel_m2))
            found = search(pre, post, block.inside, block.core, ask, smallest, RULE)
            finds += [_detection(region, look, before, pre, find, version) for find in found]
    if not tally.coverage.share_seen:
        raise NothingObserved(f"{look.item_id}: no pixel of the region could be compared")
    return Judgement(tuple(finds), tally.coverage, None, (), biases=bias.biases())


def _clear(look: OpticalLook, block: Block) -> BoolArray:
    """Return where a look shows the region (y, x)."""
    clear: BoolArray = (look.unseen == Unseen.SEEN) & block.inside
    return clear


def _shown(
    looks: Iterable[OpticalLook], bias: OpticalTally, of_peers: set[str],
    at_work: Callable[[], None],
) -> Iterator[OpticalLook]:  # fmt: skip
    """Pass earlier looks on, and show those of known platforms to the tally."""
    for look in looks:
        at_work()
        if of_peers.issuperset(look.item_ids):
            bias.saw(look)
        yield look


def _detection(
    region: WatchedRegion,
    look: Acquisition,
    before: Sequence[Acquisition],
    pre: Composite,
    find: Find,
    weights: str,
) -> Detection:
    """Make a record that says where it came from."""
    used = set(pre.item_ids)
    simulated = region.simulated or look.simulated
    return Detection(
        region_id=region.id,
        acquisition_id=look.id,
        polygon=find.polygon,
        area_m2=find.area_m2,
        score_max=find.score_max,
        score_mean=find.score_mean,
        evidence=find.evidence,
        change_db=None,
        tier=Tier.WATCH,
        not_before=pre.sensed_at[find.oldest],
        not_after=look.sensed_at,
        item_ids=(*pre.item_ids, look.item_id),
        detector=DETECTOR,
        weights_version=weights,
        config_hash=configuration_hash(
            RULE, ENSEMBLE, ORIENTATIONS, PRE_LOOKS, BLOCK_PIXELS, region.min_area_m2
        ),
        source=Sensor.OPTICAL,
        d_ndvi=find.d_ndvi,
        ensemble_score=find.ensemble_score,
        simulated=simulated or any(a.simulated for a in before if a.item_id in used),
    )
