"""From looks to comparable looks: despeckled, in dB, with wide shifts taken out.

Rain, snow and frost move whole scenes by several dB (2023-01-01 in California: every burst by 2 to
5 dB). Such a shift depends on the land cover, for which the level before the event stands in: the
pixels are cut into strata of that level, per polarisation, and the median difference of each
stratum is removed before any single pixel is judged. What remains of a wet scene is a wider spread,
which the detectors divide by (``standardise``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.errors import IncomparableLooks, NotEnoughLooks, NothingObserved
from detectors.radiometry import despeckle_db, to_db
from detectors.types import BoolArray, FloatArray, LookStack, ensure_comparable

#: Strata of the pre-event level, per polarisation (SCIENCE: quartiles).
STRATA = 4
#: Fewest looks a pixel must have been seen in before a new one can be judged.
MINIMUM_LOOKS = 6
#: Most looks a pre stack holds, newest kept.
MAXIMUM_LOOKS = 10
#: Cross-polarised level at which Sentinel-1 records little but its own noise: open water and smooth
#: sand. A change there says nothing of a slope.
NOISE_LEVEL_DB = -24.0
#: A look whose median shift exceeds this in any polarisation is called wet (dB).
WET_SHIFT_DB = 1.0
#: How much heavier than normal a scene's tail may count (see ``standardise``).
TAIL_LIMIT = 1.75
#: Median absolute deviation to standard deviation of a normal distribution.
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class NormalisedStack:
    """What detectors compare: the pre stack and one post look, dB, wide shifts removed."""

    looks: LookStack
    """The post look as it was read (grid, track, times)."""
    pre_db: FloatArray
    """(look, polarisation, y, x), dB, shifts removed, NaN = no data."""
    post_db: FloatArray
    """(polarisation, y, x), dB, shifts removed, NaN = no data."""
    level_db: FloatArray
    """(polarisation, y, x), median of the pre stack, dB."""
    change_db: FloatArray
    """(y, x), co-polarised change of the look as it was read (not despeckled, which damps small
    patches) against the mean of the stack, dB, shifts removed, NaN = not judged."""
    strata: NDArray[np.int8]
    """(polarisation, y, x), stratum of the level, -1 = not judged."""
    judged: BoolArray
    """(y, x), observed now and often enough before, and above the noise."""
    wet_scene: bool
    """The look as a whole departs from its stack."""


def _strata(level: FloatArray, judged: BoolArray) -> NDArray[np.int8]:
    """Cut (y, x) levels into equally filled strata; -1 where not judged."""
    edges = np.quantile(level[judged], np.linspace(0, 1, STRATA + 1)[1:-1])
    strata = np.digitize(level, edges).astype(np.int8)
    strata[~judged] = -1
    return strata


def _median(values: FloatArray) -> float:
    """Median of the finite values, 0 if there are none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else 0.0


def wide_shift(difference: FloatArray, strata: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the median of a (y, x) difference per stratum, float32 (strata,)."""
    return np.array([_median(difference[strata == k]) for k in range(STRATA)], dtype=np.float32)


def standardise(score: FloatArray, strata: NDArray[np.int8]) -> FloatArray:
    """Express a (y, x) score in sigma of this very scene, never more sensitively than it came.

    Each stratum is centred on its median and divided by its spread where that exceeds one: quiet
    scenes keep the detector's own scale, a half-dried one is damped. The spread is the median
    absolute deviation, or the 95th percentile where the tail is heavier, but never more than
    ``TAIL_LIMIT`` times the former, so that a landslide that fills a good part of a stratum does
    not hide itself.

    Returns:
        float32 (y, x), NaN where not judged.
    """
    scaled = np.full_like(score, np.nan)
    for k in range(STRATA):
        here = (strata == k) & np.isfinite(score)
        if not here.any():
            continue
        centred = score[here] - np.median(score[here])
        core = MAD_TO_SIGMA * float(np.median(np.abs(centred)))
        tail = float(np.percentile(np.abs(centred), 95)) / 1.96
        scaled[here] = centred / max(1.0, min(max(core, tail), TAIL_LIMIT * core))
    return scaled


def per_pixel(values: NDArray[np.float32], strata: NDArray[np.int8]) -> FloatArray:
    """Spread one value per stratum over the (y, x) pixels, NaN where not judged."""
    return np.append(values, np.float32(np.nan))[strata]


def normalise(pre: LookStack, post: LookStack) -> NormalisedStack:
    """Make a pre stack and one post look comparable.

    Args:
        pre: looks before, same grid, track and polarisations; the newest ``MAXIMUM_LOOKS`` count.
        post: exactly one look after them.

    Raises:
        IncomparableLooks: grids, polarisations, tracks or times do not fit; post is not one look.
        NotEnoughLooks: fewer than ``MINIMUM_LOOKS`` in the pre stack.
        NothingObserved: no pixel was observed both now and often enough before.
    """
    if len(pre) < MINIMUM_LOOKS:
        raise NotEnoughLooks(
            f"{len(pre)} earlier looks of track {post.track}, {MINIMUM_LOOKS} needed"
        )
    ensure_comparable(pre, post)
    if len(post) != 1:
        raise IncomparableLooks(f"one look is judged at a time, not {len(post)}")
    newest = pre.gamma0[-MAXIMUM_LOOKS:]
    pre_db = np.stack([[despeckle_db(band) for band in to_db(look)] for look in newest])
    post_db = np.stack([despeckle_db(band) for band in to_db(post.gamma0[0])])

    seen = np.isfinite(pre_db).all(axis=1)
    judged: BoolArray = np.isfinite(post_db).all(axis=0) & (seen.sum(axis=0) >= MINIMUM_LOOKS)
    if not judged.any():
        raise NothingObserved(f"no pixel of track {post.track} was observed now and before")
    level = np.full_like(post_db, np.nan)
    level[:, judged] = np.nanmedian(pre_db[:, :, judged], axis=0)
    if len(post.polarisations) > 1:
        with np.errstate(invalid="ignore"):
            judged &= level[-1] > NOISE_LEVEL_DB
        if not judged.any():
            raise NothingObserved(f"track {post.track} sees nothing above the noise here (water)")

    strata = np.stack([_strata(band, judged) for band in level])
    wet = False
    raw = to_db(np.concatenate([newest[:, 0], post.gamma0[0, :1]]))
    for band, cut in enumerate(strata):
        for number, look in enumerate((*pre_db, post_db)):
            shift = wide_shift(look[band] - level[band], cut)
            look[band] -= per_pixel(shift, cut)
            if band == 0:
                raw[number] -= per_pixel(shift, cut)
        # The last one was the post look's.
        wet |= abs(float(np.median(shift))) > WET_SHIFT_DB
    change = np.full_like(raw[-1], np.nan)
    change[judged] = raw[-1][judged] - np.nanmean(raw[:-1, judged], axis=0)
    return NormalisedStack(post, pre_db, post_db, level, change, strata, judged, wet)
