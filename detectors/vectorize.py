"""From a score map to outlines: hysteresis, sieve, polygons, evidence.

A landslide is a patch, not a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from affine import Affine
from rasterio import features
from scipy import ndimage
from shapely.geometry import Polygon, shape
from shapely.validation import make_valid

from detectors.levels import Levels, evidence_of
from detectors.projections import to_lonlat
from detectors.types import BoolArray, Grid, ScoreMap, Tier

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, slots=True)
class Outline:
    """One patch of changed pixels."""

    polygon: Polygon
    """EPSG:4326, lon/lat, valid."""
    area_m2: float
    """Pixels times pixel area on the projected grid, m2."""
    evidence: float
    """Mean absolute score, each cut at the ceiling, times the root of the size in 30 m pixels."""
    score_max: float
    """Largest absolute score, sigma."""
    score_mean: float
    """Mean absolute score, sigma."""
    change_db: float
    """Mean co-polarised change, dB."""
    tier: Tier
    """What the evidence of this one look is worth."""


def patches(scores: ScoreMap, levels: Levels) -> tuple[np.ndarray, int]:
    """Label the connected patches over ``grow`` that contain a pixel over ``seed``.

    Returns:
        int32 (y, x) labels, 0 = background, and the largest label.
    """
    strength = np.nan_to_num(np.abs(scores.score), nan=0.0)
    labels, count = ndimage.label(strength > levels.grow, structure=EIGHT_NEIGHBOURS)
    if count:
        peak = ndimage.maximum(strength, labels, np.arange(count + 1))
        labels[np.asarray(peak)[labels] <= levels.seed] = 0
    return labels, count


def outlines(
    scores: ScoreMap, levels: Levels, min_area_m2: float, inside: BoolArray, core: BoolArray
) -> Iterator[Outline]:
    """Yield the outlines worth storing, in row-major order of their first pixel.

    Args:
        scores: what the detectors say.
        levels: thresholds.
        min_area_m2: smallest polygon the region wants, m2.
        inside: (y, x), pixels of the region; a patch counts if any of its pixels lies inside.
        core: (y, x), pixels this block answers for; a patch belongs to the block that holds the
            middle of it, so that overlapping blocks report it once. (The strongest pixel would not
            do: blocks are normalised apart, and 2 % of patches on a seam were reported by none.)
    """
    pixel_area = scores.grid.pixel_area_m2
    smallest = max(levels.minimum_pixels, min_area_m2 / pixel_area)
    labels, _ = patches(scores, levels)
    for label, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is None:
            continue
        patch = labels[window] == label
        pixels = int(patch.sum())
        within = patch & inside[window]
        if pixels < smallest or not within.any() or not core[window][middle(within)]:
            continue
        strength = np.abs(scores.score[window][patch])
        area = pixels * pixel_area
        if np.minimum(strength, levels.ceiling).mean() < levels.least_mean:
            continue
        evidence = evidence_of(strength, area, levels.ceiling)
        if evidence < (levels.watch if scores.complete else levels.watch_incomplete):
            continue
        alerting = scores.complete and evidence >= levels.likely and area >= levels.likely_area_m2
        yield Outline(
            polygon=trace(patch, scores.grid, window),
            area_m2=area,
            evidence=evidence,
            score_max=float(strength.max()),
            score_mean=float(strength.mean()),
            change_db=float(scores.change_db[window][patch].mean()),
            tier=Tier.LIKELY if alerting else Tier.WATCH,
        )


def middle(patch: BoolArray) -> tuple[int, int]:
    """Return row and column of the patch's pixel that is nearest to its centroid."""
    rows, columns = np.nonzero(patch)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return int(rows[nearest]), int(columns[nearest])


def trace(patch: BoolArray, grid: Grid, window: tuple[slice, slice] | None = None) -> Polygon:
    """Return the outline of one patch, EPSG:4326; corners that touch are joined by a hair's bridge.

    Args:
        patch: (y, x), one connected set of True (corners count).
        grid: where the pixels are.
        window: rows and columns of the grid that ``patch`` covers; None for all of it.
    """
    rows, columns = window or (slice(0, None), slice(0, None))
    traced = features.shapes(
        patch.astype(np.uint8),
        mask=patch,
        connectivity=8,
        transform=grid.transform @ Affine.translation(columns.start, rows.start),
    )
    outline = make_valid(shape(next(traced)[0]))
    if not isinstance(outline, Polygon):
        outline = outline.buffer(abs(grid.transform.a) / 100.0, join_style="mitre")
    polygon: Polygon = to_lonlat(outline, grid.epsg)
    return polygon
