"""A simulated landslide in simulated Sentinel-2 looks, judged: for pictures and messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import MultiPolygon

from detectors.compositing import pair
from detectors.ensemble import EnsembleMap
from detectors.masks import Sun, from_scl
from detectors.optical import Comparison, OpticalRule, compare, judge, measure
from detectors.projections import to_lonlat
from detectors.simulate import slide_outline
from detectors.simulate_ground import BANDS, Ground, fail, landscape
from detectors.simulate_optical import Sky, Spot, look
from detectors.types import (
    Composite,
    Grid,
    Landslide,
    OpticalCheck,
    OpticalLook,
    State,
    Tier,
    Unseen,
    derive_id,
)
from detectors.verdicts import decide

EPSG = 32610
GRID = Grid(EPSG, Affine(10, 0, 540_000, 0, -10, 4_205_000), 130, 130)
HEAD = (540_600.0, 4_204_480.0)
SLOPE = 205.0
EVENT = datetime(2023, 1, 2, tzinfo=UTC)
RULE = OpticalRule()


@dataclass(frozen=True, slots=True)
class Scene:
    """What one optical look made of one landslide."""

    landslide: Landslide
    """After the look."""
    suspected: MultiPolygon
    """Outline that was judged."""
    check: OpticalCheck
    """What the look said."""
    pre: Composite
    """Before."""
    post: Composite
    """After."""
    unseen: NDArray[np.uint8]
    """Of the judged look."""
    compared: Comparison
    """What changed."""


def scene(*, failed: bool, clouds: float = 0.2, cloudy: bool = False) -> Scene:
    """Judge a landslide that happened or did not.

    Args:
        failed: the slope failed.
        clouds: share of the judged look behind clouds.
        cloudy: they lie on the landslide as well.
    """
    outline = slide_outline(HEAD, SLOPE, 30_000.0)
    ground = landscape(GRID, 11, SLOPE)
    after = fail(ground, outline, SLOPE) if failed else ground
    spot = Spot(outline.centroid.x, outline.centroid.y, radius_m=420.0, cloudy=cloudy)
    sky = Sky(cloud=clouds, spots=(spot,))
    looks = [_look(ground, EVENT - timedelta(days=days), Sky()) for days in (12, 22)]
    judged = _look(after, EVENT + timedelta(days=9, hours=18, minutes=45), sky)
    pre, post = pair(looks, [judged])
    # Radar sees the place a pixel or two off, and not the whole of it.
    seen = affinity.scale(affinity.translate(outline, 25, -15), 0.85, 0.75)
    suspected = to_lonlat(seen, EPSG)
    compared = compare(suspected, pre, post, judged.unseen, RULE)
    loss = np.zeros(GRID.shape) if compared.change is None else compared.change.relative
    score = np.where(loss < -RULE.loss, 0.83, 0.02).astype(np.float32)
    ensemble = EnsembleMap(score, np.full_like(score, 0.06), 0.5, "none")
    evidence = measure(compared, ensemble if compared.change is not None else None, RULE)
    finding, reason = judge(evidence, 0.5, timedelta(days=9), RULE)
    landslide = _suspected(suspected)
    check = OpticalCheck(
        landslide_id=landslide.id, revision=1, acquisition_id=derive_id("scene"),
        sensed_at=judged.sensed_at, finding=finding, reason=reason,
        share_clear=evidence.share_clear, unseen=evidence.unseen,
        ndvi_before=evidence.ndvi_before, d_ndvi=evidence.d_ndvi,
        share_changed=evidence.share_changed, ensemble_score=evidence.ensemble_score,
        ensemble_spread=evidence.ensemble_spread, outline=evidence.outline,
        outline_area_m2=evidence.area_m2, item_ids=("SIMULATED",), weights_version="none",
        config_hash="none",
    )  # fmt: skip
    return Scene(
        decide(landslide, check) or landslide, MultiPolygon([suspected]), check, pre, post,
        judged.unseen, compared,
    )  # fmt: skip


def _look(ground: Ground, moment: datetime, sky: Sky) -> OpticalLook:
    reflectance, scl = look(ground, moment, Sun(160.0, 32.0), sky, 3)
    classes = np.kron(scl, np.ones((2, 2), dtype=np.uint8))[: GRID.height, : GRID.width]
    unseen = from_scl(classes, dilate_m=60.0, pixel_m=10.0)
    clear = np.where(unseen == Unseen.SEEN, reflectance, np.nan).astype(np.float32)
    return OpticalLook(GRID, BANDS, clear, unseen, moment, (f"SIMULATED-{moment:%Y%m%d}",))


def _suspected(outline: object) -> Landslide:
    return Landslide(
        id=derive_id("scene"), region_id="san-rafael", revision=1, state=State.SUSPECTED,
        tier=Tier.LIKELY, geometry=MultiPolygon([outline]), area_m2=21_000.0,
        not_before=EVENT - timedelta(days=6), not_after=EVENT + timedelta(days=6),
        detections=(), looks=1, score_max=7.4, evidence=24.0, change_db=4.3, cause="seen",
        simulated=True,
    )  # fmt: skip
