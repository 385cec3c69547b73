"""How well a score ranks known places before others: area under the ROC curve, with its interval.

The interval is DeLong's (1988, Biometrics 44, 837-845): exact sums over pairs, no random numbers.
It takes places as independent of each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from detectors.errors import InvalidSamples
from detectors.types import BoolArray, FloatArray

Scores = NDArray[np.float64]

#: Standard errors on either side of a 95 % interval.
_SIDES = 1.959964


@dataclass(frozen=True, slots=True)
class Ranking:
    """How known places rank among others."""

    auc: float
    """Chance that a known place scores higher than another one; ties count half, 0..1."""
    low: float
    """Lower end of the 95 % interval, 0..1."""
    high: float
    """Upper end."""


def rank(known: Scores, others: Scores) -> Ranking:
    """Return the area under the curve and its interval, made on the logit scale.

    Args:
        known: scores of the known places, (n,), at least two.
        others: scores of what they are held against, (m,), at least two.

    Raises:
        InvalidSamples: fewer.
    """
    above, below = _placements(known, others)
    auc = float(above.mean())
    if not 0 < auc < 1:
        return Ranking(auc, auc, auc)
    error = math.sqrt(_variance(above) + _variance(below)) / (auc * (1 - auc))
    middle = math.log(auc / (1 - auc))
    low, high = (1 / (1 + math.exp(-(middle + side * error))) for side in (-_SIDES, _SIDES))
    return Ranking(auc, low, high)


def gain(known: tuple[Scores, Scores], others: tuple[Scores, Scores]) -> tuple[float, float, float]:
    """Return how much larger one score's area is than another's, and its 95 % interval.

    Args:
        known: (ours, theirs) at the same known places.
        others: (ours, theirs) at the same other places.

    Raises:
        InvalidSamples: fewer than two places on either side.
    """
    ours, theirs = (_placements(*pair) for pair in zip(known, others, strict=True))
    above, below = ours[0] - theirs[0], ours[1] - theirs[1]
    difference = float(above.mean())
    error = math.sqrt(_variance(above) + _variance(below))
    return difference, difference - _SIDES * error, difference + _SIDES * error


def local_maximum(score: FloatArray, side: int) -> FloatArray:
    """Return the largest score of a square window, NaN where the pixel itself is no data.

    Args:
        score: (y, x), NaN = no data.
        side: of the window, pixels, odd.
    """
    valid = np.isfinite(score)
    largest: FloatArray = ndimage.maximum_filter(
        np.where(valid, score, -np.inf), side, mode="constant", cval=-np.inf
    )
    return np.where(valid, largest, np.nan).astype(np.float32)


def draw(valid: BoolArray, many: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of random valid pixels, each pixel at most once.

    Args:
        valid: (y, x), True where there is data.
        many: pixels to draw; all where there are no more.
        seed: of the draw.
    """
    places = np.flatnonzero(valid)
    drawn = np.random.default_rng(seed).choice(places, min(many, len(places)), replace=False)
    rows, columns = np.unravel_index(drawn, valid.shape)
    return rows, columns


def _placements(known: Scores, others: Scores) -> tuple[Scores, Scores]:
    """Return of each known place the share of others below it, and the reverse."""
    if min(len(known), len(others)) < 2:
        raise InvalidSamples(
            f"{len(known)} known and {len(others)} other places; at least two of each can be ranked"
        )
    both = stats.rankdata(np.concatenate([known, others]))
    above = (both[: len(known)] - stats.rankdata(known)) / len(others)
    below = 1 - (both[len(known) :] - stats.rankdata(others)) / len(known)
    return above, below


def _variance(placements: Scores) -> float:
    return float(placements.var(ddof=1)) / len(placements)
