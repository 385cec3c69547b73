"""Landslides that only an optical look shows: lost vegetation that the ensemble agrees with.

One look against the clear look before it. What comes out is suspected at tier *watch*: a second
clear look, or a person, decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from shapely.geometry import Polygon

from detectors.compositing import ndvi
from detectors.ensemble import EnsembleMap
from detectors.levels import Levels, evidence_of
from detectors.optical import (
    OpticalRule,
    field_like,
    mean_over,
    picture_of,
    vegetation_change,
    widened,
)
from detectors.types import BoolArray, Composite, FloatArray
from detectors.vectorize import EIGHT_NEIGHBOURS, middle, trace

#: NDVI from which ground counts as vegetated when the quiet ground of a block is looked for.
VEGETATED = 0.3
CEILING = Levels().ceiling


@dataclass(frozen=True, slots=True)
class Find:
    """One patch of lost vegetation that the ensemble takes for a landslide."""

    polygon: Polygon
    """EPSG:4326, lon/lat."""
    area_m2: float
    """Pixels times pixel area, m2."""
    d_ndvi: float
    """Median NDVI change against the vegetated ground of the block."""
    score_max: float
    """Largest loss, sigma of that ground."""
    score_mean: float
    """Mean loss, sigma of that ground."""
    evidence: float
    """Evidence of the patch (``detectors.vectorize``)."""
    ensemble_score: float
    """Mean of the ensemble, 0 to 1."""
    oldest: int
    """Index into ``pre.sensed_at``: every pixel was clear, without it, at that look or later."""


def search(
    pre: Composite,
    post: Composite,
    inside: BoolArray,
    core: BoolArray,
    ask: Callable[[FloatArray], EnsembleMap],
    smallest: int,
    rule: OpticalRule,
) -> Iterator[Find]:
    """Yield the finds of one block, in row-major order of their first pixel.

    Args:
        pre: the clear look before, per pixel.
        post: the look, on the same grid.
        inside: (y, x), pixels of the region.
        core: (y, x), pixels this block answers for; a patch belongs to the block of its middle.
        ask: what the ensemble says of a picture float32 (red, green, blue; y, x).
        smallest: pixels.
        rule: thresholds; the loss counts against all vegetated ground of the block.
    """
    before = ndvi(pre.reflectance, pre.bands)
    with np.errstate(invalid="ignore"):
        green = before >= VEGETATED
    if not green.any():
        return
    change = vegetation_change(pre, post, green, float(np.median(before[green])), rule)
    if change is None:
        return
    picture = picture_of(post)
    labels, _ = ndimage.label(change.bared, structure=EIGHT_NEIGHBOURS)
    for label, window in enumerate(ndimage.find_objects(labels), start=1):
        patch = labels[window] == label
        within = patch & inside[window]
        if patch.sum() < smallest or not within.any() or not core[window][middle(within)]:
            continue
        if field_like(patch, rule):
            continue
        wide = widened(window, labels.shape)
        said = ask(picture[:, *wide])
        score = mean_over(said.mean, labels[wide] == label)
        if score is None or score < said.threshold:
            continue
        strength = np.abs(change.relative[window][patch]) / change.sigma
        area = float(patch.sum()) * post.grid.pixel_area_m2
        yield Find(
            polygon=trace(patch, post.grid, window),
            area_m2=area,
            d_ndvi=float(np.median(change.relative[window][patch])),
            score_max=float(strength.max()),
            score_mean=float(strength.mean()),
            evidence=evidence_of(strength, area, CEILING),
            ensemble_score=score,
            oldest=int(pre.date[window][patch].min()),
        )
