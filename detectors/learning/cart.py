"""``cart``: a decision tree on sampled points of any bands, then a majority filter.

After Ganerod et al. 2023 (Remote Sens. 15, 895), who map with a tree in half an hour what a network
takes days for. A tree judges each pixel alone, so that speckle makes salt and pepper; the filter
takes the class that most of the pixels around were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.errors import InvalidSamples
from detectors.learning.trees import Forest, of_sklearn
from detectors.types import FloatArray

NAME = "cart"
#: Points sampled of each class at most. The rare class is sampled in full, and weights give each
#: class back its share of the ground: a tree taught on as many of both calls far too much.
POINTS = 5000
#: Least share of the sampled points that a leaf must hold: what one speckled point says is no rule.
LEAF = 0.005
#: Side of the majority filter, pixels, odd.
MAJORITY = 5

Codes = NDArray[np.int64]
Values = NDArray[np.float64]


def sample(
    values: FloatArray, codes: Codes, seed: int, points: int = POINTS
) -> tuple[FloatArray, Codes, Values]:
    """Return random points with known class and data in all bands, as many of each class if it has.

    Args:
        values: (band, y, x), NaN = no data.
        codes: (y, x), 0 = unknown.
        seed: of the draw.
        points: of each class, at most.

    Returns:
        float32 (n, band), int64 (n,), and how many pixels each point stands for, float64 (n,).
    """
    usable = np.flatnonzero((np.isfinite(values).all(axis=0) & (codes > 0)).ravel())
    known = codes.ravel()[usable]
    draw = np.random.default_rng(seed)
    drawn, weights = [usable[:0]], [np.zeros(0)]
    for code in np.unique(known):
        here = usable[known == code]
        taken = min(points, len(here))
        drawn.append(draw.choice(here, taken, replace=False))
        weights.append(np.full(taken, len(here) / taken))
    chosen = np.concatenate(drawn)
    samples = values.reshape(len(values), -1).T[chosen]
    return samples, codes.ravel()[chosen], np.concatenate(weights)


def fit(bands: Sequence[str], samples: Values, codes: Codes, weights: Values, seed: int) -> Forest:
    """Learn a tree.

    Args:
        bands: names of the columns of ``samples``.
        samples: (n, band), without gaps.
        codes: (n,), 1 and more.
        weights: (n,), how much each counts.
        seed: of ties between bands.

    Raises:
        InvalidSamples: fewer than two classes.
    """
    from sklearn.tree import DecisionTreeClassifier

    require_classes(codes)
    tree = DecisionTreeClassifier(min_samples_leaf=LEAF, random_state=seed)
    tree.fit(samples, codes, sample_weight=weights)
    return of_sklearn(NAME, bands, [tree], tree.classes_)


def predict(forest: Forest, values: FloatArray, side: int = MAJORITY) -> tuple[Codes, FloatArray]:
    """Return the class of each pixel after the majority filter, and the share of its class before.

    Args:
        forest: a tree of ``fit``.
        values: (band, y, x) in the order of ``forest.features``, NaN = no data.
        side: of the filter, pixels, odd; 1 leaves the map as it is.

    Returns:
        Codes, int64 (y, x), 0 = no data in some band; share of the tree's own class, float32, NaN
        there.
    """
    seen = np.isfinite(values).all(axis=0)
    shares = forest.shares(values[:, seen].T)
    codes = np.zeros(seen.shape, dtype=np.int64)
    codes[seen] = np.array(forest.classes)[shares.argmax(axis=1)]
    sure = np.full(seen.shape, np.nan, dtype=np.float32)
    sure[seen] = shares.max(axis=1)
    return majority(codes, forest.classes, side), sure


def majority(codes: Codes, classes: Sequence[int], side: int) -> Codes:
    """Give each pixel the class that most pixels around it have; of a tie the first class.

    Args:
        codes: (y, x), 0 = no data, which neither votes nor changes.
        classes: codes that there are.
        side: of the window, pixels, odd.
    """
    votes: NDArray[Any] = np.stack(
        [
            ndimage.uniform_filter((codes == code).astype(np.float32), side, mode="constant")
            for code in classes
        ]
    )
    # Sums of equal counts differ in the last digit.
    winners: Codes = np.array(classes)[votes.round(4).argmax(axis=0)]
    return np.where(codes > 0, winners, 0)


def require_classes(codes: Codes) -> None:
    """Refuse samples that hold nothing to tell apart.

    Raises:
        InvalidSamples: fewer than two classes.
    """
    classes = np.unique(codes)
    if len(classes) < 2:
        raise InvalidSamples(
            f"labels hold {len(classes)} class(es) on pixels with data; two at least are needed, "
            "the background being one of them"
        )
