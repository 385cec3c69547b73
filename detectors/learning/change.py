"""``landslide-change``: red/green ratio, NDVI and brightness change to one score.

Learnt from image segments of many scenes, used on the pixels of another one. What moves between
the two is where the scenes lie, and how far their quiet ground scatters: seasons, light, land use.
So a band is never judged by its value but by its distance from what is usual in its own scene, in
units of how far that scene scatters (``Usual``); the logistic regression that weighs the three
distances is the same everywhere. Segments are means over many pixels; single pixels carry noise
that no segment had, so pixels are averaged over ``SMOOTHED`` first.

Units: NDVI change and brightness change are before minus after (positive = vegetation lost,
darker), as the source has them; a scene in other units comes out the same as long as all of it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from detectors.errors import InvalidSamples, InvalidWeights
from detectors.learning.ranking import local_mean
from detectors.types import BoolArray, FloatArray

NAME = "landslide-change"
#: Bands of a scene, in the order of the weights.
BANDS = ("rg", "ndvi_change", "brightness_change")
#: Pixels on a side over which a scene is averaged: the least window that is a mean at all. Larger
#: ones would hide slides of a few pixels.
SMOOTHED = 3
#: Weight, in segments, of the scatter of all scenes against that of one, which may have four.
PRIOR_SEGMENTS = 8.0

Values = NDArray[np.float64]
Groups = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual in one scene."""

    level: tuple[float, ...]
    """Median of its ground, by band."""
    spread: tuple[float, ...]
    """Root mean square distance from it, by band, above 0."""

    def distance(self, values: Values) -> Values:
        """Return how far values (n, band) lie from what is usual, in spreads."""
        return (values - np.array(self.level)) / np.array(self.spread)


@dataclass(frozen=True, slots=True)
class ChangeModel:
    """Weights of a logistic regression on distances from what is usual."""

    bands: tuple[str, ...]
    """Of a scene, in this order."""
    weights: tuple[float, ...]
    """By band, per spread."""
    intercept: float
    """Of the logit."""
    pooled_spread: tuple[float, ...]
    """Scatter of quiet segments about their scene's level, all scenes together, by band."""

    def usual(self, ground: Values) -> Usual:
        """Return what is usual where ``ground`` (n, band) was seen.

        Raises:
            InvalidSamples: there is no ground at all.
        """
        return usual(ground, np.array(self.pooled_spread))

    def score(self, values: Values, scene: Usual) -> Values:
        """Return 0..1 by sample, (n,): rises with the likeness of a landslide, no probability."""
        distance = scene.distance(values)
        logit = distance @ np.array(self.weights) + self.intercept
        return np.asarray(special.expit(logit), dtype=np.float64)

    def map(self, scene: FloatArray) -> FloatArray:
        """Return the score of each pixel of a scene, float32 (y, x), NaN = no data in any band.

        Args:
            scene: (band, y, x) in the order of ``bands``, NaN = no data; mostly without landslides,
                since its own pixels say what is usual.

        Raises:
            InvalidSamples: other bands, or no pixel with data.
        """
        if len(scene) != len(self.bands):
            raise InvalidSamples(f"{len(scene)} bands; wanted are {', '.join(self.bands)}")
        valid = np.isfinite(scene).all(axis=0)
        whole = np.where(valid, scene, np.nan)
        values = np.stack([local_mean(band, SMOOTHED)[valid] for band in whole], axis=1)
        values = values.astype(np.float64)
        score = np.full(valid.shape, np.nan, dtype=np.float32)
        score[valid] = self.score(values, self.usual(values))
        return score

    def to_json(self) -> str:
        """Return the model as text."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ChangeModel:
        """Return the model that was written as text.

        Raises:
            InvalidWeights: it is something else.
        """
        try:
            read: Mapping[str, Any] = json.loads(text)
            model = cls(
                bands=tuple(map(str, read["bands"])),
                weights=tuple(map(float, read["weights"])),
                intercept=float(read["intercept"]),
                pooled_spread=tuple(map(float, read["pooled_spread"])),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidWeights(f"no weights of {NAME}: {error}; train it again") from None
        if not len(model.bands) == len(model.weights) == len(model.pooled_spread):
            raise InvalidWeights(f"the weights of {NAME} do not fit its bands; train it again")
        return model


def usual(ground: Values, pooled: Values) -> Usual:
    """Return level and spread of a scene; the fewer samples, the nearer to ``pooled``.

    Args:
        ground: (n, band), of ground that is mostly quiet.
        pooled: (band,), scatter of all scenes together.

    Raises:
        InvalidSamples: no sample.
    """
    if not len(ground):
        raise InvalidSamples("a scene without any quiet ground has no level to compare with")
    level = np.median(ground, axis=0)
    squares = ((ground - level) ** 2).sum(axis=0)
    spread = np.sqrt((squares + PRIOR_SEGMENTS * pooled**2) / (len(ground) + PRIOR_SEGMENTS))
    return Usual(tuple(map(float, level)), tuple(map(float, spread)))


def fit(values: Values, landslide: BoolArray, scenes: Groups) -> ChangeModel:
    """Learn from labelled segments; in each scene those without landslide say what is usual.

    Args:
        values: (n, band) in the order of ``BANDS``.
        landslide: (n,).
        scenes: (n,), which scene a segment is from.

    Raises:
        InvalidSamples: one class only, or a scene without quiet segments.
    """
    from sklearn.linear_model import LogisticRegression

    if landslide.all() or not landslide.any():
        raise InvalidSamples("segments with and without landslide are needed to learn from")
    pooled = _pooled_spread(values[~landslide], scenes[~landslide])
    distance = np.empty_like(values)
    for scene in np.unique(scenes):
        here = scenes == scene
        distance[here] = usual(values[here & ~landslide], pooled).distance(values[here])
    learnt = LogisticRegression(class_weight="balanced").fit(distance, landslide)
    return ChangeModel(
        BANDS,
        tuple(map(float, learnt.coef_[0])),
        float(learnt.intercept_[0]),
        tuple(map(float, pooled)),
    )


def held_out(values: Values, landslide: BoolArray, scenes: Groups) -> Values:
    """Return the score of each segment by a model that never saw its scene, (n,).

    What is usual there is taken from the scene's own quiet segments: on a real scene nearly all
    ground is quiet, among these segments two in five are landslides.

    Raises:
        InvalidSamples: as ``fit``.
    """
    score = np.empty(len(values))
    for scene in np.unique(scenes):
        here = scenes == scene
        model = fit(values[~here], landslide[~here], scenes[~here])
        score[here] = model.score(values[here], model.usual(values[here & ~landslide]))
    return score


def _pooled_spread(ground: Values, scenes: Groups) -> Values:
    away = [ground[scenes == s] - np.median(ground[scenes == s], axis=0) for s in np.unique(scenes)]
    spread: Values = np.sqrt(np.mean(np.concatenate(away) ** 2, axis=0))
    return spread
