"""The shipped judgement of looks in arrays, and the peer's, for figures."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from rasterio import features
from scipy import ndimage
from scipy.special import logit
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from detectors import registry
from detectors.levels import Levels
from detectors.normalise import MAXIMUM_LOOKS, normalise
from detectors.projections import to_projected
from detectors.radiometry import POWER_CEILING
from detectors.sar_disturbance import load_model
from detectors.types import Grid, LookStack, ScoreMap, WatchedRegion
from detectors.vectorize import EIGHT_NEIGHBOURS, Outline, outlines
from flows.judging import LEVELS

#: What a region is judged by where its file says nothing else.
REGION = WatchedRegion("any", "Anywhere", MultiPolygon(), ())
DETECTORS = tuple(registry.create(name) for name in REGION.detectors)
#: dist-s1's defaults for low and high confidence in the metric of ``distmetrics``.
PEER_LEVELS = (2.5, 4.5)
#: Every patch that could be stored, whatever its evidence.
ANY_EVIDENCE = Levels(watch=0.0, watch_incomplete=0.0)


def score(pre: LookStack, post: LookStack) -> ScoreMap:
    """Score a look as ``flows.judging`` does."""
    return registry.judge(normalise(pre, post), DETECTORS)


def found(scores: ScoreMap, levels: Levels = LEVELS) -> list[Outline]:
    """Outline a scored look with the shipped levels over the whole grid."""
    everywhere = np.ones(scores.grid.shape, dtype=bool)
    return list(outlines(scores, levels, REGION.min_area_m2, everywhere, everywhere))


def peer_looks(stack: LookStack, *, despeckled: bool) -> np.ndarray:
    """Prepare the newest looks as the peer wants them: its own despeckling, logit of gamma0."""
    from distmetrics import despeckle_one_rtc_arr_with_tv

    looks = stack.gamma0[-MAXIMUM_LOOKS:]
    if not despeckled:
        looks = np.array([[despeckle_one_rtc_arr_with_tv(b) for b in look] for look in looks])
    ready: np.ndarray = logit(np.clip(looks, 1e-7, POWER_CEILING)).astype(np.float32)
    return ready


def peer_distance(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return ``distmetrics``' own metric: no shift removed, the larger of VV and VH.

    Args:
        before: (look, polarisation, y, x) of ``peer_looks``.
        now: (polarisation, y, x) of it.
    """
    from distmetrics import compute_transformer_zscore

    device = next(load_model().parameters()).device.type
    with warnings.catch_warnings():
        # The record that distmetrics returns has a validator pydantic frowns upon.
        warnings.filterwarnings("ignore", message="A custom validator is returning")
        result = compute_transformer_zscore(
            load_model(), [b[0] for b in before], [b[1] for b in before], *now,
            tqdm_enabled=False, device=device,
        )  # fmt: skip
    distance: np.ndarray = result.dist
    return distance


def peer_objects(distance: np.ndarray, level: float) -> list[np.ndarray]:
    """Return the masks of connected objects of six and more pixels over a level."""
    labels, _ = ndimage.label(np.nan_to_num(distance) > level, structure=EIGHT_NEIGHBOURS)
    sizes = np.bincount(labels.ravel())
    return [labels == k for k in range(1, len(sizes)) if sizes[k] >= LEVELS.minimum_pixels]


def mask_of(outline: BaseGeometry, grid: Grid) -> np.ndarray:
    """Pixels whose middle lies inside an outline, (y, x)."""
    mask: np.ndarray = features.geometry_mask(
        [outline], out_shape=grid.shape, transform=grid.transform, invert=True
    )
    return mask


def overlap(one: BaseGeometry, other: BaseGeometry) -> float:
    """Intersection over union of two outlines in the same projected system."""
    return float(shapely.area(one & other) / shapely.area(one | other))


@dataclass(frozen=True)
class Trial:
    """What became of one planted slide."""

    iou: dict[str, float]
    """Best overlap by who looked: ``watch``, ``likely``, and each peer level; 0 = not found."""


def trials(
    planted: Sequence[BaseGeometry], outlined: Sequence[Outline], distance: np.ndarray, grid: Grid
) -> Iterator[Trial]:
    """Match planted slides with what was found."""
    polygons = [(o, to_projected(o.polygon, grid.epsg)) for o in outlined]
    objects = {level: peer_objects(distance, level) for level in PEER_LEVELS}
    for slide in planted:
        mask = mask_of(slide, grid)
        iou = {
            "watch": max((overlap(slide, p) for _, p in polygons), default=0.0),
            "likely": max(
                (overlap(slide, p) for o, p in polygons if o.tier == "likely"), default=0.0
            ),
        }
        for level, masks in objects.items():
            iou[f"peer {level}"] = max(
                (float((m & mask).sum() / (m | mask).sum()) for m in masks), default=0.0
            )
        yield Trial(iou)
