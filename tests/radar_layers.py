"""What a radar look leaves of a slope, written by our own writer: SIMULATED speckle, one slide."""

from __future__ import annotations

import numpy as np

from db import composites, queries
from db.engine import transaction
from db.records import CompositeRecord, Layer
from detectors.types import Grid, Landslide, Sensor, Unseen
from flows.composites import Composites
from flows.keeping import Looks, Scored, Subject, _records, radar_kinds
from tests.optical_watch import BEFORE, OpticalWatch
from tests.optical_world import GRID, SLIDE, tongue

#: dB by which the slide is brighter after, and the score it has, sigma.
CHANGE_DB, SIGMA = 6.0, 7.0
#: Pixels (row, column) that the look did not see.
LAYOVER = (slice(100, 140), slice(20, 50))
_LEVEL_DB = {"VV": -11.0, "VH": -18.0}


def keep_radar(world: OpticalWatch, landslide: Landslide, grid: Grid = GRID) -> tuple[
    CompositeRecord, ...
]:  # fmt: skip
    """Write the layers of the look that found a landslide, and store their rows."""
    services = world.services
    with transaction(services.engine) as s:
        region = queries.get_region(s, landslide.region_id)
        (look,) = (
            one.acquisition
            for one in queries.list_looks(s, region_id=region.id)
            if one.acquisition.sensor is Sensor.SAR
        )
    random = np.random.default_rng(6)
    names = tuple(_LEVEL_DB)
    level = np.array(list(_LEVEL_DB.values()), np.float32)[:, None, None]
    before, after = (
        (level + random.normal(0, 1.2, (len(names), *grid.shape))).astype(np.float32)
        for _ in range(2)
    )
    score = random.normal(0, 1, grid.shape).astype(np.float32)
    slid = np.zeros(grid.shape, bool)
    slid[SLIDE] = tongue(SLIDE)
    after[:, slid] += CHANGE_DB
    score[slid] += SIGMA
    unseen = np.zeros(grid.shape, np.uint8)
    unseen[LAYOVER] = Unseen.LAYOVER
    score[LAYOVER] = np.nan
    subject = Subject(region, look, None, simulated=True)
    pre = Looks(("S1-before",), (BEFORE,))
    post = Looks((look.item_id,), (look.sensed_at,))
    layers = {Layer.PRE: before, Layer.POST: after, Layer.SCORE: score, Layer.UNSEEN: unseen}
    root = services.settings.composites
    with Composites(root, grid, radar_kinds(names)) as files:
        for layer, values in layers.items():
            files.write(layer, values, (0, 0))
        written = files.finish(subject.stem, subject.tags(pre + post))
    made = Scored("sar_log_ratio", "none", "c")
    records = _records(subject, written, pre, post, made)
    with transaction(services.engine) as s:
        composites.store_composites(s, subject.stac_id, records)
    return records
