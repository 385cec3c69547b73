"""``segments``: k-means segments, and a random forest on what is inside each.

After Tehrani et al. 2021 (Remote Sens. 13, 4129; in Ganerod et al. 2023): pictures are cut into
segments of like pixels, and a forest judges segments by their attributes. Segments are k-means in
bands and place (SLIC, Achanta et al. 2012, IEEE TPAMI 34, 2274-2282). Attributes are mean and
spread of each band and its mean's distance from the segments around. The bands meant are the
changes of brightness, NDVI and GNDVI (``differences``), after minus before; others work alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.errors import InvalidSamples
from detectors.learning.cart import require_classes
from detectors.learning.trees import Forest, of_sklearn
from detectors.types import BoolArray, FloatArray

NAME = "segments"
CHANGES = ("d_brightness", "d_ndvi", "d_gndvi")
#: Pixels of a segment, on average: slides of a few pixels need small ones.
PIXELS = 40
#: Weight of place in the k-means against bands, which SLIC stretches to 0 to 1 over the scene: even
#: segments that give way at strong edges. With 0.3 they fell apart and were merged into few.
COMPACTNESS = 2.0
#: Trees of the forest, and segments a leaf holds at least.
TREES, LEAF = 100, 3
#: Segments that a mean distance from the surroundings is taken over: pixels around.
AROUND = 25

Codes = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cut:
    """A scene in segments."""

    numbers: Codes
    """(y, x), 1 and more; 0 = no data in some band."""
    attributes: Values
    """(segment, 3 x band), in the order of the numbers."""


def differences(pre: FloatArray, post: FloatArray) -> FloatArray:
    """Return the change of brightness, NDVI and GNDVI, after minus before, float32 (3, y, x).

    Args:
        pre: reflectance before, (blue, green, red, near infrared; y, x), 0 to 1, NaN = not seen.
        post: the same after.
    """
    before, after = _indices(pre), _indices(post)
    change: FloatArray = (after - before).astype(np.float32)
    return change


def _indices(picture: FloatArray) -> FloatArray:
    blue, green, red, nir = picture
    # Water and deep shadow reflect next to nothing, and less than that after correction.
    floor = np.float32(1e-3)
    return np.stack(
        [
            (blue + green + red) / 3,
            (nir - red) / np.maximum(nir + red, floor),
            (nir - green) / np.maximum(nir + green, floor),
        ]
    )


def cut(values: FloatArray, pixels: int = PIXELS) -> Cut:
    """Cut a scene into segments.

    Args:
        values: (band, y, x), NaN = no data.
        pixels: of a segment, on average.

    Raises:
        InvalidSamples: no pixel has data in all bands.
    """
    from skimage.segmentation import slic

    seen = np.isfinite(values).all(axis=0)
    if not seen.any():
        raise InvalidSamples("no pixel has data in all bands; nothing can be cut into segments")
    inside = values[:, seen].astype(np.float64)
    middle = np.median(inside, axis=1)
    spread = np.maximum(inside.std(axis=1), 1e-9)
    scaled = (values - middle[:, None, None]) / spread[:, None, None]
    raw = slic(
        np.where(seen, scaled, 0.0), n_segments=max(1, int(seen.sum() / pixels)),
        compactness=COMPACTNESS, channel_axis=0, mask=seen, start_label=1,
        enforce_connectivity=True,
    )  # fmt: skip
    numbers = np.where(seen, raw, 0)
    # Pixels k-means left over belong to nobody: they make segments of their own.
    lost = seen & (numbers == 0)
    numbers[lost] = numbers.max() + ndimage.label(lost)[0][lost]
    numbers = np.unique(numbers, return_inverse=True)[1].reshape(seen.shape) + int(seen.all())
    return Cut(numbers.astype(np.int64), _attributes(values, seen, numbers))


def _attributes(values: FloatArray, seen: BoolArray, numbers: Codes) -> Values:
    inside = numbers[seen] - 1
    count = np.bincount(inside)

    def mean(of: Values) -> Values:
        averaged: Values = np.bincount(inside, of[seen]) / count
        return averaged

    weight = ndimage.uniform_filter(seen.astype(np.float64), AROUND)
    columns = []
    for band in values.astype(np.float64):
        filled = np.where(seen, band, 0.0)
        around = ndimage.uniform_filter(filled, AROUND) / np.maximum(weight, 1e-9)
        level = mean(filled)
        spread = np.bincount(inside, (filled[seen] - level[inside]) ** 2) / count
        columns += [level, np.sqrt(spread), level - mean(around)]
    return np.stack(columns, axis=1)


def names_of(bands: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the attributes of bands."""
    return tuple(f"{band} {what}" for band in bands for what in ("mean", "spread", "away"))


def classes_of(numbers: Codes, codes: Codes) -> Codes:
    """Return the class that most known pixels of each segment have, (segment,); 0 = none known.

    Args:
        numbers: (y, x), of the segments; 0 = no data.
        codes: (y, x), 0 = unknown.
    """
    found = np.zeros(int(numbers.max()), dtype=np.int64)
    known = (numbers > 0) & (codes > 0)
    if not known.any():
        return found
    classes, index = np.unique(codes[known], return_inverse=True)
    votes = np.zeros((len(found), len(classes)), dtype=np.int64)
    np.add.at(votes, (numbers[known] - 1, index), 1)
    some = votes.any(axis=1)
    found[some] = classes[votes[some].argmax(axis=1)]
    return found


def fit(bands: Sequence[str], attributes: Values, codes: Codes, seed: int) -> Forest:
    """Learn a forest from segments of one or many scenes.

    Args:
        bands: what the scenes consisted of.
        attributes: (segment, 3 x band).
        codes: (segment,), 0 = unknown, left out.
        seed: of the forest.

    Raises:
        InvalidSamples: fewer than two classes.
    """
    from sklearn.ensemble import RandomForestClassifier

    known = codes > 0
    require_classes(codes[known])
    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, random_state=seed).fit(
        attributes[known], codes[known]
    )
    return of_sklearn(NAME, names_of(bands), forest.estimators_, forest.classes_)


def predict(forest: Forest, scene: Cut) -> tuple[Codes, FloatArray]:
    """Return the class of each pixel's segment, int64 (y, x), and the share of its votes, float32.

    No data is 0 and NaN.
    """
    shares = forest.shares(scene.attributes)
    codes = np.concatenate([[0], np.array(forest.classes)[shares.argmax(axis=1)]])
    sure = np.concatenate([[np.nan], shares.max(axis=1)]).astype(np.float32)
    return codes[scene.numbers], sure[scene.numbers]
